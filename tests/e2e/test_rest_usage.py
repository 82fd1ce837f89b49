"""Usage, events, balance and catalogue over REST: what is billed is what was charged."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from mintgate import new_id
from mintgate.channel import authorization
from mintgate.v1 import ledger_pb2, ledger_pb2_grpc
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS, UnitCount

from tests.e2e.rest import CHAT, OwnAccount, Rest, chat, failure
from tests.harness import MASTER_KEY, Installation
from tests.sdk_python.prices import USD_PER_MILLION, nano_usd
from tests.wire import send

EVENTS = 10_000
BATCH = 256
MONTH_START = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def own(gateway: Installation) -> OwnAccount:
    """An account of the test's own, so that its sums hold nothing else."""
    return OwnAccount.make(gateway)


def micros(nanos: int) -> int:
    """Whole micro-dollars, half to even."""
    whole, rest = divmod(nanos, 1_000)
    return whole + (rest > 500 or (rest == 500 and whole % 2 == 1))


def used(gateway: Installation, secret: str, tokens: int, model: str = "gpt-4o-mini") -> None:
    """One charge of known size."""
    answer = chat(gateway, secret, f"input={tokens}; output=7", model=model)
    assert answer.status == 200, answer.body


# ------------------------------------------------------------------------------- usage


def test_usage_is_the_sum_of_events(own: OwnAccount) -> None:
    """One call sums every key and model of the account, exactly as its events do."""
    gateway = own.rest.gateway
    ada = own.rest.mint("ada", external_user_id="user-1")
    bob = own.rest.mint("bob")
    own.rest.mint("idle")
    for tokens in (101, 202, 303):
        used(gateway, ada["secret"], tokens)
    used(gateway, ada["secret"], 150, "gpt-5")
    used(gateway, bob["secret"], 99)
    expected = {
        ("ada", "gpt-4o-mini"): sum(
            nano_usd("gpt-4o-mini", input=t, output=7) for t in (101, 202, 303)
        ),
        ("ada", "gpt-5"): nano_usd("gpt-5", input=150, output=7),
        ("bob", "gpt-4o-mini"): nano_usd("gpt-4o-mini", input=99, output=7),
    }
    usage = own.rest.ok("GET", "/v1/usage")
    found = {
        (row["key_name"], model["model_slug"]): model["cost_nanos"]
        for row in usage["by_key"]
        for model in row["by_model"]
    }
    assert found == expected
    total = sum(expected.values())
    assert usage["total_cost_nanos"] == total
    assert usage["total_cost_micros"] == micros(total)
    assert usage["request_count"] == 5
    assert usage["total_input_tokens"] == 101 + 202 + 303 + 150 + 99
    assert usage["total_output_tokens"] == 5 * 7
    assert [row["key_name"] for row in usage["by_key"]] == ["ada", "bob"]
    first = usage["by_key"][0]
    assert (first["name"], first["key_id"], first["key_prefix"]) == (
        "ada",
        ada["id"],
        ada["prefix"],
    )
    assert first["external_user_id"] == "user-1"
    by_model = {row["model_slug"]: row for row in usage["by_model"]}
    assert by_model["gpt-4o-mini"]["request_count"] == 4
    assert by_model["gpt-4o-mini"]["provider_slug"] == "openai"
    assert by_model["gpt-4o-mini"]["avg_latency_ms"] >= 0
    assert own.rest.ok("GET", "/v1/billing/balance")["spent_nanos"] == total


def test_default_window(own: OwnAccount) -> None:
    """Without a window it is the month to date, in UTC."""
    usage = own.rest.ok("GET", "/v1/usage")
    assert usage["from_ms"] == MONTH_START.timestamp() * 1_000
    assert usage["from_ms"] < usage["to_ms"]
    assert usage["by_key"] == usage["by_model"] == []


def test_windows(own: OwnAccount) -> None:
    """A window has its start, and not its end; halves add up to the whole."""
    key = own.rest.mint("w")
    for tokens in (100, 200, 150):
        used(own.rest.gateway, key["secret"], tokens)
    events = own.rest.ok("GET", f"/v1/keys/{key['id']}/usage")["events"][::-1]
    first_ms, last_ms = events[0]["created_at"], events[-1]["created_at"]

    def cost(query: str) -> int:
        return int(own.rest.ok("GET", f"/v1/usage?{query}")["total_cost_nanos"])

    total = sum(event["cost_nanos"] for event in events)
    assert cost(f"from_ms={first_ms}&to_ms={last_ms + 1}") == total
    assert cost(f"from_ms={last_ms + 1}") == 0
    assert cost(f"from_ms=1&to_ms={first_ms}") == 0
    for cut in (first_ms, first_ms + 1, last_ms, last_ms + 1):
        before = sum(e["cost_nanos"] for e in events if e["created_at"] < cut)
        assert cost(f"from_ms=1&to_ms={cut}") == before
        assert cost(f"from_ms={cut}&to_ms={last_ms + 10}") == total - before


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("from_ms=-1", "from_ms"),
        ("from_ms=x", "from_ms"),
        ("to_ms=1e3", "to_ms"),
        ("from_ms=99999999999999999999", "from_ms"),
        ("month=2026-11", "month"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/usage", "/v1/keys/me/usage"])
def test_bad_windows(gateway: Installation, path: str, query: str, param: str) -> None:
    """A parameter that is unknown or no time is 400 and named."""
    failure(Rest(gateway).call("GET", f"{path}?{query}"), 400, param)


def test_window_that_ends_before_it_starts(gateway: Installation) -> None:
    """A window whose end is not after its start is 400."""
    failure(Rest(gateway).call("GET", "/v1/usage?from_ms=200&to_ms=100"), 400)


# ------------------------------------------------------------------------------ events


def test_event_fields(own: OwnAccount) -> None:
    """An event holds all that its cost can be computed from again."""
    key = own.rest.mint("e", max_spend_usd=1)
    answer = chat(own.rest.gateway, key["secret"], "input=150; cached=50; output=7; reasoning=3")
    usage = own.rest.ok("GET", f"/v1/keys/{key['id']}/usage")
    (event,) = usage["events"]
    cost = nano_usd("gpt-4o-mini", input=100, cached=50, output=10)
    assert event["cost_nanos"] == event["actual_nanos"] == cost
    assert event["cost_micros"] == micros(cost)
    assert event["units"] == {"input_tokens": 100, "cache_read_tokens": 50, "output_tokens": 10}
    pico = sum(n * event["unit_prices_pico_usd"][unit] for unit, n in event["units"].items())
    assert -(-pico // 1_000) == cost
    assert (event["model_slug"], event["provider_slug"]) == ("gpt-4o-mini", "openai")
    assert (event["input_tokens"], event["output_tokens"], event["reasoning_tokens"]) == (
        150,
        10,
        3,
    )
    assert (event["status"], event["settled_by"], event["http_status"]) == (
        "completed",
        "usage",
        200,
    )
    assert event["request_id"] == answer.headers["mintgate-request-id"]
    assert event["key_id"] == key["id"]
    assert event["latency_ms"] >= event["first_byte_ms"] >= 0
    assert usage["spent_nanos"] == cost
    assert usage["remaining_nanos"] == 1_000_000_000 - cost
    assert usage["max_spend_micros"] == 1_000_000
    shown = own.rest.ok("GET", f"/v1/keys/{key['id']}")
    assert shown["last_used_at"] == event["created_at"]


def many_charges(gateway: Installation, secret: str, count: int) -> int:
    """Make charges of 1, 2, 3 ... input tokens through the ledger itself; returns their sum."""
    secret_sha256 = hashlib.sha256(secret.encode()).digest()
    total = 0
    with grpc.insecure_channel(gateway.core_target) as channel:
        stub = ledger_pb2_grpc.LedgerServiceStub(channel)

        def apply(operations: list[ledger_pb2.Operation]) -> Any:
            request = ledger_pb2.ApplyRequest(operations=operations)
            (response,) = stub.Apply(iter([request]), metadata=authorization(MASTER_KEY))
            return response.results

        for start in range(0, count, BATCH):
            sizes = range(start + 1, min(start + BATCH, count) + 1)
            reserves = [reserve(secret_sha256, tokens) for tokens in sizes]
            results = apply([ledger_pb2.Operation(reserve=r) for r in reserves])
            settles = [
                settle(r.hold_id, result.reserved.hold_token, tokens)
                for r, result, tokens in zip(reserves, results, sizes, strict=True)
            ]
            for result in apply([ledger_pb2.Operation(settle=s) for s in settles]):
                total += result.settled.charged_nano_usd
    return total


def reserve(secret_sha256: bytes, tokens: int) -> ledger_pb2.Reserve:
    """A hold for that much input."""
    return ledger_pb2.Reserve(
        hold_id=new_id(),
        secret_sha256=secret_sha256,
        provider="openai",
        model="gpt-4o-mini",
        route="chat",
        bound=ledger_pb2.Bound(input_tokens=tokens, output_tokens=1),
    )


def settle(hold_id: bytes, hold_token: bytes, tokens: int) -> ledger_pb2.Settle:
    """The charge of that hold."""
    return ledger_pb2.Settle(
        hold_id=hold_id,
        hold_token=hold_token,
        units=[
            UnitCount(unit=UNIT_INPUT_TOKENS, count=tokens),
            UnitCount(unit=UNIT_OUTPUT_TOKENS, count=1),
        ],
        settled_by=ledger_pb2.SETTLED_BY_USAGE,
        status=ledger_pb2.EVENT_STATUS_COMPLETED,
    )


def test_ten_thousand_events(gateway: Installation) -> None:
    """The drill-down has no end but the last event: pages hold every charge exactly once."""
    rest = Rest(gateway)
    key = rest.mint("busy")
    total = many_charges(gateway, key["secret"], EVENTS)
    # 150 nano-dollars a token in, 600 for the one out.
    assert total == sum(range(1, EVENTS + 1)) * 150 + EVENTS * 600
    path = f"/v1/keys/{key['id']}/usage"
    events: list[dict[str, Any]] = []
    pages = 0
    cursor: int | None = 0
    while cursor is not None:
        page = rest.ok("GET", f"{path}?limit=1000&cursor={cursor}")
        events += page["events"]
        cursor, pages = page["next_cursor"], pages + 1
        assert page["spent_nanos"] == total
    assert pages == EVENTS // 1_000
    assert [event["input_tokens"] for event in events] == list(range(EVENTS, 0, -1))
    assert len({event["id"] for event in events}) == EVENTS
    assert sum(event["cost_nanos"] for event in events) == total
    sequences = [event["sequence"] for event in events]
    assert sequences == sorted(sequences, reverse=True)
    first = rest.ok("GET", path)
    assert len(first["events"]) == 100
    assert first["next_cursor"] == sequences[99]
    row = next(r for r in rest.ok("GET", "/v1/usage")["by_key"] if r["key_id"] == key["id"])
    assert (row["cost_nanos"], row["request_count"]) == (total, EVENTS)


def test_event_windows(own: OwnAccount) -> None:
    """Events can be cut by time as sums are."""
    key = own.rest.mint("w")
    for tokens in (1, 2, 3):
        used(own.rest.gateway, key["secret"], 100 + tokens)
    path = f"/v1/keys/{key['id']}/usage"
    events = own.rest.ok("GET", path)["events"]
    cut = events[0]["created_at"]
    later = own.rest.ok("GET", f"{path}?from_ms={cut}")["events"]
    earlier = own.rest.ok("GET", f"{path}?to_ms={cut}")["events"]
    assert later + earlier == events
    assert Counter(e["id"] for e in later + earlier).most_common(1)[0][1] == 1


def test_a_user_reads_its_own(own: OwnAccount) -> None:
    """A standard key reads its own usage and its account's balance, and nobody else's."""
    gateway = own.rest.gateway
    ada, bob = own.rest.mint("ada", max_spend_usd=2), own.rest.mint("bob")
    used(gateway, ada["secret"], 100)
    used(gateway, bob["secret"], 100)
    user = Rest(gateway, ada["secret"])
    for key_id in ("me", ada["id"]):
        usage = user.ok("GET", f"/v1/keys/{key_id}/usage")
        assert usage["key_id"] == ada["id"]
        assert len(usage["events"]) == 1
        assert usage["max_spend_nanos"] == 2_000_000_000
    assert [row["key_name"] for row in user.ok("GET", "/v1/usage")["by_key"]] == ["ada"]
    assert user.ok("GET", "/v1/billing/balance") == own.rest.ok("GET", "/v1/billing/balance")
    for key in (ada, bob):
        failure(user.call("GET", f"/v1/keys/{key['id']}"), 403)
    failure(user.call("GET", f"/v1/keys/{bob['id']}/usage"), 403)


# ----------------------------------------------------------------- balance, catalogue


def test_balance(own: OwnAccount) -> None:
    """The balance is what was granted minus what was charged, to the nano-dollar."""
    before = own.rest.ok("GET", "/v1/billing/balance")
    assert before["balance_nanos"] == 100_000_000_000
    assert (before["balance_micros"], before["balance_usd"]) == (100_000_000, 100)
    key = own.rest.mint("b")
    used(own.rest.gateway, key["secret"], 123)
    cost = nano_usd("gpt-4o-mini", input=123, output=7)
    after = own.rest.ok("GET", "/v1/billing/balance")
    assert after["balance_nanos"] == 100_000_000_000 - cost
    assert after["balance_micros"] == micros(after["balance_nanos"])
    assert after["spent_nanos"] == cost
    assert (after["held_nanos"], after["available_nanos"]) == (0, after["balance_nanos"])
    assert after["postpaid"] is False


def test_catalogue(gateway: Installation) -> None:
    """The catalogue is public, and its prices are the providers' own."""
    answer = send(gateway.url, "GET", "/v1/catalog")
    assert answer.status == 200
    catalogue = answer.json()
    assert {"openai", "anthropic", "gemini"} <= set(catalogue["providers"])
    assert catalogue["generated_at"] > MONTH_START.timestamp() * 1_000
    models = {(m["provider"], m["slug"]): m for m in catalogue["models"]}
    assert len(models) == len(catalogue["models"]) > 100
    mini = models["openai", "gpt-4o-mini"]
    assert (mini["context_window"], mini["max_output_tokens"]) == (128_000, 16_384)
    standard = next(rates for rates in mini["prices"] if rates["variant"] is None)
    listed = {unit: price["usd_per_million"] for unit, price in standard["units"].items()}
    public = USD_PER_MILLION["gpt-4o-mini"]
    assert listed["input_tokens"] == float(public["input"])
    assert listed["cache_read_tokens"] == float(public["cached"])
    assert listed["output_tokens"] == float(public["output"])
    assert standard["units"]["input_tokens"]["pico_usd"] == 150_000
    pro = models["gemini", "gemini-2.5-pro"]["prices"]
    (tier,) = next(rates for rates in pro if rates["variant"] is None)["tiers"]
    assert tier["above_input_tokens"] == 200_000
    assert tier["units"]["output_tokens"]["usd_per_million"] == 15


def test_the_request_of_these_tests_fits(gateway: Installation) -> None:
    """The forced counts above lie within the bound of the request that they steer."""
    with gateway.client() as client:
        key = client.keys.mint("fits")
    used(gateway, key.secret, 303)
    (event,) = gateway.events(key.key.id)
    assert event.held_nano_usd >= event.charged_nano_usd
    assert len(str(CHAT)) > 1_000
