"""Lanes: batches form by themselves, stay in order, are bounded, and isolate what is broken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from mintgate_core import lane
from mintgate_core.lane import Lane, Lanes
from mintgate_core.ledger.errors import Bug, LedgerError, NotFound, Overloaded, Unavailable
from mintgate_core.ledger.limits import BATCH_OPERATIONS_MAX
from mintgate_core.ledger.operations import (
    Answer,
    Operation,
    Release,
    Released,
    Reserve,
    Reserved,
    Settled,
)
from mintgate_core.stores.conformance import SettableClock, Tenant, expect, findings
from mintgate_core.stores.conformance.builders import new_id, settling, used
from mintgate_core.stores.memory import MemoryStore


class GatedStore(MemoryStore):
    """A store whose batches wait at a gate, and which remembers how large they were."""

    def __init__(self) -> None:
        super().__init__(SettableClock())
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self.sizes: list[int] = []
        self.failures: list[Exception] = []
        self.gated_wallet: int | None = None
        """Set: only batches that touch this wallet wait."""

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Apply once the gate is open; the next planned failure comes instead."""
        self.sizes.append(len(operations))
        self.arrived.set()
        if self.gated_wallet in (None, *(operation.wallet_id for operation in operations)):
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        return await super().apply(operations)


@pytest.fixture
def store() -> GatedStore:
    """An empty store with its gate open."""
    return GatedStore()


@pytest.fixture
async def tenant(store: GatedStore) -> Tenant:
    """A tenant with money; its own set-up is not counted."""
    tenant = await Tenant.open(store, balance=10**9)
    store.sizes.clear()
    store.arrived.clear()
    return tenant


@asynccontextmanager
async def running(lanes: Lane | Lanes) -> AsyncIterator[None]:
    """Lanes that run while the block does."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(lanes.run())
        yield
        task.cancel()


def reserves(tenant: Tenant, count: int) -> list[Operation]:
    """So many reserves of one nano-USD."""
    return [tenant.reserving(tenant.master, 1) for _ in range(count)]


async def test_single_operation_waits_for_nothing(store: GatedStore, tenant: Tenant) -> None:
    """With nothing in flight an operation is a batch of its own, at once."""
    lanes = Lanes(store)
    async with running(lanes):
        for _ in range(3):
            (answer,) = await lanes.submit(reserves(tenant, 1))
            expect(answer, Reserved)
    assert store.sizes == [1, 1, 1]


async def test_batch_is_what_queued_meanwhile(store: GatedStore, tenant: Tenant) -> None:
    """While one batch is in flight all that arrives becomes the next one, in order."""
    one = Lane(store, lambda _operations, _answers: None)
    store.gate.clear()
    async with running(one):
        first = one.submit(reserves(tenant, 1))
        await store.arrived.wait()
        meanwhile = [reserves(tenant, count) for count in (2, 3, 1)]
        futures = [one.submit(operations) for operations in meanwhile]
        store.gate.set()
        await first
        for operations, future in zip(meanwhile, futures, strict=True):
            tokens = [expect(answer, Reserved).token for answer in await future]
            assert [t.hold_id for t in tokens] == [_hold_id(o) for o in operations]
    assert store.sizes == [1, 6]


async def test_batches_are_bounded_and_never_split_a_caller(
    store: GatedStore, tenant: Tenant
) -> None:
    """A batch takes whole callers up to its bound; one caller's operations stay together."""
    one = Lane(store, lambda _operations, _answers: None)
    sizes = [BATCH_OPERATIONS_MAX - 1, 2, BATCH_OPERATIONS_MAX - 2, 1, BATCH_OPERATIONS_MAX]
    futures = [one.submit(reserves(tenant, size)) for size in sizes]
    async with running(one):
        await asyncio.gather(*futures)
    assert store.sizes == [
        BATCH_OPERATIONS_MAX - 1,
        BATCH_OPERATIONS_MAX,
        1,
        BATCH_OPERATIONS_MAX,
    ]


async def test_full_queue_is_told_at_once(
    store: GatedStore, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound callers are refused without a wait, and nothing of theirs happens."""
    monkeypatch.setattr(lane, "LANE_QUEUE_OPERATIONS_MAX", 5)
    one = Lane(store, lambda _operations, _answers: None)
    kept = one.submit(reserves(tenant, 4))
    with pytest.raises(Overloaded):
        one.submit(reserves(tenant, 2))
    last = one.submit(reserves(tenant, 1))
    async with running(one):
        await asyncio.gather(kept, last)
        # What was taken makes room again.
        await one.submit(reserves(tenant, 5))
    assert used(await tenant.wallet()) == (10, 0)


async def test_overload_of_one_lane_starts_no_other(
    store: GatedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When one lane cannot take its part of a request, the other lanes take none either."""
    monkeypatch.setattr(lane, "LANE_QUEUE_OPERATIONS_MAX", 2)
    lanes = Lanes(store, 2)
    tenants = await two_lanes(store)
    full = lanes._lanes[1].submit(reserves(tenants[1], 2))
    with pytest.raises(Overloaded):
        await lanes.submit(reserves(tenants[0], 1) + reserves(tenants[1], 1))
    async with running(lanes):
        await full
        await lanes.submit(reserves(tenants[0], 1))
    assert used(await tenants[0].wallet()) == (1, 0)


async def test_broken_operation_is_refused_alone(
    store: GatedStore, tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug poisons its batch, so each gets its own transaction and only its caller fails."""
    lanes = Lanes(store)
    stranger = await Tenant.open(store, balance=1)
    token = await tenant.reserve(tenant.master, 100)
    forged = replace(token, hold_id=new_id(), line_ids=stranger.master.line_ids)
    operations = [settling(token, 60), settling(forged, 60), *reserves(tenant, 1)]
    async with running(lanes):
        answers = await lanes.submit(operations)
    assert [type(answer) for answer in answers] == [Settled, Bug, Reserved]
    assert used(await tenant.wallet()) == (1, 60)
    assert await findings(store) == []
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_unexpected_failure_is_isolated_too(
    store: GatedStore, tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception that nobody foresaw refuses its operation as a bug, and the lane goes on."""
    lanes = Lanes(store)
    # The batch fails, and then the first of it by itself.
    store.failures += [RuntimeError("unforeseen"), RuntimeError("unforeseen")]
    async with running(lanes):
        answers = await lanes.submit(reserves(tenant, 2))
        assert [type(answer) for answer in answers] == [Bug, Reserved]
        (answer,) = await lanes.submit(reserves(tenant, 1))
    expect(answer, Reserved)
    assert "failed" in caplog.text


async def test_store_that_is_away_refuses_all_and_comes_back(
    store: GatedStore, tenant: Tenant
) -> None:
    """Every caller of the batch is told the store's reason once; the next batch is a new try."""
    lanes = Lanes(store)
    store.failures.append(Unavailable("away"))
    async with running(lanes):
        answers = await lanes.submit(reserves(tenant, 3))
        assert [str(expect(answer, Unavailable)) for answer in answers] == ["away"] * 3
        assert [type(answer) for answer in await lanes.submit(reserves(tenant, 1))] == [Reserved]
    assert store.sizes == [3, 1]


async def test_caller_that_gives_up_disturbs_nobody(store: GatedStore, tenant: Tenant) -> None:
    """An operation whose caller has gone is still applied, and its neighbours are answered."""
    lanes = Lanes(store)
    store.gate.clear()
    async with running(lanes):
        gone = asyncio.ensure_future(lanes.submit(reserves(tenant, 1)))
        await store.arrived.wait()
        stays = asyncio.ensure_future(lanes.submit(reserves(tenant, 1)))
        gone.cancel()
        store.gate.set()
        expect((await stays)[0], Reserved)
    assert used(await tenant.wallet()) == (2, 0)


async def test_commits_are_announced_in_order(store: GatedStore, tenant: Tenant) -> None:
    """Whoever listens sees every operation with its answer, refusals included."""
    seen: list[tuple[Operation, Answer]] = []

    def listen(operations: Sequence[Operation], answers: Sequence[Answer]) -> None:
        seen.extend(zip(operations, answers, strict=True))

    lanes = Lanes(store, on_commit=listen)
    asked = [*reserves(tenant, 1), tenant.reserving(tenant.master, 10**10)]
    async with running(lanes):
        answers = await lanes.submit(asked)
    assert seen == list(zip(asked, answers, strict=True))
    assert [isinstance(answer, LedgerError) for answer in answers] == [False, True]


async def test_answers_keep_the_order_of_the_request(store: GatedStore) -> None:
    """A request over many wallets is cut by lane and put together again."""
    lanes = Lanes(store, 2)
    first, second = await two_lanes(store)
    operations: list[Operation] = []
    for number in range(10):
        operations += reserves((first, second)[number % 2], 1)
    async with running(lanes):
        answers = await lanes.submit(operations)
    held = [expect(answer, Reserved).token.hold_id for answer in answers]
    assert held == [_hold_id(operation) for operation in operations]
    assert sorted(store.sizes[-2:]) == [5, 5]


async def test_wallet_stays_on_its_lane(store: GatedStore) -> None:
    """Operations of one wallet are decided in the order in which they were submitted."""
    lanes = Lanes(store, 2)
    tenants = await two_lanes(store)
    async with running(lanes):
        for tenant in tenants:
            reserve = tenant.reserving(tenant.master, 5)
            release, held = await asyncio.gather(
                lanes.submit([Release(reserve.hold_id, tenant.account.wallet_id)]),
                lanes.submit([reserve]),
            )
            assert release == [Released(0)]
            assert not isinstance(held[0], Reserved | NotFound)


async def two_lanes(store: GatedStore) -> tuple[Tenant, Tenant]:
    """Two tenants whose wallets are on different lanes of two."""
    by_lane: dict[int, Tenant] = {}
    while len(by_lane) < 2:
        tenant = await Tenant.open(store, balance=1_000)
        by_lane[tenant.account.wallet_id % 2] = tenant
    return by_lane[0], by_lane[1]


def _hold_id(operation: Operation) -> bytes:
    assert isinstance(operation, Reserve)
    return operation.hold_id


async def test_hot_wallet_does_not_hold_up_another_lane(store: GatedStore) -> None:
    """While a hot wallet's batch is under way, a cold one on another lane is answered."""
    hot = await Tenant.open(store, balance=10**6)
    cold = await Tenant.open(store, balance=10**6)
    assert hot.account.wallet_id % 2 != cold.account.wallet_id % 2
    lanes = Lanes(store, 2)
    async with running(lanes), asyncio.TaskGroup() as tasks:
        store.gated_wallet = hot.account.wallet_id
        store.gate.clear()
        stuck = tasks.create_task(lanes.submit(reserves(hot, 500)))
        (answer,) = await lanes.submit([cold.reserving(cold.master, 1)])
        assert isinstance(answer, Reserved)
        assert not stuck.done()
        store.gate.set()
