"""The sweeper: every due hold is resolved once, by the store's clock, whoever else sweeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mintgate_core import sweeper
from mintgate_core.lane import Lanes
from mintgate_core.ledger.errors import Unavailable
from mintgate_core.ledger.limits import BATCH_OPERATIONS_MAX
from mintgate_core.ledger.operations import Expired, HoldToken, Settled
from mintgate_core.ledger.types import JournalKind
from mintgate_core.stores.conformance import SettableClock, Tenant, expect, findings
from mintgate_core.stores.conformance.builders import TTL_MS, settling, used
from mintgate_core.stores.memory import MemoryStore
from mintgate_core.stores.sqlite import SqliteStore
from mintgate_core.sweeper import SWEEP_HOLDS_MAX, sweep


class FlakyStore(MemoryStore):
    """A store that can be away, and says when no hold is left."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__(clock)
        self.failures = 0
        self.swept_clean = asyncio.Event()

    async def due_holds(self, limit: int) -> list[tuple[bytes, int]]:
        """List, unless the store is away."""
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        due = await super().due_holds(limit)
        if not due:
            self.swept_clean.set()
        return due


@pytest.fixture
def clock() -> SettableClock:
    """The store's clock."""
    return SettableClock()


@pytest.fixture
def store(clock: SettableClock) -> FlakyStore:
    """An empty store."""
    return FlakyStore(clock)


@pytest.fixture
async def lanes(store: FlakyStore) -> AsyncIterator[Lanes]:
    """Lanes that run during the test, and books without a finding after it."""
    lanes = Lanes(store)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(lanes.run())
        yield lanes
        task.cancel()
    assert await findings(store) == []


@pytest.fixture
async def tenant(store: FlakyStore) -> Tenant:
    """A tenant with money."""
    return await Tenant.open(store, balance=10**6)


async def holds(tenant: Tenant, count: int, ttl_ms: int = TTL_MS) -> list[HoldToken]:
    """So many holds of ten nano-USD."""
    return [await tenant.reserve(tenant.master, 10, ttl_ms=ttl_ms) for _ in range(count)]


async def test_due_holds_are_resolved(
    store: FlakyStore, lanes: Lanes, tenant: Tenant, clock: SettableClock
) -> None:
    """What is due is freed, what was reported is charged, what is not due stays."""
    (reported, silent, later) = [*await holds(tenant, 2), *await holds(tenant, 1, TTL_MS + 1)]
    await tenant.progress(reported.hold_id, 4)
    clock.advance(TTL_MS)
    assert await sweep(store, lanes) == 2
    assert used(await tenant.wallet()) == (10, 4)
    (left,) = await store.holds(tenant.account.wallet_id, 10)
    assert left.hold_id == later.hold_id
    assert await store.wallet_of(silent.hold_id) == tenant.account.wallet_id
    assert await sweep(store, lanes) == 0


async def test_nothing_due_does_nothing(store: FlakyStore, lanes: Lanes, tenant: Tenant) -> None:
    """A sweep without a due hold submits nothing."""
    await holds(tenant, 3)
    assert await sweep(store, lanes) == 0
    assert len(await tenant.journal()) == 1


async def test_sweep_is_bounded(
    store: FlakyStore, lanes: Lanes, tenant: Tenant, clock: SettableClock
) -> None:
    """A round takes a bounded number, oldest first, so that reservations are not kept waiting."""
    old = await holds(tenant, 5, TTL_MS - 1)
    await holds(tenant, SWEEP_HOLDS_MAX)
    clock.advance(TTL_MS)
    assert await sweep(store, lanes) == SWEEP_HOLDS_MAX
    left = {hold.hold_id for hold in await store.holds(tenant.account.wallet_id, 1_000)}
    assert not left & {token.hold_id for token in old}
    assert await sweep(store, lanes) == 5
    assert used(await tenant.wallet()) == (0, 0)


async def test_racing_sweepers_free_each_hold_once(
    store: FlakyStore, lanes: Lanes, tenant: Tenant, clock: SettableClock
) -> None:
    """Sweepers that saw the same list resolve every hold of it together exactly once."""
    tokens = await holds(tenant, 50)
    for token in tokens:
        await tenant.progress(token.hold_id, 3)
    clock.advance(TTL_MS)
    counts = await asyncio.gather(*(sweep(store, lanes) for _ in range(4)))
    assert sum(counts) == 50
    assert used(await tenant.wallet()) == (0, 150)
    kinds = [entry.kind for entry in (await tenant.journal())[1:]]
    assert kinds == [JournalKind.EXPIRE] * 50


async def test_settle_between_listing_and_expiry_wins(
    store: FlakyStore, lanes: Lanes, tenant: Tenant, clock: SettableClock
) -> None:
    """A hold that is settled after it was listed is charged its cost and expired no more."""
    (token,) = await holds(tenant, 1)
    clock.advance(TTL_MS)
    settled, swept = await asyncio.gather(lanes.submit([settling(token, 7)]), sweep(store, lanes))
    assert expect(settled[0], Settled).charged_nano_usd == 7
    assert swept == 0
    assert used(await tenant.wallet()) == (0, 7)


async def test_renewal_between_listing_and_expiry_wins(
    store: FlakyStore, lanes: Lanes, tenant: Tenant, clock: SettableClock
) -> None:
    """The store decides again under the lock: a hold renewed after it was listed lives on."""
    (token,) = await holds(tenant, 1)
    clock.advance(TTL_MS)
    listed = await store.due_holds(10)
    await tenant.progress(token.hold_id)
    assert not isinstance(await tenant.expire(listed[0][0]), Expired)
    assert used(await tenant.wallet()) == (10, 0)


async def test_loop_survives_a_store_that_is_away(
    store: FlakyStore,
    lanes: Lanes,
    tenant: Tenant,
    clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A failed round is told and tried again; a full round is followed by the next at once."""
    monkeypatch.setattr(sweeper, "SWEEP_INTERVAL_S", 0)
    monkeypatch.setattr(sweeper, "START_GRACE_S", 0)
    await holds(tenant, SWEEP_HOLDS_MAX + 5)
    clock.advance(TTL_MS)
    store.failures = 2
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(sweeper.run(store, lanes))
        await store.swept_clean.wait()
        task.cancel()
    assert used(await tenant.wallet()) == (0, 0)
    assert caplog.text.count("sweep failed: away") == 2


ABANDONED = 10_000


async def test_ten_thousand_abandoned_holds(tmp_path: Path) -> None:
    """All of them are freed by two sweepers that race, each once, and none before its time."""
    clock = SettableClock()
    store = SqliteStore.open(tmp_path / "mintgate.db", clock)
    lanes = Lanes(store)
    tenant = await Tenant.open(store, balance=ABANDONED)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lanes.run())
        for start in range(0, ABANDONED, BATCH_OPERATIONS_MAX):
            size = min(BATCH_OPERATIONS_MAX, ABANDONED - start)
            await store.apply([tenant.reserving(tenant.master, 1) for _ in range(size)])
        assert (await tenant.wallet()).held == ABANDONED
        assert await sweep(store, lanes) == 0
        clock.advance(TTL_MS)
        freed = 0
        while both := sum(await asyncio.gather(sweep(store, lanes), sweep(store, lanes))):
            freed += both
        running.cancel()
    assert freed == ABANDONED
    assert used(await tenant.wallet()) == (0, 0)
    assert await findings(store) == []
    await store.close()
