"""The checker of chaos runs is silent about honest books and catches each kind of lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from mintgate.v1.ledger_pb2 import Settled
from mintgate_core.ledger import operations as ops
from mintgate_core.ledger.types import JournalKind
from mintgate_core.stores.conformance import SettableClock, Tenant, expect
from mintgate_core.stores.memory import MemoryStore

from tests.chaos.history import Granted, KeyFacts, Wallet, check

TTL_MS = 60_000


async def honest() -> Wallet:
    """A short course on a real store: settled, overrun, released, expired, late."""
    clock = SettableClock()
    store = MemoryStore(clock)
    tenant = await Tenant.open(store, balance=500)
    key = await tenant.mint(cap_nano_usd=400)
    wallet = Wallet(tenant.account.account_id, tenant.account.wallet_id)
    wallet.keys[key.key_id] = KeyFacts(key.key_id, 400, None)
    holds = []
    for _ in range(4):
        clock.advance(1)
        token = await tenant.reserve(key, 100)
        wallet.asked.add(token.hold_id)
        hold = Granted(token, clock(), clock() + TTL_MS)
        wallet.granted[token.hold_id] = hold
        holds.append(hold)
    for hold, cost in ((holds[0], 70), (holds[1], 140)):
        clock.advance(1)
        await _settle(tenant, hold, cost)
    clock.advance(1)
    await tenant.release(holds[2].token.hold_id)
    clock.advance(TTL_MS)
    await tenant.expire(holds[3].token.hold_id)
    clock.advance(1)
    await _settle(tenant, holds[3], 90)
    wallet.journal = await tenant.journal()
    wallet.grants[wallet.journal[0].operation_id] = 500
    return wallet


async def _settle(tenant: Tenant, hold: Granted, cost: int) -> None:
    told = expect(await tenant.settle(hold.token, cost), ops.Settled)
    hold.settled = Settled(
        actual_nano_usd=told.actual_nano_usd,
        charged_nano_usd=told.charged_nano_usd,
        absorbed_nano_usd=told.absorbed_nano_usd,
    )


async def test_honest_books_pass() -> None:
    """Books that are as they were acknowledged have no finding."""
    assert check(await honest()) == []


def lose_a_settle(wallet: Wallet) -> None:
    """An acknowledged settle is not in the journal."""
    wallet.journal = [e for e in wallet.journal if e.kind is not JournalKind.LATE_SETTLE]


def charge_twice(wallet: Wallet) -> None:
    """A settle is in the journal twice."""
    again = replace(wallet.journal[1], seq=len(wallet.journal) + 1)
    wallet.journal.append(again)


def charge_more(wallet: Wallet) -> None:
    """A settle was charged otherwise than was said."""
    wallet.journal[1] = replace(wallet.journal[1], actual=71, charged=71)


def lose_a_number(wallet: Wallet) -> None:
    """An entry is gone with its number."""
    del wallet.journal[3]


def grant_too_much(wallet: Wallet) -> None:
    """A hold was granted that no line had room for."""
    for key_id, facts in wallet.keys.items():
        wallet.keys[key_id] = replace(facts, cap_nano_usd=399)


def expire_early(wallet: Wallet) -> None:
    """A hold expired before its time."""
    hold = list(wallet.granted.values())[3]
    hold.expires_at_ms += TTL_MS + 1


def charge_an_expiry(wallet: Wallet) -> None:
    """An expiry charged what nobody reported."""
    place = next(n for n, e in enumerate(wallet.journal) if e.kind is JournalKind.EXPIRE)
    wallet.journal[place] = replace(wallet.journal[place], actual=5, charged=5)


def leave_a_hold(wallet: Wallet) -> None:
    """A hold was never resolved."""
    wallet.journal = [
        replace(e, seq=n)
        for n, e in enumerate((e for e in wallet.journal if e.kind is not JournalKind.RELEASE), 1)
    ]


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        (lose_a_settle, "LOST settle"),
        (charge_twice, "DOUBLE"),
        (charge_more, "acknowledged as"),
        (lose_a_number, "gap"),
        (grant_too_much, "OVERSPENT"),
        (expire_early, "expired early"),
        (charge_an_expiry, "expiry of"),
        (leave_a_hold, "still open"),
    ],
)
async def test_each_lie_is_caught(lie: Callable[[Wallet], None], told: str) -> None:
    """Books that differ from what was acknowledged are found out, by the right words."""
    wallet = await honest()
    lie(wallet)
    assert any(told in text for text in check(wallet)), check(wallet)
