"""`/v1/keys`: what goes to the core, what comes back, and every way to be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mintgate.v1 import error_pb2, keys_pb2, ledger_pb2
from mintgate_facade.control.schemas import KeyAnswer, KeyListAnswer, MintedKey, RotatedKey

from tests.http_facade.control.conftest import MASTER, ScriptedCore, a_key

if TYPE_CHECKING:
    from mintgate.v1.keys_pb2 import MintRequest, UpdateRequest

SECRET = "qlk_live_" + "bb" * 32


async def test_minting(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """A mint carries every setting to the core, as the caller, and shows the secret."""
    core.answers["Mint"] = keys_pb2.MintResponse(key=a_key(), secret=SECRET)
    answer = await client.post(
        "/v1/keys",
        content=b"""{"name": "ada", "max_spend_usd": 0.000000001, "expires_at": 1900000000000,
            "external_user_id": "u1", "metadata": {"plan": "pro"}, "allowed_models": ["gpt-5*"],
            "allowed_providers": ["openai"], "unbounded_output": "reject",
            "allowed_origins": ["https://*.example.com"], "allowed_cidrs": ["2001:db8::/32"],
            "on_disconnect": "drain"}""",
        headers={"idempotency-key": "evt_1"},
    )

    assert answer.status_code == 201
    assert MintedKey.model_validate_json(answer.content).secret == SECRET
    ((name, request, authorization),) = core.calls
    assert ("Mint", f"Bearer {MASTER}") == (name, authorization)
    expected = keys_pb2.MintRequest(
        name="ada",
        scope=keys_pb2.KEY_SCOPE_STANDARD,
        cap_nano_usd=1,
        expires_at_ms=1_900_000_000_000,
        external_user_id="u1",
        metadata={"plan": "pro"},
        allowed_models=["gpt-5*"],
        allowed_providers=["openai"],
        allowed_origins=["https://*.example.com"],
        allowed_cidrs=["2001:db8::/32"],
        unbounded_output=keys_pb2.UNBOUNDED_OUTPUT_REJECT,
        on_disconnect=ledger_pb2.ON_DISCONNECT_DRAIN,
        idempotency_key="evt_1",
    )
    assert expected == request


@pytest.mark.parametrize(
    ("body", "cap_nano_usd"),
    [
        (b'{"name": "a", "max_spend_usd": 5}', 5_000_000_000),
        (b'{"name": "a", "max_spend_usd": 5.25}', 5_250_000_000),
        (b'{"name": "a", "max_spend_usd": 4611686018.123456789}', 4_611_686_018_123_456_789),
        (b'{"name": "a", "max_spend_usd": 1e-9}', 1),
        (b'{"name": "a", "max_spend_usd": 0}', 0),
        (b'{"name": "a", "max_spend_usd": null}', None),
        (b'{"name": "a"}', None),
    ],
)
async def test_caps_are_exact(
    client: httpx.AsyncClient, core: ScriptedCore, body: bytes, cap_nano_usd: int | None
) -> None:
    """A cap is the very number in the JSON, never a float near it; none is not zero."""
    assert (await client.post("/v1/keys", content=body)).status_code == 201

    request: MintRequest = core.calls[0][1]
    found = request.cap_nano_usd if request.HasField("cap_nano_usd") else None
    assert cap_nano_usd == found


BAD_MINTS: list[tuple[bytes, str]] = [
    (b'{"name": "a", "max_spend_usd": -1}', "max_spend_usd"),
    (b'{"name": "a", "max_spend_usd": 0.0000000001}', "max_spend_usd"),
    (b'{"name": "a", "max_spend_usd": 1e10}', "max_spend_usd"),
    (b'{"name": "a", "max_spend_usd": true}', "max_spend_usd"),
    (b'{"name": "a", "max_spend_usd": "5"}', "max_spend_usd"),
    (b'{"name": "a", "max_spend_usd": NaN}', "NaN"),
    (b'{"name": "a", "max_spend_usd": Infinity}', "Infinity"),
    (b'{"name": "a", "max_spend_usd": -Infinity}', "Infinity"),
    (b'{"name": "a", "max_spend": 5}', "max_spend"),
    (b'{"name": "a", "name": "b"}', "name"),
    (b'{"name": ""}', "name"),
    (b'{"name": 5}', "name"),
    (b"{}", "name"),
    (b'{"name": "a", "scope": "root"}', "scope"),
    (b'{"name": "a", "expires_at": -1}', "expires_at"),
    (b'{"name": "a", "expires_at": 1.5}', "expires_at"),
    (b'{"name": "a", "metadata": {"k": 1}}', "metadata.k"),
    (b'{"name": "a", "unbounded_output": "maybe"}', "unbounded_output"),
    (b'{"name": "a", "on_disconnect": "ignore"}', "on_disconnect"),
    (b'{"name": "a", "allowed_models": "gpt"}', "allowed_models"),
    (b"[]", "object"),
    (b"{", "JSON"),
    (b"", "JSON"),
    (b'{"name": "a", "expires_at": ' + b"9" * 400 + b"}", "out of range"),
]


@pytest.mark.parametrize(("body", "word"), BAD_MINTS)
async def test_what_is_not_exact_is_refused(
    client: httpx.AsyncClient, core: ScriptedCore, body: bytes, word: str
) -> None:
    """An unknown field or a bad value is a 400 that names it; the core is not asked."""
    answer = await client.post("/v1/keys", content=body)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_argument")
    assert word in error["message"]
    assert core.calls == []


async def test_admin_is_a_word_for_master(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """The scope `admin` mints a master key."""
    await client.post("/v1/keys", json={"name": "a", "scope": "admin"})
    assert core.calls[0][1].scope == keys_pb2.KEY_SCOPE_MASTER


async def test_an_idempotency_key_is_bounded(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """An idempotency key that is too long is refused by its name."""
    answer = await client.post(
        "/v1/keys", json={"name": "a"}, headers={"idempotency-key": "x" * 256}
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "idempotency-key")
    assert core.calls == []


async def test_a_key_is_shown_with_its_way_to_the_cap(
    client: httpx.AsyncClient, core: ScriptedCore
) -> None:
    """A key shows money rounded half to even and exact, and never a secret."""
    core.answers["Get"] = keys_pb2.GetResponse(key=a_key())
    answer = await client.get("/v1/keys/key_1")

    key = KeyAnswer.model_validate_json(answer.content)
    assert (
        key.spent_micros,
        key.spent_nanos,
        key.held_micros,
        key.held_nanos,
    ) == (2, 1_500, 2, 2_500)
    assert (key.remaining_nanos, key.max_spend_micros) == (5_000_000_000 - 4_000, 5_000_000)
    assert b'"max_spend_usd":5,' in answer.content
    assert "secret" not in answer.json()


async def test_an_uncapped_key_has_no_remaining(
    client: httpx.AsyncClient, core: ScriptedCore
) -> None:
    """Without a cap, cap and remaining are null, not zero."""
    key = a_key()
    key.ClearField("cap_nano_usd")
    core.answers["Get"] = keys_pb2.GetResponse(key=key)
    found = KeyAnswer.model_validate_json((await client.get("/v1/keys/key_1")).content)

    assert (found.max_spend_usd, found.max_spend_nanos, found.remaining_nanos) == (None, None, None)


async def test_a_list_has_a_cursor(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """A page's cursor goes back to the core as it came; the last page has none."""
    core.answers["List"] = keys_pb2.ListResponse(keys=[a_key()], next_page_token="t2")
    answer = await client.get("/v1/keys", params={"limit": 5, "cursor": "t1"})

    page = KeyListAnswer.model_validate_json(answer.content)
    assert (page.next_cursor, [key.id for key in page.keys]) == ("t2", ["key_1"])
    assert keys_pb2.ListRequest(page_size=5, page_token="t1") == core.calls[0][1]
    core.answers["List"] = keys_pb2.ListResponse()
    assert (await client.get("/v1/keys")).json() == {"keys": [], "next_cursor": None}


CHANGES: list[tuple[dict[str, Any], list[int], dict[str, Any]]] = [
    ({"max_spend_usd": 7}, [keys_pb2.KEY_FIELD_CAP], {"cap_nano_usd": 7_000_000_000}),
    ({"max_spend_usd": None}, [keys_pb2.KEY_FIELD_CAP], {}),
    (
        {"status": "paused"},
        [keys_pb2.KEY_FIELD_STATUS],
        {"status": keys_pb2.KEY_STATUS_PAUSED},
    ),
    ({"expires_at": None}, [keys_pb2.KEY_FIELD_EXPIRES_AT], {}),
    ({"metadata": {"a": "b"}}, [keys_pb2.KEY_FIELD_METADATA], {"metadata": {"a": "b"}}),
    (
        {"allowed_origins": ["https://app.example.com"], "allowed_cidrs": None},
        [keys_pb2.KEY_FIELD_ALLOWED_CIDRS, keys_pb2.KEY_FIELD_ALLOWED_ORIGINS],
        {"allowed_origins": ["https://app.example.com"]},
    ),
    (
        {"name": "n", "allowed_models": ["m"]},
        [keys_pb2.KEY_FIELD_ALLOWED_MODELS, keys_pb2.KEY_FIELD_NAME],
        {"name": "n", "allowed_models": ["m"]},
    ),
]


@pytest.mark.parametrize(("body", "fields", "values"), CHANGES)
async def test_only_what_is_there_is_changed(
    client: httpx.AsyncClient,
    core: ScriptedCore,
    body: dict[str, Any],
    fields: list[int],
    values: dict[str, Any],
) -> None:
    """A PATCH names exactly its own fields; null takes a limit away."""
    core.answers["Update"] = keys_pb2.UpdateResponse(key=a_key())
    answer = await client.patch("/v1/keys/key_1", json=body)

    assert answer.status_code == 200
    request: UpdateRequest = core.calls[0][1]
    assert fields == list(request.fields)
    assert keys_pb2.Key(id="key_1", **values) == request.key


async def test_scope_cannot_be_changed(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """A field that exists but cannot change is refused as one that is not of this call."""
    answer = await client.patch("/v1/keys/key_1", json={"scope": "master"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "scope")


async def test_rotate_and_delete(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """A rotation shows the new secret; a deletion says ok."""
    core.answers["Rotate"] = keys_pb2.RotateResponse(key=a_key(), secret=SECRET)
    rotated = await client.post("/v1/keys/key_1/rotate")
    deleted = await client.delete("/v1/keys/key_1")

    assert RotatedKey.model_validate_json(rotated.content).secret == SECRET
    assert (deleted.status_code, deleted.json()) == (200, {"ok": True})
    assert [name for name, _, _ in core.calls] == ["Rotate", "Revoke"]


REFUSALS = [
    (error_pb2.ERROR_REASON_UNAUTHENTICATED, 401, "authentication_error", "unauthenticated"),
    (error_pb2.ERROR_REASON_KEY_REVOKED, 401, "authentication_error", "key_revoked"),
    (error_pb2.ERROR_REASON_PERMISSION_DENIED, 403, "permission_error", "permission_denied"),
    (error_pb2.ERROR_REASON_NOT_FOUND, 404, "not_found_error", "not_found"),
    (error_pb2.ERROR_REASON_IDEMPOTENCY_CONFLICT, 409, "conflict_error", "idempotency_conflict"),
    (error_pb2.ERROR_REASON_INVALID_ARGUMENT, 400, "invalid_request_error", "invalid_argument"),
    (error_pb2.ERROR_REASON_UNAVAILABLE, 503, "unavailable_error", "unavailable"),
    (error_pb2.ERROR_REASON_OVERLOADED, 503, "unavailable_error", "overloaded"),
    (error_pb2.ERROR_REASON_INTERNAL, 500, "api_error", "internal"),
]


@pytest.mark.parametrize(("reason", "status", "kind", "code"), REFUSALS)
async def test_what_the_core_refuses(
    client: httpx.AsyncClient,
    core: ScriptedCore,
    reason: error_pb2.ErrorReason.ValueType,
    status: int,
    kind: str,
    code: str,
) -> None:
    """Each reason of the core's has one status, one type and one code; the field is named."""
    core.refusal = error_pb2.Error(reason=reason, message="because", field="name")
    answer = await client.post("/v1/keys", json={"name": "a"})

    assert status == answer.status_code
    assert {
        "error": {"type": kind, "message": "because", "code": code, "param": "name"}
    } == answer.json()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Basic abc"},
        {"authorization": f"Bearer {MASTER}", "x-api-key": "another"},
    ],
)
async def test_a_credential_is_needed(
    client: httpx.AsyncClient, core: ScriptedCore, headers: dict[str, str]
) -> None:
    """No key, another scheme, or two keys are a 401 without a call to the core."""
    answer = await client.get("/v1/keys", headers=headers)

    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
    assert core.calls == []


async def test_x_api_key_is_a_credential(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """The key may also stand in `x-api-key`."""
    headers = {"authorization": "", "x-api-key": MASTER}
    assert (await client.get("/v1/keys", headers=headers)).status_code == 200
    assert f"Bearer {MASTER}" == core.calls[0][2]
