"""Keys over their life: changed, rotated, revoked, listed; and accounts."""

from __future__ import annotations

import re
from typing import Any

import grpc
import pytest
from mintgate import InvalidArgument, KeyRevoked, Minted, NotFound, PermissionDenied
from mintgate.v1 import error_pb2, keys_pb2, ledger_pb2

from tests.core.service.harness import OPERATOR, START_MS, Rig, TurnedClock, refusal_of

HELD, COST = 200_000, 20_000
"""What the harness's reserve holds and what its settle charges, nano-USD."""

SECRET = re.compile(r"qlk_live_[0-9a-f]{64}")


async def test_a_changed_cap_holds_from_the_next_request(rig: Rig) -> None:
    """A cap can be raised, lowered under what is spent, and lifted; each takes effect at once."""
    keys = rig.client().keys
    minted = await keys.mint("x", cap_nano_usd=HELD - 1)
    outcomes = []
    for cap in (None, HELD, HELD - 1, 0, HELD + COST):
        (result,) = await rig.apply(rig.reserve(minted.secret))
        outcomes.append(result.WhichOneof("outcome"))
        if result.HasField("reserved"):
            hold_id = (await rig.client().ledger.holds())[0].hold_id
            await rig.apply(ledger_pb2.Operation(release=ledger_pb2.Release(hold_id=hold_id)))
            await rig.charge(minted.secret)
        await keys.update(minted.key.id, cap_nano_usd=cap)
    (result,) = await rig.apply(rig.reserve(minted.secret))
    outcomes.append(result.WhichOneof("outcome"))
    assert outcomes == ["error", "reserved", "error", "error", "error", "reserved"]
    key = await keys.get(minted.key.id)
    assert (key.cap_nano_usd, key.spent_nano_usd, key.held_nano_usd) == (HELD + COST, COST, HELD)


async def test_rotation_ends_the_old_secret_at_once(rig: Rig, user: Minted) -> None:
    """The old secret opens nothing, not even where its key had been looked up before."""
    async with rig.link() as link:
        hold = rig.reserve(user.secret)
        (held,) = await link.send(hold)
        rotated = await rig.client().keys.rotate(user.key.id)
        old, new = await link.send(rig.reserve(user.secret), rig.reserve(rotated.secret))
        (settled,) = await link.send(rig.settle(hold, held))
    assert old.error.reason == error_pb2.ERROR_REASON_UNAUTHENTICATED
    assert new.reserved.key_id == rotated.key.id == user.key.id
    assert settled.settled.charged_nano_usd == COST
    assert rotated.key.prefix != user.key.prefix
    assert SECRET.fullmatch(rotated.secret)
    status, error = await refusal_of(
        rig.keys.Authenticate(keys_pb2.AuthenticateRequest(), metadata=rig.auth(user.secret))
    )
    assert (status, error.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        error_pb2.ERROR_REASON_UNAUTHENTICATED,
    )


async def test_revocation_takes_effect_on_the_next_request(rig: Rig, user: Minted) -> None:
    """A revoked key reserves nothing more, and what it had held can still be settled."""
    async with rig.link() as link:
        hold = rig.reserve(user.secret)
        (held,) = await link.send(hold)
        revoked = await rig.client().keys.revoke(user.key.id)
        refused, settled = await link.send(rig.reserve(user.secret), rig.settle(hold, held))
    assert revoked.status == keys_pb2.KEY_STATUS_REVOKED
    assert revoked.revoked_at_ms == START_MS
    assert refused.error.reason == error_pb2.ERROR_REASON_KEY_REVOKED
    assert settled.settled.charged_nano_usd == COST


async def test_a_revoked_key_stays_revoked(rig: Rig, user: Minted) -> None:
    """Revoking, rotating and changing it again are NOT_FOUND; it can still be read."""
    keys = rig.client().keys
    await keys.revoke(user.key.id)
    for call in (
        keys.revoke(user.key.id),
        keys.rotate(user.key.id),
        keys.update(user.key.id, status="active"),
    ):
        with pytest.raises(NotFound) as caught:
            await call
        assert caught.value.field == "key_id"
    assert (await keys.get(user.key.id)).status == keys_pb2.KEY_STATUS_REVOKED
    with pytest.raises(KeyRevoked):
        await rig.client(user.secret).keys.authenticate()


async def test_a_key_cannot_revoke_itself(rig: Rig) -> None:
    """An account cannot lock itself out by one slip; another master key, or the operator, can."""
    keys = rig.client().keys
    own = await keys.authenticate()
    with pytest.raises(PermissionDenied) as caught:
        await keys.revoke(own.id)
    assert caught.value.field == "key_id"
    second = await keys.mint("second", scope="master")
    await rig.client(second.secret).keys.revoke(own.id)
    await rig.client(OPERATOR).keys.revoke(second.key.id)


async def test_a_key_tells_what_it_has_used(rig: Rig, user: Minted, clock: TurnedClock) -> None:
    """Spent, held and the time of the newest charge stand on the key."""
    await rig.charge(user.secret)
    clock.advance(5)
    await rig.charge(user.secret)
    clock.advance(5)
    await rig.apply(rig.reserve(user.secret))
    key = await rig.client().keys.get(user.key.id)
    assert (key.spent_nano_usd, key.held_nano_usd) == (2 * COST, HELD)
    assert key.last_used_at_ms == START_MS + 5


async def test_a_list_pages_through_every_key_once(rig: Rig) -> None:
    """Pages of any size give each key once, newest first; the last names no next."""
    keys = rig.client().keys
    minted = [(await keys.mint(f"k{i}")).key.id for i in range(6)]
    for size in (1, 2, 3, 7, 8):
        found = [key.id async for key in keys.list(page_size=size)]
        assert found[:6] == minted[::-1]
        assert len(found) == 7
    assert (await keys.list_page(page_size=7)).next_page_token == ""
    assert (await keys.list_page(page_size=6)).next_page_token == minted[0]


async def test_a_list_can_be_of_one_user(rig: Rig) -> None:
    """external_user_id picks that user's keys alone, over pages too."""
    keys = rig.client().keys
    theirs = [(await keys.mint(f"k{i}", external_user_id=f"u{i % 2}")).key.id for i in range(4)]
    found = [key.id async for key in keys.list(external_user_id="u1", page_size=1)]
    assert found == [theirs[3], theirs[1]]
    assert [key.id async for key in keys.list(external_user_id="nobody")] == []


@pytest.mark.parametrize("size", [-1, 1_001])
async def test_a_page_has_its_limits(rig: Rig, size: int) -> None:
    """Page sizes beyond 1..1,000 are refused by name, in every listing."""
    master, operator = rig.client(), rig.client(OPERATOR)
    for call in (
        master.keys.list_page(page_size=size),
        operator.accounts.list_page(page_size=size),
        master.ledger.journal_page(page_size=size),
        master.ledger.holds(page_size=size),
        master.meter.events_page(page_size=size),
    ):
        with pytest.raises(InvalidArgument) as caught:
            await call
        assert caught.value.field == "page_size"


async def test_an_account_comes_with_its_master_key(rig: Rig) -> None:
    """A new account has its name, its balance and a master key that works."""
    operator = rig.client(OPERATOR)
    made = await operator.accounts.create("Ünï", grant_usd="12.5")
    assert made.account.name == "Ünï"
    assert made.master_key.scope == keys_pb2.KEY_SCOPE_MASTER
    mine = rig.client(made.master_secret)
    assert (await mine.keys.authenticate()).account_id == made.account.id
    assert (await mine.ledger.balance()).balance_nano_usd == 12_500_000_000


async def test_accounts_are_listed_in_pages(rig: Rig) -> None:
    """Pages of any size give each account once, oldest first."""
    operator = rig.client(OPERATOR)
    made = [(await operator.accounts.create(f"a{i}")).account.id for i in range(3)]
    for size in (1, 2, 4):
        found = [account.id async for account in operator.accounts.list(page_size=size)]
        assert found[1:] == made
    assert (await operator.accounts.list_page(page_size=4)).next_page_token == ""


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "x" * 201}),
        ("grant_nano_usd", {"name": "x", "grant_nano_usd": -1}),
        ("grant_nano_usd", {"name": "x", "grant_nano_usd": 2**62}),
        ("grant_nano_usd", {"name": "x", "postpaid": True, "grant_nano_usd": 1}),
        ("idempotency_key", {"name": "x", "idempotency_key": "k" * 256}),
    ],
)
async def test_an_account_has_its_limits(rig: Rig, field: str, values: dict[str, Any]) -> None:
    """A bad account is refused by the field at fault, and none is made."""
    request = keys_pb2.CreateAccountRequest(**values)
    status, error = await refusal_of(
        rig.accounts.CreateAccount(request, metadata=rig.auth(OPERATOR))
    )
    assert (status, error.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert len((await rig.client(OPERATOR).accounts.list_page()).accounts) == 1
