"""Accounts over REST: two of them share a gateway and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mintgate.ids import new_id
from mintgate.v1.meter_pb2 import ModelPrice, RateSet
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS, UnitPrice

from tests.e2e.rest import OwnAccount, Rest, chat, failure, operator
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd

SIMULATE = "input=100; output=7"
COST = nano_usd("gpt-4o-mini", input=100, output=7)


def test_make_and_list(gateway: Installation) -> None:
    """The operator makes accounts and lists them all; each comes with its first master key."""
    rest = operator(gateway)
    made = rest.call("POST", "/v1/accounts", {"name": "Acme", "grant_usd": 12.5})
    assert made.status == 201
    account = made.json()
    assert (account["name"], account["postpaid"]) == ("Acme", False)
    master = account["master_key"]
    assert master["scope"] == "master"
    theirs = Rest(gateway, master["secret"])
    assert theirs.ok("GET", "/v1/billing/balance")["balance_nanos"] == 12_500_000_000
    listed: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = rest.ok("GET", f"/v1/accounts?limit=2&cursor={cursor}")
        listed += [entry["id"] for entry in page["accounts"]]
        cursor = page["next_cursor"]
    assert account["id"] in listed
    assert len(listed) == len(set(listed)) >= 2
    assert master["secret"] not in json.dumps(rest.ok("GET", "/v1/accounts?limit=1000"))


def test_a_repeat_is_the_same_account(gateway: Installation) -> None:
    """The same Idempotency-Key answers account and secret again, with another body it is 409."""
    rest = operator(gateway)
    once = new_id().hex()
    body = {"name": "Twice", "grant_usd": 3}
    first = rest.call("POST", "/v1/accounts", body, idempotency_key=once)
    again = rest.call("POST", "/v1/accounts", body, idempotency_key=once)
    assert (first.status, again.status) == (201, 201)
    assert first.json() | {"replayed": True} == again.json()
    secret = again.json()["master_key"]["secret"]
    assert Rest(gateway, secret).ok("GET", "/v1/billing/balance")["balance_nanos"] == 3 * 10**9
    other = rest.call("POST", "/v1/accounts", body | {"grant_usd": 4}, idempotency_key=once)
    error = failure(other, 409)
    assert (error["code"], error["param"]) == ("idempotency_conflict", "grant_usd")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a", "grant_usd": -1}, "grant_usd"),
        ({"name": "a", "grant_usd": "1"}, "grant_usd"),
        ({"name": "a", "grant_usd": 1, "postpaid": True}, "grant_usd"),
        ({"name": "a", "postpaid": "yes"}, "postpaid"),
        ({"name": "a", "balance_usd": 1}, "balance_usd"),
    ],
)
def test_bad_accounts(gateway: Installation, body: dict[str, Any], param: str) -> None:
    """A field that is unknown or wrong is 400 and named, and no account is made."""
    rest = operator(gateway)
    before = len(rest.ok("GET", "/v1/accounts?limit=1000")["accounts"])
    answer = rest.call("POST", "/v1/accounts", body)
    assert failure(answer, 400)["param"] == param
    assert len(rest.ok("GET", "/v1/accounts?limit=1000")["accounts"]) == before


def test_only_the_operator(gateway: Installation) -> None:
    """A master key, even of the first account, is no operator."""
    failure(Rest(gateway).call("GET", "/v1/accounts"), 403)
    failure(Rest(gateway).call("POST", "/v1/accounts", {"name": "a"}), 403)


def test_isolation(gateway: Installation) -> None:
    """Another account's keys, usage and money do not exist."""
    ours, theirs = OwnAccount.make(gateway), OwnAccount.make(gateway)
    key = ours.rest.mint("ours", external_user_id="shared-user-id")
    assert chat(gateway, key["secret"], SIMULATE).status == 200
    path = f"/v1/keys/{key['id']}"
    for method, suffix, body in [
        ("GET", "", None),
        ("GET", "/usage", None),
        ("PATCH", "", {"name": "stolen"}),
        ("PATCH", "", {"max_spend_usd": None}),
        ("POST", "/rotate", None),
        ("DELETE", "", None),
    ]:
        failure(theirs.rest.call(method, path + suffix, body), 404)
    assert ours.rest.ok("GET", path)["name"] == "ours"
    listed = theirs.rest.ok("GET", "/v1/keys?external_user_id=shared-user-id")
    assert listed["keys"] == []
    assert key["id"] not in json.dumps(theirs.rest.ok("GET", "/v1/keys?limit=1000"))
    assert theirs.rest.ok("GET", "/v1/usage")["request_count"] == 0
    assert theirs.rest.ok("GET", "/v1/billing/balance")["spent_nanos"] == 0
    assert ours.rest.ok("GET", "/v1/billing/balance")["spent_nanos"] == COST
    assert chat(gateway, key["secret"], SIMULATE).status == 200


def test_cursor_of_another_account(gateway: Installation) -> None:
    """A page token from one account opens nothing in another."""
    ours, theirs = OwnAccount.make(gateway), OwnAccount.make(gateway)
    for name in ("a", "b", "c"):
        ours.rest.mint(name)
    cursor = ours.rest.ok("GET", "/v1/keys?limit=1")["next_cursor"]
    page = theirs.rest.ok("GET", f"/v1/keys?cursor={cursor}")
    names = {key["name"] for key in page["keys"]}
    assert not names & {"a", "b", "c"}


def test_price_overrides(gateway: Installation) -> None:
    """A price set for one account holds there, from the next request on, and nowhere else."""
    dear, plain = OwnAccount.make(gateway), OwnAccount.make(gateway)
    price = ModelPrice(
        provider="openai",
        model="gpt-4o-mini",
        rates=[
            RateSet(
                prices=[
                    # $1.50 and $6 a million: ten times the list.
                    UnitPrice(unit=UNIT_INPUT_TOKENS, pico_usd=1_500_000),
                    UnitPrice(unit=UNIT_OUTPUT_TOKENS, pico_usd=6_000_000),
                ]
            )
        ],
    )
    with gateway.client(dear.rest.credential) as client:
        client.meter.put_price(price)
        (shown,) = client.meter.prices(provider="openai", model="gpt-4o-mini")
    assert shown.source == "override"
    for account, factor in ((dear, 10), (plain, 1)):
        key = account.rest.mint("user")
        assert chat(gateway, key["secret"], SIMULATE).status == 200
        (event,) = account.rest.ok("GET", f"/v1/keys/{key['id']}/usage")["events"]
        assert event["cost_nanos"] == factor * COST
    with gateway.client(plain.rest.credential) as client:
        (shown,) = client.meter.prices(provider="openai", model="gpt-4o-mini")
    assert shown.source != "override"


def test_empty_wallet(gateway: Installation) -> None:
    """Without money in the wallet no cap helps: 402 that says so, and a grant ends it."""
    account = OwnAccount.make(gateway, grant_usd=0)
    key = account.rest.mint("user", max_spend_usd=5)
    answer = chat(gateway, key["secret"], SIMULATE)
    assert answer.status == 402
    error = answer.json()["error"]
    assert (error["code"], error["remaining_micros"]) == ("wallet_empty", 0)
    with gateway.client(operator(gateway).credential) as client:
        client.ledger.grant(account_id=account.id, amount_usd="1", note="top-up")
    assert chat(gateway, key["secret"], SIMULATE).status == 200
    balance = account.rest.ok("GET", "/v1/billing/balance")
    assert balance["balance_nanos"] == 1_000_000_000 - COST


def test_postpaid_wallet(gateway: Installation) -> None:
    """A postpaid account has no ceiling of its own; caps of its keys hold all the same."""
    account = OwnAccount.make(gateway, postpaid=True)
    free, capped = account.rest.mint("free"), account.rest.mint("capped", max_spend_usd=0)
    assert chat(gateway, free["secret"], SIMULATE).status == 200
    answer = chat(gateway, capped["secret"], SIMULATE)
    assert answer.status == 402
    assert answer.json()["error"]["code"] == "cap_exceeded"
    balance = account.rest.ok("GET", "/v1/billing/balance")
    assert (balance["postpaid"], balance["balance_nanos"]) == (True, 0)
    assert balance["spent_nanos"] == COST
    with gateway.client(operator(gateway).credential) as client:
        assert client.ledger.balance(account_id=account.id).spent_nano_usd == COST


def test_standard_keys_of_two_accounts_call_at_once(gateway: Installation) -> None:
    """Each account pays for its own users only."""
    accounts = [OwnAccount.make(gateway) for _ in range(2)]
    for count, account in enumerate(accounts, start=1):
        key = account.rest.mint("user")
        for _ in range(count):
            assert chat(gateway, key["secret"], SIMULATE).status == 200
    spent = [account.rest.ok("GET", "/v1/billing/balance")["spent_nanos"] for account in accounts]
    assert spent == [COST, 2 * COST]
