"""What a key may hold: the limits of every field, at a mint and at an update."""

from __future__ import annotations

import re
from typing import Any

import grpc
import pytest
from mintgate import Minted
from mintgate.v1 import error_pb2, keys_pb2, ledger_pb2

from tests.core.service.harness import START_MS, Rig, refusal_of

SECRET = re.compile(r"qlk_live_[0-9a-f]{64}")

BAD: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": ""}),
    ("name", {"name": "x" * 201}),
    ("name", {"name": "a\nb"}),
    ("scope", {"scope": 3}),
    ("scope", {"scope": -1}),
    ("cap_nano_usd", {"cap_nano_usd": -1}),
    ("cap_nano_usd", {"cap_nano_usd": 2**62 + 1}),
    ("expires_at_ms", {"expires_at_ms": START_MS}),
    ("expires_at_ms", {"expires_at_ms": -1}),
    ("expires_at_ms", {"expires_at_ms": 2**53 + 1}),
    ("external_user_id", {"external_user_id": "x" * 201}),
    ("external_user_id", {"external_user_id": "\x00"}),
    ("metadata", {"metadata": {str(i): "" for i in range(33)}}),
    ("metadata", {"metadata": {"": "x"}}),
    ("metadata", {"metadata": {"k" * 65: "x"}}),
    ("metadata", {"metadata": {"k": "x" * 501}}),
    ("allowed_providers", {"allowed_providers": ["x"] * 129}),
    ("allowed_providers", {"allowed_providers": [""]}),
    ("allowed_models", {"allowed_models": ["x"] * 129}),
    ("allowed_models", {"allowed_models": ["x" * 257]}),
    ("allowed_origins", {"allowed_origins": [f"https://a{i}.example" for i in range(65)]}),
    ("allowed_origins", {"allowed_origins": ["https://app.example.com/"]}),
    ("allowed_origins", {"allowed_origins": ["*"]}),
    ("allowed_cidrs", {"allowed_cidrs": [f"10.0.{i}.0/24" for i in range(65)]}),
    ("allowed_cidrs", {"allowed_cidrs": ["10.0.0.1/8"]}),
    ("unbounded_output", {"unbounded_output": 3}),
    ("on_disconnect", {"on_disconnect": 3}),
    ("idempotency_key", {"idempotency_key": "x" * 256}),
]
"""The field that a refusal must name, and a value beyond its limits."""

LARGEST: dict[str, Any] = {
    "name": "é漢😀" * 66 + "xx",
    "cap_nano_usd": 2**62,
    "expires_at_ms": 2**53,
    "external_user_id": "u" * 200,
    "metadata": {f"{i:064}": "v" * 500 for i in range(32)},
    "allowed_providers": [f"p{i}" for i in range(128)],
    "allowed_models": ["m" * 256] * 128,
    "allowed_origins": [f"https://{i:0285}.b:8443" for i in range(64)],
    "allowed_cidrs": [f"2001:db8:{i:x}::/48" for i in range(1, 65)],
    "unbounded_output": keys_pb2.UNBOUNDED_OUTPUT_REJECT,
    "on_disconnect": ledger_pb2.ON_DISCONNECT_DRAIN,
}
"""Every field at its limit."""

FIELDS: dict[Any, keys_pb2.KeyField.ValueType] = {
    "name": keys_pb2.KEY_FIELD_NAME,
    "cap_nano_usd": keys_pb2.KEY_FIELD_CAP,
    "status": keys_pb2.KEY_FIELD_STATUS,
    "expires_at_ms": keys_pb2.KEY_FIELD_EXPIRES_AT,
    "external_user_id": keys_pb2.KEY_FIELD_EXTERNAL_USER_ID,
    "metadata": keys_pb2.KEY_FIELD_METADATA,
    "allowed_providers": keys_pb2.KEY_FIELD_ALLOWED_PROVIDERS,
    "allowed_models": keys_pb2.KEY_FIELD_ALLOWED_MODELS,
    "allowed_origins": keys_pb2.KEY_FIELD_ALLOWED_ORIGINS,
    "allowed_cidrs": keys_pb2.KEY_FIELD_ALLOWED_CIDRS,
    "unbounded_output": keys_pb2.KEY_FIELD_UNBOUNDED_OUTPUT,
    "on_disconnect": keys_pb2.KEY_FIELD_ON_DISCONNECT,
}
"""What an update can change, by the name of the key's field."""


async def test_a_mint_beyond_a_limit_names_the_field(rig: Rig) -> None:
    """Each field of a mint has its limits; a refusal says which, and no key is made."""
    for field, change in BAD:
        request = keys_pb2.MintRequest(**{"name": "x", **change})
        status, error = await refusal_of(rig.keys.Mint(request, metadata=rig.auth()))
        assert status is grpc.StatusCode.INVALID_ARGUMENT, change
        assert (error.reason, error.field) == (
            error_pb2.ERROR_REASON_INVALID_ARGUMENT,
            field,
        ), change
    assert len((await rig.client().keys.list_page()).keys) == 1


async def test_a_mint_at_every_limit_comes_back_whole(rig: Rig) -> None:
    """The largest values of every field are kept to the letter, in any script."""
    request = keys_pb2.MintRequest(**LARGEST, idempotency_key="i" * 255)
    answer = await rig.keys.Mint(request, metadata=rig.auth())
    key = await rig.client().keys.get(answer.key.id)
    assert key == answer.key
    for name, value in LARGEST.items():
        found = getattr(key, name)
        assert type(value)(found) == value, name
    assert SECRET.fullmatch(answer.secret)


async def test_a_mint_without_wishes_has_the_defaults(rig: Rig) -> None:
    """A name is enough: a standard, uncapped, active key that fits and aborts."""
    answer = await rig.keys.Mint(keys_pb2.MintRequest(name="x"), metadata=rig.auth())
    key = answer.key
    assert key.scope == keys_pb2.KEY_SCOPE_STANDARD
    assert key.status == keys_pb2.KEY_STATUS_ACTIVE
    assert not key.HasField("cap_nano_usd")
    assert key.unbounded_output == keys_pb2.UNBOUNDED_OUTPUT_FIT
    assert key.on_disconnect == ledger_pb2.ON_DISCONNECT_ABORT
    assert (key.created_at_ms, key.last_used_at_ms, key.revoked_at_ms) == (START_MS, 0, 0)
    assert key.prefix == f"{answer.secret[:13]}…{answer.secret[-4:]}"
    assert not answer.replayed


async def test_a_cap_of_zero_is_a_cap(rig: Rig) -> None:
    """0 is kept as 0 and not as the absence of a cap."""
    key = (await rig.client().keys.mint("none", cap_nano_usd=0)).key
    assert key.HasField("cap_nano_usd")
    assert key.cap_nano_usd == 0


async def test_a_minted_master_mints_in_its_own_account(rig: Rig, user: Minted) -> None:
    """A master key that a master minted may do the same."""
    second = await rig.client().keys.mint("second", scope="master")
    third = await rig.client(second.secret).keys.mint("third")
    assert third.key.account_id == user.key.account_id


async def test_an_update_has_the_limits_of_a_mint(rig: Rig, user: Minted) -> None:
    """What a mint refuses, an update refuses by the same name, and nothing changes."""
    before = await rig.client().keys.get(user.key.id)
    for field, change in BAD:
        if field in FIELDS:
            key = keys_pb2.Key(id=user.key.id, **change)
            request = keys_pb2.UpdateRequest(key=key, fields=[FIELDS[field]])
            status, error = await refusal_of(rig.keys.Update(request, metadata=rig.auth()))
            told = (status, error.field)
            assert told == (grpc.StatusCode.INVALID_ARGUMENT, field), change
    assert await rig.client().keys.get(user.key.id) == before


@pytest.mark.parametrize(
    ("fields", "key", "named"),
    [
        ([], {}, "fields"),
        ([keys_pb2.KEY_FIELD_UNSPECIFIED], {}, "fields"),
        ([99], {}, "fields"),
        ([keys_pb2.KEY_FIELD_NAME] * 15, {"name": "x"}, "fields"),
        ([keys_pb2.KEY_FIELD_STATUS], {"status": keys_pb2.KEY_STATUS_REVOKED}, "status"),
        ([keys_pb2.KEY_FIELD_STATUS], {}, "status"),
    ],
)
async def test_an_update_that_makes_no_sense_is_refused(
    rig: Rig, user: Minted, fields: list[Any], key: dict[str, Any], named: str
) -> None:
    """An empty, unknown or overlong mask, and revoking by the way, name what is wrong."""
    request = keys_pb2.UpdateRequest(key=keys_pb2.Key(id=user.key.id, **key), fields=fields)
    status, error = await refusal_of(rig.keys.Update(request, metadata=rig.auth()))
    assert (status, error.field) == (grpc.StatusCode.INVALID_ARGUMENT, named)


@pytest.mark.parametrize("name", FIELDS)
async def test_an_update_changes_what_its_mask_names(rig: Rig, user: Minted, name: Any) -> None:
    """Of a key with everything different, only the field in the mask is taken over."""
    wishes = {**LARGEST, "status": keys_pb2.KEY_STATUS_PAUSED}
    request = keys_pb2.UpdateRequest(
        key=keys_pb2.Key(id=user.key.id, spent_nano_usd=7, **wishes), fields=[FIELDS[name]]
    )
    answer = await rig.keys.Update(request, metadata=rig.auth())
    expected = keys_pb2.Key()
    expected.CopyFrom(user.key)
    expected.ClearField(name)
    expected.MergeFrom(keys_pb2.Key(**{name: wishes[name]}))
    assert answer.key == expected
    assert await rig.client().keys.get(user.key.id) == expected
