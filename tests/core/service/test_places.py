"""Where a key may be used from, over real gRPC: reserves, facades' questions, direct calls."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from mintgate import AddressNotAllowed, Minted, OriginNotAllowed
from mintgate.channel import CALLER_ADDRESS, CALLER_FACADE, CALLER_ORIGIN
from mintgate.v1 import error_pb2, keys_pb2

from tests.core.service.harness import MODEL, SERVICE, Rig, error_in, refusal_of, sha256

ORIGIN, CIDR = "https://app.example.com", "203.0.113.0/24"
HERE = {"origin": ORIGIN, "client_address": "203.0.113.7"}


def told(rig: Rig, secret: str, facade: str = SERVICE, **place: str) -> Any:
    """Metadata of a call that a facade makes for the holder of a key."""
    return (
        *rig.auth(secret),
        (CALLER_FACADE, facade),
        (CALLER_ORIGIN, place.get("origin", "")),
        (CALLER_ADDRESS, place.get("client_address", "")),
    )


@pytest.fixture
async def bound(rig: Rig) -> Minted:
    """A key for one web app in one network."""
    return await rig.client().keys.mint(
        "web", cap_usd="1", allowed_origins=[ORIGIN], allowed_cidrs=[CIDR]
    )


async def test_a_reserve_elsewhere_is_refused_before_any_hold(rig: Rig, bound: Minted) -> None:
    """Another origin, none, another address: each its own reason, and nothing is held."""
    here, server, page, far = await rig.apply(
        rig.reserve(bound.secret, **HERE),
        rig.reserve(bound.secret, client_address="203.0.113.7"),
        rig.reserve(bound.secret, **HERE | {"origin": "https://example.net"}),
        rig.reserve(bound.secret, **HERE | {"client_address": "198.51.100.7"}),
    )
    assert here.HasField("reserved")
    assert server.error.reason == error_pb2.ERROR_REASON_ORIGIN_NOT_ALLOWED
    assert page.error.reason == error_pb2.ERROR_REASON_ORIGIN_NOT_ALLOWED
    assert far.error.reason == error_pb2.ERROR_REASON_ADDRESS_NOT_ALLOWED
    key = await rig.client().keys.get(bound.key.id)
    assert key.held_nano_usd == here.reserved.amount_nano_usd


async def test_a_change_of_a_list_counts_from_the_next_reserve(rig: Rig, bound: Minted) -> None:
    """There is no cache to wait for, in either direction, on an open link."""
    elsewhere = {"origin": "https://example.net", "client_address": "203.0.113.7"}
    async with rig.link() as link:
        (refused,) = await link.send(rig.reserve(bound.secret, **elsewhere))
        await rig.client().keys.update(bound.key.id, allowed_origins=["https://example.net"])
        (granted,) = await link.send(rig.reserve(bound.secret, **elsewhere))
        (gone,) = await link.send(rig.reserve(bound.secret, **HERE))
        await rig.client().keys.update(bound.key.id, allowed_origins=[], allowed_cidrs=[])
        (free,) = await link.send(rig.reserve(bound.secret))
    assert refused.error.reason == gone.error.reason == error_pb2.ERROR_REASON_ORIGIN_NOT_ALLOWED
    assert granted.HasField("reserved")
    assert free.HasField("reserved")


async def test_a_key_named_by_its_owner_is_asked_for_no_place(rig: Rig, bound: Minted) -> None:
    """The lists say where a secret may be shown; an owner who names the key shows none."""
    (result,) = await rig.apply(rig.reserve("", key_id=bound.key.id), credential=rig.master)
    assert result.HasField("reserved")


async def test_authenticate_asks_for_place_provider_and_model(rig: Rig) -> None:
    """A facade's question is refused for the same reasons, in the same order, as a reserve."""
    minted = await rig.client().keys.mint(
        "narrow",
        allowed_origins=[ORIGIN],
        allowed_cidrs=[CIDR],
        allowed_providers=["acme"],
        allowed_models=["sm*"],
    )

    async def ask(**changes: str) -> str:
        values: dict[str, Any] = {**HERE, "provider": "acme", "model": MODEL, **changes}
        request = keys_pb2.AuthenticateRequest(secret_sha256=sha256(minted.secret), **values)
        try:
            answer = await rig.keys.Authenticate(request, metadata=rig.auth(SERVICE))
        except grpc.aio.AioRpcError as refused:
            return error_pb2.ErrorReason.Name(error_in(refused).reason)
        assert answer.key.id == minted.key.id
        return ""

    assert await ask() == ""
    assert await ask(provider="", model="") == ""
    assert await ask(origin="", provider="other") == "ERROR_REASON_ORIGIN_NOT_ALLOWED"
    assert await ask(client_address="::1") == "ERROR_REASON_ADDRESS_NOT_ALLOWED"
    assert await ask(provider="other", model="large") == "ERROR_REASON_PROVIDER_NOT_ALLOWED"
    assert await ask(model="large") == "ERROR_REASON_MODEL_NOT_ALLOWED"


async def test_a_direct_call_is_made_from_its_peers_address(rig: Rig) -> None:
    """Over gRPC without a facade the connection's other end counts, and there is no origin."""
    keys = rig.client().keys
    local = await keys.mint("local", scope="master", allowed_cidrs=["127.0.0.0/8", "::1"])
    far = await keys.mint("far", scope="master", allowed_cidrs=[CIDR])
    page = await keys.mint("page", allowed_origins=[ORIGIN])

    assert (await rig.client(local.secret).keys.authenticate()).id == local.key.id
    with pytest.raises(AddressNotAllowed) as refused:
        await rig.client(far.secret).keys.mint("other")
    assert "127.0.0.1" in refused.value.message
    with pytest.raises(OriginNotAllowed):
        await rig.client(page.secret).keys.authenticate()


async def test_only_a_facade_says_where_its_caller_is(rig: Rig) -> None:
    """Origin and address in a call's metadata count with the facade's token, and never without."""
    minted = await rig.client().keys.mint("far", allowed_cidrs=[CIDR], allowed_origins=[ORIGIN])
    ask = keys_pb2.AuthenticateRequest()

    async def reason(**metadata: str) -> Any:
        call = rig.keys.Authenticate(ask, metadata=told(rig, minted.secret, **metadata))
        return (await refusal_of(call))[1].reason

    answer = await rig.keys.Authenticate(ask, metadata=told(rig, minted.secret, **HERE))
    assert answer.key.id == minted.key.id
    far = {**HERE, "client_address": "198.51.100.7"}
    assert await reason(**far) == error_pb2.ERROR_REASON_ADDRESS_NOT_ALLOWED
    assert await reason(**HERE | {"facade": "x"}) == error_pb2.ERROR_REASON_ORIGIN_NOT_ALLOWED
    assert await reason(**HERE | {"facade": ""}) == error_pb2.ERROR_REASON_ORIGIN_NOT_ALLOWED


async def test_a_facade_that_is_not_known_lends_nobody_its_address(rig: Rig) -> None:
    """With a wrong token the caller is nowhere, and not where the facade itself stands."""
    local = await rig.client().keys.mint("local", allowed_cidrs=["127.0.0.0/8"])
    direct = await rig.client(local.secret).keys.authenticate()
    call = rig.keys.Authenticate(
        keys_pb2.AuthenticateRequest(), metadata=told(rig, local.secret, facade="x")
    )
    assert direct.id == local.key.id
    assert (await refusal_of(call))[1].reason == error_pb2.ERROR_REASON_ADDRESS_NOT_ALLOWED


async def test_an_open_stream_ends_when_its_key_may_not_be_used_there_any_more(rig: Rig) -> None:
    """A link that a backend holds open is checked with every message."""
    backend = await rig.client().keys.mint("backend", scope="master")
    user = await rig.client().keys.mint("ada")
    async with rig.link(backend.secret) as link:
        (before,) = await link.send(rig.reserve(user.secret))
        assert before.HasField("reserved")
        await rig.client().keys.update(backend.key.id, allowed_cidrs=[CIDR])
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await link.send(rig.reserve(user.secret))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_place_beyond_its_limit_is_refused(rig: Rig, user: Minted) -> None:
    """An origin or address that nobody has names its field."""
    for field, value in (("origin", "o" * 301), ("client_address", "a" * 65)):
        (result,) = await rig.apply(rig.reserve(user.secret, **{field: value}))
        assert result.error.reason == error_pb2.ERROR_REASON_INVALID_ARGUMENT
        assert result.error.field == field
