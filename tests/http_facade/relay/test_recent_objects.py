"""Records of objects outlive a failover that lost them, and a deletion ends them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from mintgate.channel import open_aio_channel
from mintgate.v1.error_pb2 import ERROR_REASON_ID_REUSED, Error
from mintgate.v1.objects_pb2 import (
    NewObject,
    ObjectName,
    RecordedObject,
    RecordObjectsRequest,
    RecordObjectsResponse,
)
from mintgate.v1.objects_pb2_grpc import ObjectsServiceStub
from mintgate_core.secrets_of_keys import digest
from mintgate_facade.dialects import base
from mintgate_facade.relay import recent_objects as recent_objects_module
from mintgate_facade.relay.failures import LEDGER_AWAY
from mintgate_facade.relay.objects import Objects
from mintgate_facade.relay.recent import KEPT_MS, REPLAY_BATCH_MAX
from mintgate_facade.relay.recent_objects import RecentObjects

from tests.http_facade.relay.failover import KEY, SERVICE, Cluster, HistoricStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WAIT_S = 10.0


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


@asynccontextmanager
async def facade(cluster: Cluster) -> AsyncIterator[Objects]:
    """What a worker knows of objects."""
    channel = open_aio_channel(cluster.target)
    objects = Objects(ObjectsServiceStub(channel), SERVICE)
    running = asyncio.ensure_future(objects.run())
    try:
        yield objects
    finally:
        running.cancel()
        await channel.close(None)


async def until_recorded(store: HistoricStore, wanted: set[str]) -> None:
    async with asyncio.timeout(WAIT_S):
        while ids(store) != wanted:  # noqa: ASYNC110 - a store in memory tells nobody
            await asyncio.sleep(0.01)


def ids(store: HistoricStore) -> set[str]:
    return {object_id for _, _, object_id in store.objects.by_name}


async def test_a_standby_without_the_tail_gets_it_again(cluster: Cluster) -> None:
    """What was recorded before the failover is the same key's after it, but what was deleted."""
    async with facade(cluster) as objects:
        async with cluster.core():
            key = await cluster.store.key_by_secret(digest(KEY))
            assert key is not None
            objects.heard(cluster.store.epoch)
            standby = cluster.store.standby()
            for object_id in ("file-1", "file-2", "file-3"):
                name = base.ObjectName("file", object_id)
                await objects.record(key.key_id, "openai", name, note="mine", ttl_ms=60_000)
            await objects.forget(key.key_id, "openai", base.ObjectName("file", "file-2"))
            assert not ids(standby)
        async with cluster.core(standby):
            objects.heard(standby.epoch)
            await until_recorded(standby, {"file-1", "file-3"})
    found = standby.objects.by_name["openai", "file", "file-1"]
    before = cluster.store.objects.by_name["openai", "file", "file-1"]
    assert (found.key_id, found.note) == (before.key_id, "mine") == (key.key_id, "mine")


class Recorder:
    """A core that remembers what it was asked to record."""

    def __init__(self) -> None:
        self.heard: list[NewObject] = []
        self.away = 0
        self.error = Error()
        self.calls = asyncio.Semaphore(0)

    async def __call__(self, request: RecordObjectsRequest) -> RecordObjectsResponse:
        self.calls.release()
        if self.away:
            self.away -= 1
            raise base.RefusedRequest(LEDGER_AWAY)
        self.heard.extend(request.objects)
        return RecordObjectsResponse(
            results=[RecordedObject(error=self.error) for _ in request.objects]
        )

    async def called(self, times: int) -> None:
        async with asyncio.timeout(WAIT_S):
            for _ in range(times):
                await self.calls.acquire()


class Time:
    """Milliseconds that pass only when told."""

    now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


def new(number: int, ttl_ms: int = 0) -> NewObject:
    name = ObjectName(kind="file", object_id=f"f{number}")
    return NewObject(key_id="key_1", provider="openai", name=name, ttl_ms=ttl_ms)


@asynccontextmanager
async def sending(recent: RecentObjects, recorder: Recorder) -> AsyncIterator[None]:
    running = asyncio.ensure_future(recent.run(recorder))
    try:
        yield
    finally:
        running.cancel()


async def test_each_is_sent_once_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oldest first, again while core is away, and what is of this history already is not sent."""
    monkeypatch.setattr(recent_objects_module, "REPLAY_RETRY_S", 0.0)
    recorder, recent = Recorder(), RecentObjects()
    recorder.away = 2
    count = REPLAY_BATCH_MAX + 1
    for number in range(count):
        recent.recorded(new(number), epoch=1)
    recent.recorded(new(count), epoch=2)
    async with sending(recent, recorder):
        recent.heard(2)
        await recorder.called(4)
        recent.heard(2)
    assert [one.name.object_id for one in recorder.heard] == [f"f{n}" for n in range(count)]


async def test_an_end_stays_where_it_was() -> None:
    """Recording again adds nothing to the time for which an object is kept."""
    recorder, clock = Recorder(), Time()
    recent = RecentObjects(clock)
    recent.recorded(new(1, ttl_ms=50_000), epoch=1)
    clock.now_ms = 20_000
    async with sending(recent, recorder):
        recent.heard(2)
        await recorder.called(1)
    assert [one.ttl_ms for one in recorder.heard] == [30_000]


async def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In time and in number the oldest go; without a history nothing is kept at all."""
    monkeypatch.setattr(recent_objects_module, "KEPT_MAX", 2)
    recorder, clock = Recorder(), Time()
    recent = RecentObjects(clock)
    recent.recorded(new(0), epoch=0)
    recent.recorded(new(1), epoch=1)
    clock.now_ms = KEPT_MS + 1
    for number in (2, 3, 4):
        recent.recorded(new(number), epoch=1)
    async with sending(recent, recorder):
        recent.heard(2)
        await recorder.called(1)
    assert [one.name.object_id for one in recorder.heard] == ["f3", "f4"]


async def test_a_refused_one_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """An object that is another's by then is given up, and the operator hears of it."""
    recorder, recent = Recorder(), RecentObjects()
    recorder.error = Error(reason=ERROR_REASON_ID_REUSED, message="it is another key's")
    recent.recorded(new(1), epoch=1)
    async with sending(recent, recorder):
        recent.heard(2)
        await recorder.called(1)
    assert "a file is not recorded again: it is another key's" in caplog.text
