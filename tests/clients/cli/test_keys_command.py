from __future__ import annotations

import pytest
from mintgate import IdempotencyConflict, NotFound
from mintgate.v1 import keys_pb2

from tests.clients.conftest import FakeCore

from .conftest import Mintgate

KEY = keys_pb2.Key(
    id="key_1",
    account_id="acc_1",
    name="[bold]ada",
    prefix="qlk_live_abcd…wxyz",
    scope=keys_pb2.KEY_SCOPE_STANDARD,
    status=keys_pb2.KEY_STATUS_ACTIVE,
    cap_nano_usd=5_000_000_000,
    spent_nano_usd=123_456,
    created_at_ms=1_762_000_000_000,
    metadata={"plan": "pro"},
)


def test_mint_prints_the_secret_once(against: Mintgate, core: FakeCore) -> None:
    """A mint shows the key and its secret, on a line of its own that can be copied."""
    core.will("Mint", keys_pb2.MintResponse(key=KEY, secret="qlk_live_" + "5" * 64))

    ran = against(
        *("keys", "mint", "ada", "--cap-usd", "5.00", "--metadata", "plan=pro"),
        *("--allow-provider", "openai", "--allow-provider", "gemini", "--allow-model", "gpt-*"),
        *("--origin", "https://app.example.com", "--origin", "https://*.example.org"),
        *("--cidr", "203.0.113.0/24"),
        *("--expires-at", "2026-01-01", "--idempotency-key", "evt_1", "--on-disconnect", "drain"),
    )

    assert (ran.status, ran.err) == (0, "")
    assert "secret (shown once): qlk_live_" + "5" * 64 in ran.out.splitlines()
    assert "$0.000123456" in ran.out
    (sent,) = core.requests("Mint")
    assert (
        sent.cap_nano_usd,
        sent.idempotency_key,
        sent.expires_at_ms,
    ) == (5_000_000_000, "evt_1", 1_767_225_600_000)
    assert list(sent.allowed_providers) == ["openai", "gemini"]
    assert list(sent.allowed_origins) == ["https://app.example.com", "https://*.example.org"]
    assert list(sent.allowed_cidrs) == ["203.0.113.0/24"]
    assert dict(sent.metadata) == {"plan": "pro"}
    assert core.credentials() == ["Bearer qlk_live_master"]


def test_update_lifts_a_list_by_name(against: Mintgate, core: FakeCore) -> None:
    """An empty list is said in words, and never beside entries for it."""
    core.will("Update", keys_pb2.UpdateResponse(key=KEY))

    lifted = ("--any-provider", "--any-model", "--any-origin", "--any-address")
    assert against("keys", "update", "key_1", *lifted).status == 0
    both = against("keys", "update", "key_1", "--any-address", "--cidr", "203.0.113.0/24")

    (sent,) = core.requests("Update")
    assert set(sent.fields) == {
        keys_pb2.KEY_FIELD_ALLOWED_PROVIDERS,
        keys_pb2.KEY_FIELD_ALLOWED_MODELS,
        keys_pb2.KEY_FIELD_ALLOWED_ORIGINS,
        keys_pb2.KEY_FIELD_ALLOWED_CIDRS,
    }
    assert (both.status, "not both" in both.err) == (1, True)


def test_json_has_numbers_words_and_nulls(against: Mintgate, core: FakeCore) -> None:
    """JSON for scripts: money as whole numbers, enums as words, an unset cap as null."""
    uncapped = keys_pb2.Key(id="key_2")
    core.will("Mint", keys_pb2.MintResponse(key=KEY, secret="s", replayed=True))
    core.will("Get", keys_pb2.GetResponse(key=uncapped))

    minted = against("keys", "mint", "ada", "--json").json
    found = against("keys", "get", "key_2", "--json").json

    assert (minted["secret"], minted["replayed"]) == ("s", True)
    assert minted["key"]["spent_nano_usd"] == 123_456
    assert minted["key"]["status"] == "active"
    assert minted["key"]["metadata"] == {"plan": "pro"}
    assert found["key"]["cap_nano_usd"] is None


def test_list_shows_every_page(against: Mintgate, core: FakeCore) -> None:
    """The table holds the keys of all pages, a name in brackets being just a name."""
    core.will(
        "List",
        keys_pb2.ListResponse(keys=[KEY], next_page_token="t"),
        keys_pb2.ListResponse(keys=[keys_pb2.Key(id="key_2")]),
    )

    ran = against("keys", "list", "--external-user-id", "user_1")

    header, first, second = ran.out.splitlines()
    assert header.split()[:3] == ["id", "name", "key"]
    assert "[bold]ada" in first
    assert "$5.00" in first
    assert second.startswith("key_2")
    assert "none" in second
    assert {"user_1"} == {sent.external_user_id for sent in core.requests("List")}


def test_an_empty_list_says_so(against: Mintgate, core: FakeCore) -> None:
    """Nothing to show is said, and is valid JSON too."""
    core.will("List", keys_pb2.ListResponse())

    assert against("keys", "list").out == "no keys yet\n"
    assert against("keys", "list", "--json").json == {"keys": []}


def test_update_changes_what_is_given(against: Mintgate, core: FakeCore) -> None:
    """Options become the mask; lifting the cap is said explicitly."""
    core.will("Update", keys_pb2.UpdateResponse(key=KEY))

    assert against("keys", "update", "key_1", "--no-cap", "--status", "paused").status == 0

    (sent,) = core.requests("Update")
    assert {keys_pb2.KEY_FIELD_STATUS, keys_pb2.KEY_FIELD_CAP} == set(sent.fields)
    assert not sent.key.HasField("cap_nano_usd")


def test_rotate_and_revoke(against: Mintgate, core: FakeCore) -> None:
    """A new secret is printed; a revoked key is shown."""
    core.will("Rotate", keys_pb2.RotateResponse(key=KEY, secret="qlk_live_new"))
    core.will("Revoke", keys_pb2.RevokeResponse(key=KEY))

    assert "qlk_live_new" in against("keys", "rotate", "key_1").out
    assert against("keys", "rotate", "key_1", "--json").json["secret"] == "qlk_live_new"
    assert against("keys", "revoke", "key_1", "--json").json["key"]["id"] == "key_1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mint", "ada", "--cap-usd", "five"), "cap_usd is not an amount in USD"),
        (("mint", "ada", "--scope", "root"), "scope must be one of: standard, master"),
        (("mint", "ada", "--metadata", "plan"), "'plan' is not name=value"),
        (("mint", "ada", "--expires-at", "soon"), "--expires-at: 'soon' is neither"),
        (("update", "key_1"), "nothing to change"),
        (("update", "key_1", "--no-cap", "--cap-usd", "1"), "not both"),
    ],
)
def test_mistakes_are_one_line(against: Mintgate, arguments: tuple[str, ...], said: str) -> None:
    """A mistake is told in one line on stderr, with a failing status."""
    ran = against("keys", *arguments)

    assert (ran.status, ran.out) == (1, "")
    (line,) = ran.err.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_refusals_are_one_line(against: Mintgate, core: FakeCore) -> None:
    """What the core refuses is told in its own words, on one line."""
    core.will("Get", NotFound("There is no key key_9."))
    core.will("Mint", IdempotencyConflict("Used before\nwith another name.", field="name"))

    assert against("keys", "get", "key_9").err == "error: There is no key key_9.\n"
    assert against("keys", "mint", "x").err == "error: Used before with another name.\n"
