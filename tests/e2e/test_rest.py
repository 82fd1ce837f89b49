"""Keys over REST, end to end: mint, list, read, change, rotate, revoke."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mintgate import new_id

from tests.e2e.rest import OwnAccount, Rest, chat, failure
from tests.harness import MASTER_KEY, Installation
from tests.wire import send

SECRET = re.compile(r"qlk_live_[0-9a-f]{64}")


@pytest.fixture
def rest(gateway: Installation) -> Rest:
    """The control API with the first master key."""
    return Rest(gateway)


@pytest.fixture(scope="module")
def own(gateway: Installation) -> OwnAccount:
    """An account that only this file uses."""
    return OwnAccount.make(gateway)


# -------------------------------------------------------------------------------- mint


def test_mint(rest: Rest) -> None:
    """A key is minted with all that was asked for, and its secret works at once."""
    wanted = {
        "name": "Ada",
        "scope": "standard",
        "max_spend_usd": 5.25,
        "expires_at": time.time_ns() // 1_000_000 + 3_600_000,
        "external_user_id": "user-1",
        "metadata": {"plan": "pro", "ü": "✓"},
        "allowed_providers": ["openai"],
        "allowed_models": ["gpt-4o*"],
        "unbounded_output": "reject",
        "on_disconnect": "drain",
        "rate_limits": {
            "requests_per_minute": 600,
            "tokens_per_minute": None,
            "open_requests": 5,
        },
    }
    answer = rest.call("POST", "/v1/keys", wanted)
    assert answer.status == 201
    assert answer.headers["cache-control"] == "no-store"
    key = answer.json()
    assert {name: key[name] for name in wanted} == wanted
    assert SECRET.fullmatch(key["secret"])
    assert key["prefix"] == f"{key['secret'][:13]}…{key['secret'][-4:]}"
    assert key["replayed"] is False
    assert (key["spent_nanos"], key["remaining_nanos"]) == (0, 5_250_000_000)
    assert chat(rest.gateway, key["secret"]).status == 200


def test_secret_is_shown_once(rest: Rest) -> None:
    """After its minting no answer holds the secret any more."""
    key = rest.mint("once")
    for path in (f"/v1/keys/{key['id']}", "/v1/keys?limit=1000", f"/v1/keys/{key['id']}/usage"):
        answer = rest.call("GET", path)
        assert answer.status == 200
        assert key["secret"].encode() not in answer.body
        assert key["prefix"] in answer.body.decode()


@pytest.mark.parametrize(
    ("text", "nano_usd"),
    [
        ("0", 0),
        ("0.000000001", 1),
        ("1e-9", 1),
        ("0.1", 100_000_000),
        ("5", 5_000_000_000),
        ("5.00", 5_000_000_000),
        ("1.5E+2", 150_000_000_000),
        ("4611686018.427387904", 4_611_686_018_427_387_904),
    ],
)
def test_caps_are_exact(rest: Rest, text: str, nano_usd: int) -> None:
    """A cap is a JSON number of dollars, kept to the nano-dollar and never as a float."""
    answer = rest.call("POST", "/v1/keys", f'{{"name": "c", "max_spend_usd": {text}}}')
    assert answer.status == 201
    assert answer.json()["max_spend_nanos"] == nano_usd


def test_uncapped(rest: Rest) -> None:
    """Without a cap, or with null, only the wallet limits a key."""
    for options in ({}, {"max_spend_usd": None}):
        key = rest.mint("uncapped", **options)
        assert (key["max_spend_usd"], key["max_spend_nanos"], key["remaining_nanos"]) == (
            None,
            None,
            None,
        )


BAD_MINTS: list[Any] = [
    ('{"max_spend_usd": 5}', "name"),
    ('{"name": ""}', "name"),
    ('{"name": 5}', "name"),
    ('{"name": null}', "name"),
    (json.dumps({"name": "x" * 201}), "name"),
    ('{"name": "a", "scope": "root"}', "scope"),
    ('{"name": "a", "scope": null}', "scope"),
    ('{"name": "a", "max_spend_usd": -1}', "max_spend_usd"),
    ('{"name": "a", "max_spend_usd": -0.000000001}', "max_spend_usd"),
    ('{"name": "a", "max_spend_usd": 1.0000000001}', "max_spend_usd"),
    ('{"name": "a", "max_spend_usd": 1e-10}', "max_spend_usd"),
    ('{"name": "a", "max_spend_usd": 1e30}', "max_spend_usd"),
    ('{"name": "a", "max_spend_usd": 4611686018.427387905}', "max_spend_usd"),
    ('{"name": "a", "max_spend_usd": "5"}', "max_spend_usd"),
    ('{"name": "a", "max_spend_usd": true}', "max_spend_usd"),
    ('{"name": "a", "max_spend_usd": []}', "max_spend_usd"),
    ('{"name": "a", "max_spend_usd": {}}', "max_spend_usd"),
    ('{"name": "a", "max_spend": 5}', "max_spend"),
    ('{"name": "a", "maxSpendUsd": 5}', "maxSpendUsd"),
    ('{"name": "a", "id": "key_1"}', "id"),
    ('{"name": "a", "account_id": "acc_1"}', "account_id"),
    ('{"name": "a", "expires_at": 1}', "expires_at"),
    ('{"name": "a", "expires_at": -1}', "expires_at"),
    ('{"name": "a", "expires_at": "tomorrow"}', "expires_at"),
    ('{"name": "a", "expires_at": 1e300}', "expires_at"),
    (json.dumps({"name": "a", "external_user_id": "x" * 201}), "external_user_id"),
    ('{"name": "a", "external_user_id": 5}', "external_user_id"),
    ('{"name": "a", "metadata": []}', "metadata"),
    ('{"name": "a", "metadata": {"a": 5}}', "metadata.a"),
    (json.dumps({"name": "a", "metadata": {str(n): "" for n in range(33)}}), "metadata"),
    ('{"name": "a", "allowed_models": "gpt-4o"}', "allowed_models"),
    ('{"name": "a", "allowed_models": [5]}', "allowed_models.0"),
    ('{"name": "a", "allowed_origins": ["https://app.example.com/"]}', "allowed_origins"),
    ('{"name": "a", "allowed_origins": "https://app.example.com"}', "allowed_origins"),
    ('{"name": "a", "allowed_cidrs": ["203.0.113.7/24"]}', "allowed_cidrs"),
    ('{"name": "a", "allowed_providers": [""]}', "allowed_providers.0"),
    ('{"name": "a", "unbounded_output": "maybe"}', "unbounded_output"),
    ('{"name": "a", "on_disconnect": "explode"}', "on_disconnect"),
    ('{"name": "a", "name": "b"}', "name"),
]


@pytest.mark.parametrize(("body", "param"), BAD_MINTS, ids=[f"{p}-{b[:60]}" for b, p in BAD_MINTS])
def test_bad_mints(rest: Rest, body: str, param: str) -> None:
    """A field that is unknown, wrong or inexact is 400 and named."""
    failure(rest.call("POST", "/v1/keys", body), 400, param)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '"a"',
        '{"name": "a", "max_spend_usd": NaN}',
        '{"name": "a", "max_spend_usd": Infinity}',
        '{"name": "a", "expires_at": ' + "9" * 40 + "}",
        "[" * 100_000,
        '{"name": "' + "x" * 300_000 + '"}',
    ],
    ids=["empty", "cut", "array", "null", "string", "NaN", "Infinity", "huge", "deep", "large"],
)
def test_bodies_that_are_no_document(rest: Rest, body: str) -> None:
    """What is no JSON object is 400 with a sentence."""
    assert failure(rest.call("POST", "/v1/keys", body), 400)["code"] == "invalid_argument"


@pytest.mark.parametrize("scope", ["master", "admin"])
def test_master_keys(own: OwnAccount, scope: str) -> None:
    """`admin` is another word for `master`, and such a key mints in turn."""
    key = own.rest.mint("lead", scope=scope)
    assert key["scope"] == "master"
    minted = Rest(own.rest.gateway, key["secret"]).mint("child")
    assert minted["scope"] == "standard"


# ------------------------------------------------------------------------- idempotency


def test_replay(rest: Rest) -> None:
    """A mint that is repeated answers the same key and the same secret."""
    once = new_id().hex()
    body = {"name": "webhook", "max_spend_usd": 5}
    first = rest.call("POST", "/v1/keys", body, idempotency_key=once)
    again = rest.call("POST", "/v1/keys", body, idempotency_key=once)
    assert (first.status, again.status) == (201, 201)
    assert again.json()["replayed"] is True
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["secret"] == first.json()["secret"]
    assert chat(rest.gateway, again.json()["secret"]).status == 200


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"name": "other"}, "name"),
        ({"max_spend_usd": 6}, "max_spend_usd"),
        ({"expires_at": 4_000_000_000_000}, "expires_at"),
        ({"scope": "master"}, "scope"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"external_user_id": "u"}, "external_user_id"),
    ],
)
def test_replay_with_another_body(rest: Rest, changed: dict[str, Any], named: str) -> None:
    """The same Idempotency-Key with another body is 409 naming the first field that differs."""
    once = new_id().hex()
    body = {"name": "webhook", "max_spend_usd": 5}
    assert rest.call("POST", "/v1/keys", body, idempotency_key=once).status == 201
    answer = rest.call("POST", "/v1/keys", body | changed, idempotency_key=once)
    error = failure(answer, 409)
    assert error["code"] == "idempotency_conflict"
    assert error["param"] == named
    assert named in error["message"]


def test_replay_by_another_caller(rest: Rest, own: OwnAccount) -> None:
    """An Idempotency-Key belongs to the key that used it: another caller gets a key of its own."""
    once = new_id().hex()
    body = {"name": "webhook"}
    first = rest.call("POST", "/v1/keys", body, idempotency_key=once).json()
    other = own.rest.call("POST", "/v1/keys", body, idempotency_key=once).json()
    assert other["replayed"] is False
    assert other["id"] != first["id"]


def test_replays_at_once(rest: Rest) -> None:
    """A webhook delivered many times at once mints one key."""
    once = new_id().hex()

    def mint(_: int) -> Any:
        return rest.call("POST", "/v1/keys", {"name": "burst"}, idempotency_key=once).json()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(mint, range(8)))
    assert len({answer["id"] for answer in answers}) == 1
    assert len({answer["secret"] for answer in answers}) == 1
    assert sorted(answer["replayed"] for answer in answers) == [False] + [True] * 7


def test_idempotency_key_that_is_too_long(rest: Rest) -> None:
    """An Idempotency-Key has at most 255 characters."""
    answer = rest.call("POST", "/v1/keys", {"name": "a"}, idempotency_key="x" * 256)
    failure(answer, 400)
    assert rest.call("POST", "/v1/keys", {"name": "a"}, idempotency_key="x" * 255).status == 201


# -------------------------------------------------------------------------------- list


def test_list_pages(gateway: Installation) -> None:
    """A list pages through every key once, newest first, and filters by user."""
    own = OwnAccount.make(gateway)
    minted = [
        own.rest.mint(f"k{n}", external_user_id="even" if n % 2 == 0 else "odd")["id"]
        for n in range(7)
    ]
    seen: list[str] = []
    cursor, pages = "", 0
    while True:
        page = own.rest.ok("GET", f"/v1/keys?limit=3&cursor={cursor}")
        seen += [key["id"] for key in page["keys"]]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == 3
    assert seen[:7] == minted[::-1]
    assert len(seen) == 8
    even = own.rest.ok("GET", "/v1/keys?external_user_id=even")["keys"]
    assert [key["id"] for key in even] == minted[::2][::-1]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("page=2", "page"),
        ("cursor=" + "x" * 501, "cursor"),
    ],
)
def test_bad_lists(rest: Rest, query: str, param: str) -> None:
    """A parameter that is unknown or out of range is 400 and named."""
    failure(rest.call("GET", f"/v1/keys?{query}"), 400, param)


# ------------------------------------------------------------------------------ change


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("name", "old", "new"),
        ("max_spend_usd", 5, 7.5),
        ("max_spend_usd", 5, None),
        ("max_spend_usd", None, 0.000000001),
        ("external_user_id", "u1", "u2"),
        ("external_user_id", "u1", None),
        ("metadata", {"a": "1"}, {"b": "2"}),
        ("metadata", {"a": "1"}, {}),
        ("allowed_models", ["gpt-4o*"], ["gpt-5*", "o3"]),
        ("allowed_models", ["gpt-4o*"], []),
        ("allowed_providers", [], ["anthropic"]),
        ("allowed_origins", [], ["https://app.example.com", "https://*.example.org"]),
        ("allowed_cidrs", ["203.0.113.0/24"], ["2001:db8::/32", "192.0.2.7/32"]),
        ("unbounded_output", "fit", "reject"),
        ("on_disconnect", "abort", "drain"),
    ],
)
def test_patch(rest: Rest, name: str, before: Any, after: Any) -> None:
    """Only the field that is there changes, and the key answers with it from then on."""
    key = rest.mint("old", **({} if name == "name" else {name: before}))
    changed = rest.ok("PATCH", f"/v1/keys/{key['id']}", {name: after})
    assert changed[name] == after
    assert rest.ok("GET", f"/v1/keys/{key['id']}") == changed
    derived = {name, "max_spend_micros", "max_spend_nanos", "remaining_micros", "remaining_nanos"}
    assert {n: v for n, v in changed.items() if n not in derived} == {
        n: v for n, v in key.items() if n not in derived | {"secret", "replayed"}
    }


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ("{}", None),
        ('{"status": "revoked"}', "status"),
        ('{"status": 5}', "status"),
        ('{"name": null}', "name"),
        ('{"scope": "master"}', "scope"),
        ('{"max_spend_usd": -1}', "max_spend_usd"),
        ('{"spent_micros": 0}', "spent_micros"),
        ('{"secret": "x"}', "secret"),
    ],
)
def test_bad_patches(rest: Rest, body: str, param: str | None) -> None:
    """What cannot be changed is 400 and named, and nothing else changes either."""
    key = rest.mint("kept")
    failure(rest.call("PATCH", f"/v1/keys/{key['id']}", body), 400, param)
    assert rest.ok("GET", f"/v1/keys/{key['id']}")["name"] == "kept"


def test_changes_hold_for_the_next_request(rest: Rest) -> None:
    """A cap, a pause and a list of models hold from the key's next request on."""
    key = rest.mint("live", max_spend_usd=5)
    path, secret = f"/v1/keys/{key['id']}", key["secret"]
    assert chat(rest.gateway, secret).status == 200
    rest.ok("PATCH", path, {"max_spend_usd": 0})
    assert chat(rest.gateway, secret).status == 402
    rest.ok("PATCH", path, {"max_spend_usd": None, "status": "paused"})
    assert chat(rest.gateway, secret).status == 401
    rest.ok("PATCH", path, {"status": "active", "allowed_models": ["gpt-5*"]})
    assert chat(rest.gateway, secret).status == 403
    rest.ok("PATCH", path, {"allowed_models": None})
    assert chat(rest.gateway, secret).status == 200


def test_rotate(rest: Rest) -> None:
    """A new secret works at once, the old one stops at once, and the books stay."""
    key = rest.mint("rotated", max_spend_usd=5)
    assert chat(rest.gateway, key["secret"]).status == 200
    rotated = rest.ok("POST", f"/v1/keys/{key['id']}/rotate")
    assert rotated["id"] == key["id"]
    assert SECRET.fullmatch(rotated["secret"])
    assert rotated["spent_nanos"] > 0
    assert chat(rest.gateway, key["secret"]).status == 401
    assert chat(rest.gateway, rotated["secret"]).status == 200


# ------------------------------------------------------------------------------ revoke


def test_delete_twice(rest: Rest) -> None:
    """A deletion takes effect on the next request; a second one is 404."""
    key = rest.mint("gone")
    path = f"/v1/keys/{key['id']}"
    assert chat(rest.gateway, key["secret"]).status == 200
    assert rest.ok("DELETE", path) == {"ok": True}
    assert chat(rest.gateway, key["secret"]).status == 401
    failure(rest.call("DELETE", path), 404)
    failure(rest.call("PATCH", path, {"name": "back"}), 404)
    failure(rest.call("POST", f"{path}/rotate"), 404)
    left = rest.ok("GET", path)
    assert (left["revoked"], left["status"]) == (True, "revoked")
    assert left["revoked_at"] > 0


def test_a_key_cannot_end_itself(own: OwnAccount) -> None:
    """The last master key cannot lock its owner out."""
    lead = own.rest.mint("lead", scope="master")
    rest = Rest(own.rest.gateway, lead["secret"])
    failure(rest.call("DELETE", f"/v1/keys/{lead['id']}"), 403)
    assert rest.call("GET", "/v1/keys").status == 200


@pytest.mark.parametrize("key_id", ["key_none", "x", "%00", "..%2f..", "me%20", "key_" + "0" * 32])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_unknown_keys(rest: Rest, method: str, key_id: str) -> None:
    """A key that does not exist is 404 for every method."""
    body = {"name": "x"} if method == "PATCH" else None
    failure(rest.call(method, f"/v1/keys/{key_id}", body), 404)


# ------------------------------------------------------------------------- credentials

MASTER_ROUTES = [
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys"),
    ("PATCH", "/v1/keys/key_1"),
    ("POST", "/v1/keys/key_1/rotate"),
    ("DELETE", "/v1/keys/key_1"),
    ("POST", "/v1/accounts"),
    ("GET", "/v1/accounts"),
]


@pytest.mark.parametrize(("method", "path"), MASTER_ROUTES)
def test_standard_keys_may_not(rest: Rest, method: str, path: str) -> None:
    """A standard key gets 403 wherever a master key is needed, even for its own key."""
    key = rest.mint("user")
    user = Rest(rest.gateway, key["secret"])
    body = body_for(method, path)
    own_path = path.replace("key_1", key["id"])
    failure(user.call(method, own_path, body), 403)
    assert rest.ok("GET", f"/v1/keys/{key['id']}")["status"] == "active"


def body_for(method: str, path: str) -> dict[str, str] | None:
    """A body that the route would take."""
    writes = method == "PATCH" or (method == "POST" and not path.endswith("/rotate"))
    return {"name": "x"} if writes else None


READ_ROUTES = [
    ("GET", "/v1/keys/key_1"),
    ("GET", "/v1/keys/me/usage"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/billing/balance"),
]


@pytest.mark.parametrize(("method", "path"), MASTER_ROUTES + READ_ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer qlk_live_" + "0" * 64},
        {"authorization": "Bearer sk-else"},
        {"authorization": "Basic abc"},
        {"x-api-key": ""},
        {"authorization": f"Bearer {MASTER_KEY}", "x-api-key": "qlk_live_" + "0" * 64},
    ],
    ids=["none", "unknown", "no key", "basic", "empty", "two"],
)
def test_credentials(
    gateway: Installation, method: str, path: str, headers: dict[str, str]
) -> None:
    """Without exactly one good credential every route is 401."""
    body = body_for(method, path)
    failure(send(gateway.url, method, path, headers=headers, body=body), 401)


def test_x_api_key(gateway: Installation) -> None:
    """A master key may come as `x-api-key`, or as both when they are the same."""
    both = {"x-api-key": MASTER_KEY, "authorization": f"Bearer {MASTER_KEY}"}
    for headers in ({"x-api-key": MASTER_KEY}, both):
        assert send(gateway.url, "GET", "/v1/keys?limit=1", headers=headers).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/v1/keys", 405),
        ("POST", "/v1/usage", 405),
        ("GET", "/v1/keys/a/b/c", 404),
        ("GET", "/v1/key", 404),
        ("DELETE", "/v1/billing/balance", 405),
    ],
)
def test_routes_that_do_not_exist(rest: Rest, method: str, path: str, status: int) -> None:
    """An unknown path or method answers in the one shape of failures."""
    failure(rest.call(method, path), status)


# -------------------------------------------------------------------- windows and grace


def test_window_cap(rest: Rest) -> None:
    """A cap by calendar refuses beside the other one, tells its use, and can be changed."""
    key = rest.mint("windowed", window_cap={"period": "month", "max_spend_usd": 0.000001})
    assert key["window_cap"]["time_zone"] == "UTC"
    assert key["window_cap"]["remaining_nanos"] == 1_000
    refused = chat(rest.gateway, key["secret"])
    assert refused.status == 402
    path = f"/v1/keys/{key['id']}"
    cap = {"period": "month", "time_zone": "Europe/Berlin", "max_spend_usd": 1}
    assert rest.ok("PATCH", path, {"window_cap": cap})["window_cap"]["max_spend_usd"] == 1
    assert chat(rest.gateway, key["secret"]).status == 200
    seen = rest.ok("GET", path)
    assert seen["window_cap"]["spent_nanos"] == seen["spent_nanos"] > 0
    assert rest.ok("PATCH", path, {"window_cap": None})["window_cap"] is None


@pytest.mark.parametrize(
    ("cap", "param"),
    [
        ({"period": "year", "max_spend_usd": 1}, "window_cap.period"),
        ({"period": "day"}, "window_cap.max_spend_usd"),
        ({"period": "day", "max_spend_usd": -1}, "window_cap.max_spend_usd"),
        ({"period": "day", "max_spend_usd": 1, "time_zone": "Nowhere"}, "window_cap.time_zone"),
        ({"period": "day", "max_spend_usd": 1, "from": 3}, "window_cap.from"),
    ],
)
def test_bad_window_cap(rest: Rest, cap: dict[str, Any], param: str) -> None:
    """A window cap that makes no sense is 400 and names the field."""
    answer = rest.call("POST", "/v1/keys", {"name": "x", "window_cap": cap})
    failure(answer, 400, param)


def test_rotate_with_grace(rest: Rest) -> None:
    """With a grace period both secrets work, and the answer says until when."""
    key = rest.mint("rotating")
    rotated = rest.ok("POST", f"/v1/keys/{key['id']}/rotate", {"grace_ms": 60_000})
    assert rotated["previous_secret_until"] > time.time_ns() // 1_000_000
    for secret in (key["secret"], rotated["secret"]):
        assert chat(rest.gateway, secret).status == 200
    again = rest.ok("POST", f"/v1/keys/{key['id']}/rotate")
    assert again["previous_secret_until"] is None
    assert chat(rest.gateway, rotated["secret"]).status == 401
    bad = rest.call("POST", f"/v1/keys/{key['id']}/rotate", {"grace_ms": -1})
    failure(bad, 400, "grace_ms")
