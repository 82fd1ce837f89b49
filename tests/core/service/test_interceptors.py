"""Who may call what: every method, every role, every way to show a credential."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from mintgate import Minted
from mintgate.v1 import error_pb2, jobs_pb2, keys_pb2, ledger_pb2, meter_pb2, objects_pb2
from mintgate_core.service.interceptors import ALLOWED
from mintgate_core.service.principal import Role

from tests.core.service.harness import (
    OPERATOR,
    SERVICE,
    Rig,
    TurnedClock,
    error_in,
    refusal_of,
)

FILES = (jobs_pb2, keys_pb2, ledger_pb2, meter_pb2, objects_pb2)

LEDGER_WRITES = {
    f"LedgerService/{name}"
    for name in ("Apply", "Reserve", "Extend", "Progress", "Settle", "Release")
}
OPERATOR_ONLY = {
    "AccountsService/CreateAccount",
    "AccountsService/ListAccounts",
    "LedgerService/Grant",
}
FACADES_ONLY = {
    "LedgerService/WatchRevocations",
    *(f"JobsService/{name}" for name in ("StartJob", "ClaimJobs", "RenewJob")),
    *(f"ObjectsService/{name}Objects" for name in ("Record", "Find", "List", "Forget")),
}
"""What a facade does for every key, and no key for itself."""

OWN_VIEW = {
    "KeysService/Authenticate",
    "LedgerService/GetBalance",
    "MeterService/Quote",
    "MeterService/GetUsage",
    "MeterService/ListEvents",
    "MeterService/TailEvents",
    "MeterService/ListPrices",
}
"""What a user's key may see of itself and of the prices it pays."""

Metadata = tuple[tuple[str, str], ...]


def methods() -> Iterator[tuple[str, MethodDescriptor]]:
    """Every method of every service of the contract, by "Service/Method"."""
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield f"{service.name}/{method.name}", method


METHODS = dict(methods())

MAY_CALL: dict[Role, set[str]] = {
    Role.OPERATOR: set(METHODS),
    Role.MASTER: set(METHODS) - OPERATOR_ONLY - FACADES_ONLY,
    Role.SERVICE: LEDGER_WRITES
    | FACADES_ONLY
    | {"KeysService/Authenticate", "MeterService/ListPrices"},
    Role.STANDARD: OWN_VIEW,
}


async def call(rig: Rig, name: str, metadata: Metadata) -> None:
    """Call a method with an empty request, by its descriptor alone."""
    method = METHODS[name]
    request: Any = GetMessageClass(method.input_type)()
    if name == "MeterService/TailEvents":
        # A follower that is let in waits for ever, unless it asks for nonsense.
        request.after_sequence = -1
    if name == "LedgerService/WatchRevocations":
        request.since_ms = -1
    path = f"/mintgate.v1.{name}"
    coders = (
        lambda message: message.SerializeToString(),
        GetMessageClass(method.output_type).FromString,
    )
    if method.client_streaming:
        await asyncio.to_thread(converse, rig.target, path, coders, request, metadata)
    elif method.server_streaming:
        async for _ in rig.channel.unary_stream(path, *coders)(request, metadata=metadata):
            pass
    else:
        await rig.channel.unary_unary(path, *coders)(request, metadata=metadata)


def converse(target: str, path: str, coders: Any, request: Any, metadata: Metadata) -> None:
    """One message of a stream of requests, and its answer.

    By a blocking client: that of asyncio ends a call with its own INTERNAL when the core has
    refused it before the first message has left, and the core's reason is lost.
    """
    with grpc.insecure_channel(target) as channel:
        stream: Any = channel.stream_stream(path, *coders)
        next(stream(iter([request]), metadata=metadata))


async def outcome(rig: Rig, name: str, metadata: Metadata) -> error_pb2.ErrorReason.ValueType:
    """The reason that a call ends with; UNSPECIFIED when it is answered."""
    try:
        await call(rig, name, metadata)
    except grpc.RpcError as error:
        return error_in(error).reason
    return error_pb2.ERROR_REASON_UNSPECIFIED


def test_every_method_has_a_row() -> None:
    """The table of the core names exactly the methods of the contract."""
    assert set(ALLOWED) == set(METHODS)


def test_the_table_is_the_one_that_is_written_here() -> None:
    """Each row lets in exactly the roles that this file says, stated the other way round."""
    assert {name: {role for role in Role if name in MAY_CALL[role]} for name in METHODS} == ALLOWED


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
async def test_each_role_is_let_in_where_the_table_says(rig: Rig, user: Minted, role: Role) -> None:
    """A role gets PERMISSION_DENIED on every method but its own, where it never does."""
    secrets = {
        Role.OPERATOR: OPERATOR,
        Role.SERVICE: SERVICE,
        Role.MASTER: rig.master,
        Role.STANDARD: user.secret,
    }
    let_in = set()
    for name in METHODS:
        reason = await outcome(rig, name, rig.auth(secrets[role]))
        assert reason not in {
            error_pb2.ERROR_REASON_UNAUTHENTICATED,
            error_pb2.ERROR_REASON_INTERNAL,
        }, name
        if reason != error_pb2.ERROR_REASON_PERMISSION_DENIED:
            let_in.add(name)
    assert let_in == MAY_CALL[role]


UNREADABLE: dict[str, Metadata] = {
    "none": (),
    "empty": (("authorization", ""),),
    "no scheme": (("authorization", "qlk_live_" + "a" * 64),),
    "another scheme": (("authorization", "Basic " + "a" * 64),),
    "no credential": (("authorization", "Bearer  "),),
    "not a key": (("authorization", "Bearer hunter2"),),
    "a key's start": (("authorization", "Bearer qlk_live_" + "a" * 63),),
    "upper case": (("authorization", "Bearer qlk_live_" + "A" * 64),),
    "nobody's key": (("authorization", "Bearer qlk_live_" + "a" * 64),),
    "another header": (("x-api-key", OPERATOR),),
    "two": (("authorization", f"Bearer {OPERATOR}"), ("authorization", f"Bearer {SERVICE}")),
    "the same twice": (("authorization", f"Bearer {OPERATOR}"),) * 2,
}


@pytest.mark.parametrize("metadata", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_credential_that_nobody_has_opens_nothing(rig: Rig, metadata: Metadata) -> None:
    """Missing, doubled, malformed and unknown credentials are UNAUTHENTICATED everywhere."""
    for name in METHODS:
        reason = await outcome(rig, name, metadata)
        assert reason == error_pb2.ERROR_REASON_UNAUTHENTICATED, name


async def test_the_scheme_may_be_written_in_any_case(rig: Rig) -> None:
    """HTTP schemes have no case: "bearer" is "Bearer"."""
    metadata = (("authorization", f"bearer {rig.master}"),)
    assert (await rig.keys.Authenticate(keys_pb2.AuthenticateRequest(), metadata=metadata)).key.id


@pytest.mark.parametrize("scope", ["standard", "master"])
@pytest.mark.parametrize(
    "reason",
    [
        error_pb2.ERROR_REASON_KEY_REVOKED,
        error_pb2.ERROR_REASON_KEY_EXPIRED,
        error_pb2.ERROR_REASON_KEY_PAUSED,
    ],
    ids=["revoked", "expired", "paused"],
)
async def test_a_key_out_of_force_says_why(
    rig: Rig, clock: TurnedClock, scope: Any, reason: error_pb2.ErrorReason.ValueType
) -> None:
    """A revoked, an expired and a paused key each get their own reason, on every method."""
    master = rig.client()
    minted = await master.keys.mint("late", scope=scope, expires_at_ms=clock.now_ms + 1_000)
    if reason == error_pb2.ERROR_REASON_KEY_REVOKED:
        await master.keys.revoke(minted.key.id)
    elif reason == error_pb2.ERROR_REASON_KEY_PAUSED:
        await master.keys.update(minted.key.id, status="paused")
    else:
        clock.advance(1_000)
    for name in METHODS:
        assert await outcome(rig, name, rig.auth(minted.secret)) == reason, name


async def test_a_key_works_until_the_last_millisecond(rig: Rig, clock: TurnedClock) -> None:
    """An expiry is exclusive: the key is good one millisecond before it."""
    minted = await rig.client().keys.mint("late", expires_at_ms=clock.now_ms + 1_000)
    clock.advance(999)
    assert (await rig.client(minted.secret).keys.authenticate()).id == minted.key.id


async def test_a_paused_key_works_again_when_it_is_made_active(rig: Rig, user: Minted) -> None:
    """Pausing is not for good."""
    await rig.client().keys.update(user.key.id, status="paused")
    await rig.client().keys.update(user.key.id, status="active")
    assert (await rig.client(user.secret).keys.authenticate()).id == user.key.id


async def test_a_method_outside_the_contract_does_not_exist(rig: Rig) -> None:
    """An unknown method is UNIMPLEMENTED, for the operator too."""
    unknown: Any = rig.channel.unary_unary("/mintgate.v1.KeysService/Steal")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unknown(b"", metadata=rig.auth(OPERATOR))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_refusal_carries_status_and_reason(rig: Rig, user: Minted) -> None:
    """A refused role gets PERMISSION_DENIED as status and as reason, and what it takes."""
    status, error = await refusal_of(
        rig.keys.Mint(keys_pb2.MintRequest(name="x"), metadata=rig.auth(user.secret))
    )
    assert status is grpc.StatusCode.PERMISSION_DENIED
    assert error.reason == error_pb2.ERROR_REASON_PERMISSION_DENIED
    assert error.message == "a standard credential may not make this call: use a master key"
    _, error = await refusal_of(
        rig.ledger.Grant(ledger_pb2.GrantRequest(), metadata=rig.auth(user.secret))
    )
    assert error.message == "a standard credential may not make this call: use the operator's token"
