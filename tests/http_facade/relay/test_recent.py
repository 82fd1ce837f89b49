"""Acknowledged settles and jobs outlive a failover that lost them, a restart, and damage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mintgate.channel import open_aio_channel
from mintgate.ids import new_id
from mintgate.v1.error_pb2 import ERROR_REASON_ALREADY_RESOLVED
from mintgate.v1.jobs_pb2 import StartJob
from mintgate.v1.ledger_pb2 import Operation, OperationResult, Settle
from mintgate.v1.ledger_pb2_grpc import LedgerServiceStub
from mintgate.v1.objects_pb2 import ObjectName, Record
from mintgate_core.ledger.types import HoldJob
from mintgate_facade.relay import recent as recent_module
from mintgate_facade.relay.link import LedgerLink
from mintgate_facade.relay.outbox_file import REFUSED_NAME, frames
from mintgate_facade.relay.recent import KEPT_MS, SEGMENT_MS, SUFFIX, RecentOperations

from tests.http_facade.relay.failover import SERVICE, Cluster, HistoricStore, reserve, settle

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 10.0
START_MS = 1_795_442_400_000


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


@asynccontextmanager
async def facade(
    cluster: Cluster, directory: Path
) -> AsyncIterator[tuple[LedgerLink, RecentOperations]]:
    """The link and the keeper of a worker."""
    channel = open_aio_channel(cluster.target)
    link = LedgerLink(LedgerServiceStub(channel), SERVICE)
    recent = RecentOperations(directory, link)
    link.follow(recent)
    link.start()
    await recent.start()
    try:
        yield link, recent
    finally:
        await link.close()
        await recent.close()
        await channel.close(None)


async def charge(link: LedgerLink, count: int = 1) -> list[bytes]:
    """Reserve and settle; returns the ids of holds whose settle was acknowledged."""
    reserves = [reserve() for _ in range(count)]
    held = await asyncio.gather(*(link.submit(operation, WAIT_S) for operation in reserves))
    settles = [settle(r, h) for r, h in zip(reserves, held, strict=True)]
    answers = await asyncio.gather(*(link.submit(operation, WAIT_S) for operation in settles))
    assert all(answer.HasField("settled") for answer in answers)
    return [operation.settle.hold_id for operation in settles]


async def until_settled(store: HistoricStore, wanted: set[bytes]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not wanted <= store.settled_ids():  # noqa: ASYNC110 - a store in memory tells nobody
            await asyncio.sleep(0.01)
    assert not any(check.findings for check in await store.audit())


async def test_a_standby_without_the_tail_gets_it_again(cluster: Cluster, tmp_path: Path) -> None:
    """Every settle acknowledged before the failover is in the new primary's journal."""
    async with facade(cluster, tmp_path / "outbox") as (link, _):
        async with cluster.core():
            first = await charge(link, 20)
            standby = cluster.store.standby()
            lost = await charge(link, 300)
            assert not set(lost) & standby.settled_ids()
        async with cluster.core(standby):
            after = await charge(link, 1)
            await until_settled(standby, {*first, *lost, *after})
    spent = sum(detail.charged for detail in standby.details)
    assert spent == sum(detail.charged for detail in cluster.store.details) + spent // 321


async def test_a_restarted_facade_sends_its_predecessors(cluster: Cluster, tmp_path: Path) -> None:
    """The files outlive the worker: the next one adopts them and sends what the standby lacks."""
    async with cluster.core():
        standby = cluster.store.standby()
        async with facade(cluster, tmp_path / "outbox") as (link, _):
            lost = await charge(link, 5)
    async with cluster.core(standby), facade(cluster, tmp_path / "outbox") as (link, _):
        await charge(link)
        await until_settled(standby, set(lost))


async def test_a_replay_that_dies_is_done_by_the_next(cluster: Cluster, tmp_path: Path) -> None:
    """A worker that ends in the middle of sending again leaves a file that is sent once more."""
    directory = tmp_path / "outbox"
    async with cluster.core():
        standby = cluster.store.standby()
        async with facade(cluster, directory) as (link, _):
            lost = await charge(link, 5)
    async with facade(cluster, directory) as (_, recent):
        # It has heard of the new history, but no core answers.
        recent.heard(standby.epoch)
        await asyncio.sleep(0)
    async with cluster.core(standby), facade(cluster, directory) as (link, _):
        await charge(link)
        await until_settled(standby, set(lost))


async def test_a_second_failover_sends_again_what_was_sent(
    cluster: Cluster, tmp_path: Path
) -> None:
    """What was acknowledged again is kept again, for the failover after the next."""
    async with facade(cluster, tmp_path / "outbox") as (link, _):
        async with cluster.core():
            standby = cluster.store.standby()
            lost = set(await charge(link, 5))
        async with cluster.core(standby):
            second = standby.standby()
            await charge(link)
            await until_settled(standby, lost)
        async with cluster.core(second):
            await charge(link)
            await until_settled(second, lost)


async def begin(link: LedgerLink) -> tuple[Operation, Operation]:
    """Reserve, and start a job; both acknowledged. Returns a settle of it, and the start."""
    reserved = reserve()
    held = await link.submit(reserved, WAIT_S)
    end = settle(reserved, held)
    name = ObjectName(kind="response", object_id="resp_1")
    start = StartJob(
        hold_id=end.settle.hold_id,
        hold_token=end.settle.hold_token,
        surface="openai",
        operation="background_response",
        object_id=name.object_id,
        records=[Record(name=name, ttl_ms=60_000)],
    )
    started = Operation(start_job=start)
    assert (await link.submit(started, WAIT_S)).HasField("started_job")
    return end, started


async def until_started(store: HistoricStore, hold_id: bytes) -> None:
    async with asyncio.timeout(WAIT_S):
        while hold_id not in store.job_by_id:  # noqa: ASYNC110 - a store in memory tells nobody
            await asyncio.sleep(0.01)
    assert not any(check.findings for check in await store.audit())


@pytest.mark.parametrize("hold_survives", [True, False])
async def test_a_lost_job_is_started_again(
    cluster: Cluster, tmp_path: Path, *, hold_survives: bool
) -> None:
    """A job whose start was acknowledged is polled after the failover, with or without its hold.

    It holds what it held, its object is its key's again, and it is charged once.
    """
    async with facade(cluster, tmp_path / "outbox") as (link, _):
        async with cluster.core():
            await charge(link)
            standby = cluster.store.standby()
            end, started = await begin(link)
            hold_id = started.start_job.hold_id
            if hold_survives:
                hold = replace(cluster.store.hold_by_id[hold_id], job=HoldJob.NONE)
                standby.hold_by_id[hold_id] = hold
                for line_id in (hold.wallet_id, *hold.line_ids):
                    standby.line_by_id[line_id].held += hold.amount_nano_usd
        async with cluster.core(standby):
            await charge(link)
            await until_started(standby, hold_id)
            held = standby.hold_by_id[hold_id].amount_nano_usd
            assert held == cluster.store.hold_by_id[hold_id].amount_nano_usd > 0
            ((_, _, object_id),) = standby.objects.by_name
            assert object_id == "resp_1"
            assert (await link.submit(end, WAIT_S)).settled.charged_nano_usd > 0
            # What comes later of the start changes nothing.
            late = await link.submit(started, WAIT_S)
            assert late.error.reason == ERROR_REASON_ALREADY_RESOLVED
    assert not standby.hold_by_id
    assert not standby.job_by_id
    assert not any(check.findings for check in await standby.audit())


async def test_a_job_that_has_ended_is_not_started_again(cluster: Cluster, tmp_path: Path) -> None:
    """Its start and its charge are both sent again: in this order or the other, it has ended."""
    directory = tmp_path / "outbox"
    async with cluster.core(), facade(cluster, directory) as (link, _):
        await charge(link)
        standby = cluster.store.standby()
        end, _ = await begin(link)
        assert (await link.submit(end, WAIT_S)).HasField("settled")
    async with cluster.core(standby):
        async with facade(cluster, tmp_path / "another") as (link, _):
            # The one who polled was another worker, and is faster.
            assert (await link.submit(end, WAIT_S)).settled.late
        async with facade(cluster, directory) as (link, _):
            before = list(directory.glob(f"*{SUFFIX}"))
            assert before
            await charge(link)
            async with asyncio.timeout(WAIT_S):
                while any(path.exists() for path in before):  # noqa: ASYNC110 - files tell nobody
                    await asyncio.sleep(0.01)
    assert not standby.hold_by_id
    assert not standby.job_by_id
    assert not (directory / REFUSED_NAME).exists()


async def test_without_an_epoch_nothing_is_written(cluster: Cluster, tmp_path: Path) -> None:
    """A store that has no standby costs no file."""
    cluster.store.history = 0
    async with facade(cluster, tmp_path / "outbox") as (link, recent), cluster.core():
        await charge(link, 5)
        await recent.flush()
    assert list((tmp_path / "outbox").iterdir()) == []


class Collector:
    """A link that acknowledges, and remembers in which order it was asked."""

    connected = True

    def __init__(self) -> None:
        self.hold_ids: list[bytes] = []
        self.asked = asyncio.Event()
        self.wanted = 1

    def submit(self, operation: Operation, wait_s: float) -> asyncio.Future[OperationResult]:
        self.hold_ids.append(operation.settle.hold_id)
        answer = asyncio.get_running_loop().create_future()
        result = OperationResult()
        result.settled.charged_nano_usd = 1
        answer.set_result(result)
        if len(self.hold_ids) >= self.wanted:
            self.asked.set()
        return answer

    def post(self, operation: Operation) -> None:
        raise AssertionError

    async def got(self, count: int) -> list[bytes]:
        self.wanted = count
        if len(self.hold_ids) < count:
            async with asyncio.timeout(WAIT_S):
                await self.asked.wait()
        return self.hold_ids


class Time:
    """Milliseconds that pass only when told."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


def some(count: int) -> list[Operation]:
    return [Operation(settle=Settle(hold_id=new_id(), hold_token=b"t" * 99)) for _ in range(count)]


async def keep(recent: RecentOperations, operations: list[Operation], epoch: int) -> None:
    for operation in operations:
        recent.acknowledged(operation, epoch)
    await recent.flush()


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"*{SUFFIX}"))


async def test_it_is_sent_in_the_order_of_its_acknowledgement(tmp_path: Path) -> None:
    """Oldest first, over files and epochs, and nothing that has the present epoch."""
    link, clock = Collector(), Time()
    recent = RecentOperations(tmp_path, link, clock)
    await recent.start()
    operations = some(6)
    for number, operation in enumerate(operations):
        await keep(recent, [operation], epoch=1 + number // 3)
        clock.now_ms += SEGMENT_MS
    present = some(1)
    await keep(recent, present, epoch=9)
    recent.heard(9)
    assert await link.got(6) == [operation.settle.hold_id for operation in operations]
    await recent.close()


@pytest.mark.parametrize("damage", ["torn", "flipped"])
async def test_damage_costs_the_damaged_alone(tmp_path: Path, damage: str) -> None:
    """A torn tail or a flipped bit loses its own frame; every other settle is sent."""
    clock = Time()
    recent = RecentOperations(tmp_path, Collector(), clock)
    await recent.start()
    operations = some(5)
    await keep(recent, operations, epoch=1)
    await recent.close()
    (path,) = files(tmp_path)
    data = bytearray(path.read_bytes())
    if damage == "torn":
        path.write_bytes(data[:-7])
        left = operations[:4]
    else:
        data[len(data) // 2] ^= 0x10
        path.write_bytes(data)
        left = [*operations[:2], *operations[3:]]
    link = Collector()
    after = RecentOperations(tmp_path, link)
    await after.start()
    after.heard(2)
    assert await link.got(4) == [operation.settle.hold_id for operation in left]
    await after.close()


async def test_it_is_bounded_in_time(tmp_path: Path) -> None:
    """What is older than the bound goes, file by file."""
    clock = Time()
    recent = RecentOperations(tmp_path, Collector(), clock)
    await recent.start()
    await keep(recent, some(1), epoch=1)
    clock.now_ms += SEGMENT_MS
    await keep(recent, some(1), epoch=1)
    assert len(files(tmp_path)) == 2
    clock.now_ms += KEPT_MS
    await keep(recent, some(1), epoch=1)
    assert len(files(tmp_path)) == 2
    clock.now_ms += 1 + SEGMENT_MS
    await keep(recent, some(1), epoch=1)
    assert len(files(tmp_path)) == 2, "one file of before the pause, one of now"
    await recent.close()


async def test_it_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the oldest files go, and the newest stays whatever its size."""
    monkeypatch.setattr(recent_module, "KEPT_BYTES_MAX", 1_000)
    monkeypatch.setattr(recent_module, "SEGMENT_BYTES_MAX", 300)
    clock = Time()
    recent = RecentOperations(tmp_path, Collector(), clock)
    await recent.start()
    operations = some(20)
    for operation in operations:
        clock.now_ms += 1
        await keep(recent, [operation], epoch=1)
    kept = [payload for path in files(tmp_path) for payload in frames(path.read_bytes())]
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 1_000
    assert kept[-1].endswith(operations[-1].SerializeToString())
    assert 0 < len(kept) < 20
    await recent.close()
