"""Accounts do not exist for each other; a user's key sees itself alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import grpc
import pytest
from mintgate import (
    AsyncClient,
    InvalidArgument,
    KeyRevoked,
    Minted,
    ModelUnpriced,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    new_id,
)
from mintgate.errors import CREDENTIAL_FIELD
from mintgate.v1 import error_pb2, keys_pb2, ledger_pb2
from mintgate_core.ledger.errors import KeyRevoked as CoreKeyRevoked
from mintgate_core.ledger.errors import Unauthenticated as CoreUnauthenticated
from mintgate_core.ledger.places import Place
from mintgate_core.ledger.types import Key, KeyStatus
from mintgate_core.service.principal import Gatekeeper, Principal, Role
from mintgate_core.stores.conformance import SettableClock, Tenant
from mintgate_core.stores.conformance.builders import build_key
from mintgate_core.stores.memory import MemoryStore

from tests.core.service.harness import (
    MODEL,
    OPERATOR,
    PROVIDER,
    SERVICE,
    WALLET_NANO_USD,
    Rig,
    error_in,
    price_of,
    refusal_of,
    sha256,
)

BOUND = ledger_pb2.Bound(input_tokens=100, output_tokens=50)


@dataclass(frozen=True)
class Stranger:
    """Another app builder, with a user of theirs."""

    client: AsyncClient
    account_id: str
    master_key_id: str


@pytest.fixture
async def stranger(rig: Rig) -> Stranger:
    client = await rig.second_account()
    key = await client.keys.authenticate()
    return Stranger(client, key.account_id, key.id)


async def test_a_token_that_is_none_is_told_from_an_unknown_key(rig: Rig) -> None:
    """The field says that it is the call's own credential, so that a facade blames no key."""
    for credential, field in (("t" * 40, CREDENTIAL_FIELD), ("qlk_live_" + "00" * 32, "")):
        with pytest.raises(Unauthenticated) as caught:
            await rig.client(credential).keys.authenticate()
        assert caught.value.field == field


async def test_another_accounts_keys_do_not_exist(
    rig: Rig, user: Minted, stranger: Stranger
) -> None:
    """Reading, changing, rotating and revoking another account's key are all NOT_FOUND."""
    keys, key_id = stranger.client.keys, user.key.id
    for call in (
        keys.get(key_id),
        keys.update(key_id, name="mine"),
        keys.rotate(key_id),
        keys.revoke(key_id),
    ):
        with pytest.raises(NotFound) as caught:
            await call
        assert caught.value.field == "key_id"
    assert {key.id async for key in keys.list()} == {stranger.master_key_id}
    assert (await rig.client(user.secret).keys.authenticate()).name == "ada"


async def test_what_does_not_exist_and_what_is_anothers_look_alike(
    user: Minted, stranger: Stranger
) -> None:
    """The refusal for another's key is, to the letter, the one for no key at all."""
    told = []
    for key_id in (user.key.id, "key_00000000000000000000000000000000"):
        with pytest.raises(NotFound) as caught:
            await stranger.client.keys.get(key_id)
        told.append((caught.value.message, caught.value.field))
    assert told[0] == told[1]


async def test_another_account_cannot_be_named(rig: Rig, user: Minted, stranger: Stranger) -> None:
    """Every call with an account_id refuses a master that names another's, with NOT_FOUND."""
    account_id, client = user.key.account_id, stranger.client
    for call in (
        client.keys.mint("x", account_id=account_id),
        client.keys.list_page(account_id=account_id),
        client.ledger.balance(account_id=account_id),
        client.ledger.journal_page(account_id=account_id),
        client.ledger.holds(account_id=account_id),
        client.meter.usage(account_id=account_id),
        client.meter.events_page(account_id=account_id),
        client.meter.prices(account_id=account_id),
        client.meter.put_price(price_of(), account_id=account_id),
        client.meter.price_history(provider=PROVIDER, model=MODEL, account_id=account_id),
        anext(client.meter.tail(account_id=account_id)),
    ):
        with pytest.raises(NotFound) as caught:
            await call
        assert caught.value.field == "account_id"


async def test_another_accounts_usage_is_not_shown(
    rig: Rig, user: Minted, stranger: Stranger
) -> None:
    """Naming another account's key in a query of usage or events is NOT_FOUND; totals are own."""
    await rig.charge(user.secret)
    meter, key_id = stranger.client.meter, user.key.id
    for call in (
        meter.usage(key_id=key_id),
        meter.events_page(key_id=key_id),
        anext(meter.tail(key_id=key_id)),
    ):
        with pytest.raises(NotFound) as caught:
            await call
        assert caught.value.field == "key_id"
    assert (await meter.usage()).totals.request_count == 0
    assert (await meter.events_page()).events == []
    assert (await rig.client().meter.usage(key_id=key_id)).totals.request_count == 1


async def test_another_accounts_holds_cannot_be_touched(
    rig: Rig, user: Minted, stranger: Stranger
) -> None:
    """With id and token in hand, another master can neither extend, settle nor release a hold."""
    hold = await rig.client(SERVICE).ledger.reserve(
        secret=user.secret, provider=PROVIDER, model=MODEL, bound=BOUND
    )
    ledger = stranger.client.ledger
    for call in (
        ledger.extend(hold, 10**9),
        ledger.progress(hold, {"output_tokens": 1}),
        ledger.progress(hold, hold_token=b""),
        ledger.settle(hold, {"output_tokens": 1}),
        ledger.release(hold),
        ledger.release(hold, hold_token=b""),
    ):
        with pytest.raises(NotFound):
            await call
    (still,) = await rig.client().ledger.holds()
    assert (still.hold_id, still.amount_nano_usd) == (hold.id, hold.amount_nano_usd)
    assert await ledger.holds() == []


async def test_what_the_gateway_serves_is_for_the_gateway_to_end(rig: Rig, user: Minted) -> None:
    """An account's owner cannot free or settle the hold of a request that a facade has forwarded.

    It would go on at the provider with nothing held for it, and others beside it.
    """
    hold_id = new_id()
    named: dict[str, Any] = {
        "provider": PROVIDER,
        "model": MODEL,
        "bound": BOUND,
        "hold_id": hold_id,
    }
    await rig.client(SERVICE).ledger.reserve(
        secret=user.secret, request_id=f"req_{hold_id.hex()}", **named
    )
    ledger = rig.client().ledger
    # A repeat by the owner is answered with the token, which says whose request it is.
    again = await ledger.reserve(key_id=user.key.id, request_id="mine", **named)
    for call in (ledger.release(again), ledger.settle(again, {"output_tokens": 1})):
        with pytest.raises(PermissionDenied):
            await call
    with pytest.raises(InvalidArgument):
        await ledger.release(hold_id)
    assert len(await ledger.holds()) == 1


async def test_an_owner_ends_the_holds_that_it_made(rig: Rig, user: Minted) -> None:
    """What its own backend has reserved, an account's owner may settle and give back."""
    ledger = rig.client().ledger
    for end in ("release", "settle"):
        hold = await ledger.reserve(
            key_id=user.key.id, provider=PROVIDER, model=MODEL, bound=BOUND, request_id="req_mine"
        )
        if end == "release":
            assert (await ledger.release(hold)).amount_nano_usd == hold.amount_nano_usd
        else:
            assert (await ledger.settle(hold, {"output_tokens": 1})).charged_nano_usd > 0
    assert await ledger.holds() == []


@pytest.mark.parametrize("by", ["secret", "key_id"])
async def test_another_accounts_money_cannot_be_held(
    rig: Rig, user: Minted, stranger: Stranger, by: str
) -> None:
    """A master can hold for keys of its own account only, however it names the key."""
    named = {"secret": user.secret} if by == "secret" else {"key_id": user.key.id}
    with pytest.raises(NotFound):
        await stranger.client.ledger.reserve(provider=PROVIDER, model=MODEL, bound=BOUND, **named)  # type: ignore[arg-type]  # One of two keywords.
    balance = await rig.client().ledger.balance()
    assert balance.held_nano_usd == 0


async def test_another_accounts_prices_are_not_shown(rig: Rig, stranger: Stranger) -> None:
    """A price that one account set for itself is in no answer to another."""
    await rig.client().meter.put_price(price_of("secret-deal"))
    mine = await rig.client().meter.prices(provider=PROVIDER)
    theirs = await stranger.client.meter.prices(provider=PROVIDER)
    assert {p.model for p in mine} - {p.model for p in theirs} == {"secret-deal"}
    with pytest.raises(ModelUnpriced):
        await stranger.client.meter.price_history(provider=PROVIDER, model="secret-deal")


async def test_the_operator_may_name_any_account(
    rig: Rig, user: Minted, stranger: Stranger
) -> None:
    """The operator reads and mints in the account that it names, the first one by default."""
    operator = rig.client(OPERATOR)
    assert (await operator.keys.get(stranger.master_key_id)).account_id == stranger.account_id
    minted = await operator.keys.mint("gift", account_id=stranger.account_id)
    assert minted.key.account_id == stranger.account_id
    assert minted.key.id in {key.id async for key in stranger.client.keys.list()}
    assert (await operator.keys.mint("home")).key.account_id == user.key.account_id
    await operator.ledger.grant(stranger.account_id, "5")
    balance = await operator.ledger.balance(account_id=stranger.account_id)
    assert balance.balance_nano_usd == 105 * 10**9
    assert (await operator.ledger.balance()).balance_nano_usd == WALLET_NANO_USD
    assert len((await operator.ledger.journal_page(account_id=stranger.account_id)).entries) == 2


async def test_the_operator_is_told_of_an_account_that_is_not(rig: Rig) -> None:
    """An unknown account is NOT_FOUND for the operator too, grants included."""
    operator = rig.client(OPERATOR)
    for call in (
        operator.ledger.balance(account_id="acc_none"),
        operator.ledger.grant("acc_none", "1"),
        operator.keys.mint("x", account_id="acc_none"),
    ):
        with pytest.raises(NotFound) as caught:
            await call
        assert caught.value.field == "account_id"


async def test_a_users_key_sees_only_itself(rig: Rig, user: Minted) -> None:
    """A standard key reads its own usage and events, no other key's, and no notes on itself."""
    other = await rig.client().keys.mint("bob")
    await rig.client().keys.update(user.key.id, metadata={"plan": "pro"}, external_user_id="u1")
    await rig.charge(user.secret)
    await rig.charge(other.secret)
    mine = rig.client(user.secret)
    own = await mine.keys.authenticate()
    assert (own.id, dict(own.metadata), own.external_user_id) == (user.key.id, {}, "")
    with pytest.raises(PermissionDenied):
        await mine.keys.get(user.key.id)
    assert [k.key_id for k in (await mine.meter.usage()).by_key] == [user.key.id]
    assert (await mine.meter.usage(key_id=user.key.id)).totals.request_count == 1
    assert [e.key_id async for e in mine.meter.events()] == [user.key.id]
    assert (await mine.ledger.balance()).spent_nano_usd == 40_000
    for call in (
        mine.keys.get(other.key.id),
        mine.meter.usage(key_id=other.key.id),
        mine.meter.events_page(key_id=other.key.id),
        anext(mine.meter.tail(key_id=other.key.id)),
    ):
        with pytest.raises(PermissionDenied):
            await call


async def test_only_a_facade_may_ask_about_anothers_secret(rig: Rig, user: Minted) -> None:
    """Authenticate names another key's owner to the operator and to a facade, to no key."""
    for credential in (OPERATOR, SERVICE):
        key = await rig.client(credential).keys.authenticate(user.secret)
        assert key.id == user.key.id
    for credential in (rig.master, user.secret):
        with pytest.raises(PermissionDenied):
            await rig.client(credential).keys.authenticate(rig.master)
    with pytest.raises(Unauthenticated):
        await rig.client(SERVICE).keys.authenticate("qlk_live_" + "0" * 64)


async def test_a_facade_has_no_account(rig: Rig) -> None:
    """The service token is nobody's: asking who it is names the missing field."""
    status, error = await refusal_of(
        rig.keys.Authenticate(keys_pb2.AuthenticateRequest(), metadata=rig.auth(SERVICE))
    )
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert error.field == "secret_sha256"


async def test_an_open_stream_ends_with_its_key(rig: Rig, user: Minted) -> None:
    """A master key that is revoked or rotated loses the stream it had opened before."""
    operator = rig.client(OPERATOR)
    for end, error in ((operator.keys.revoke, KeyRevoked), (operator.keys.rotate, Unauthenticated)):
        second = await rig.client().keys.mint("second", scope="master")
        async with rig.link(second.secret) as link:
            (held,) = await link.send(rig.reserve(user.secret))
            assert held.HasField("reserved")
            await end(second.key.id)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await link.send(rig.reserve(user.secret))
            assert error_in(caught.value).reason == error.REASON
    assert len(await operator.ledger.holds()) == 2


async def test_a_facade_may_hold_for_every_account(
    rig: Rig, user: Minted, stranger: Stranger
) -> None:
    """One Apply message of a facade mixes accounts, each paying for itself."""
    theirs = await stranger.client.keys.mint("eve")
    results = await rig.apply(rig.reserve(user.secret), rig.reserve(theirs.secret))
    assert [r.reserved.account_id for r in results] == [user.key.account_id, stranger.account_id]


async def test_a_grant_in_a_stream_is_the_operators_alone(rig: Rig, user: Minted) -> None:
    """Neither a facade nor a master can slip a grant into an Apply message."""
    grant = ledger_pb2.Operation(
        grant=ledger_pb2.Grant(
            grant_id=new_id(), account_id=user.key.account_id, amount_nano_usd=10**9
        )
    )
    for credential in (SERVICE, rig.master):
        (result,) = await rig.apply(grant, credential=credential)
        assert result.error.reason == error_pb2.ERROR_REASON_PERMISSION_DENIED
    (result,) = await rig.apply(grant, credential=OPERATOR)
    assert result.granted.balance_nano_usd == WALLET_NANO_USD + 10**9


def test_a_principal_hides_its_secret() -> None:
    """A caller's repr, which may end up in a log, has no secret in it."""
    assert repr(Principal(Role.OPERATOR, secret=OPERATOR)) == "Principal(operator, -)"
    assert sha256(OPERATOR).hex() not in repr(Principal(Role.OPERATOR, secret=OPERATOR))


class Counted(MemoryStore):
    """A store that counts who asks for a secret, and whose history may change."""

    asked = 0
    history = 0

    @property
    def epoch(self) -> int:
        return self.history

    async def key_by_secret(self, secret_sha256: bytes) -> Key | None:
        self.asked += 1
        return await super().key_by_secret(secret_sha256)


async def test_a_revoked_secret_is_asked_for_once() -> None:
    """A leaked key that hammers after its end costs one read, until another history counts."""
    store = Counted(SettableClock())
    tenant = await Tenant.open(store)
    key, other = await tenant.mint(), await tenant.mint()
    gatekeeper = Gatekeeper(store, OPERATOR, SERVICE)
    assert await gatekeeper.key_of(key.secret_sha256, Place()) == key
    await store.change_key(
        key.key_id, lambda before: replace(before, status=KeyStatus.REVOKED, revoked_at_ms=1)
    )
    for history in range(2):
        store.history, store.asked = history, 0
        for _ in range(3):
            with pytest.raises(CoreKeyRevoked):
                await gatekeeper.key_of(key.secret_sha256, Place())
        assert store.asked == 1
    # As after a failover that lost the revocation.
    store.history = 2
    store.key_by_id[key.key_id] = key
    assert await gatekeeper.key_of(key.secret_sha256, Place()) == key
    assert await gatekeeper.key_of(other.secret_sha256, Place()) == other


async def test_what_may_come_back_is_not_remembered() -> None:
    """A paused key opens at once when its owner lets it, and a secret as soon as a key has it."""
    store = Counted(SettableClock())
    tenant = await Tenant.open(store)
    key = build_key(tenant.account)
    gatekeeper = Gatekeeper(store, OPERATOR, SERVICE)
    with pytest.raises(CoreUnauthenticated):
        await gatekeeper.key_of(key.secret_sha256, Place())
    await store.add_key(replace(key, status=KeyStatus.PAUSED))
    with pytest.raises(CoreUnauthenticated):
        await gatekeeper.key_of(key.secret_sha256, Place())
    await store.change_key(key.key_id, lambda _: key)
    assert await gatekeeper.key_of(key.secret_sha256, Place()) == key
