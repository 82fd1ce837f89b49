"""Objects that were recorded in the last minutes, to be recorded again after a failover.

As `recent` does for charges: a standby that takes over may lack the last records, and what
nobody recorded is nobody's. These are kept in memory alone. A worker that ends loses them,
which costs a key the sight of an object, and never money.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from mintgate.v1.error_pb2 import ERROR_REASON_UNSPECIFIED
from mintgate.v1.objects_pb2 import NewObject, ObjectName, RecordObjectsRequest

from mintgate_facade.dialects.base import RefusedRequest
from mintgate_facade.relay.recent import KEPT_MS, REPLAY_BATCH_MAX, REPLAY_RETRY_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mintgate.v1.objects_pb2 import RecordedObject, RecordObjectsResponse

_log = logging.getLogger("mintgate.recent")

KEPT_MAX = 65_536
"""Objects of one worker, some 100 a second over the whole time; beyond it the oldest go."""

_Name = tuple[str, str, str]


@dataclass(slots=True, eq=False)
class _Kept:
    new: NewObject
    epoch: int
    at_ms: int

    def again(self, now_ms: int) -> NewObject:
        """The object with the end that it had."""
        if not self.new.ttl_ms:
            return self.new
        again = NewObject()
        again.CopyFrom(self.new)
        again.ttl_ms = max(1, self.new.ttl_ms - (now_ms - self.at_ms))
        return again


class RecentObjects:
    """Keeps what was recorded, and records it again when the store's history has changed."""

    def __init__(
        self, now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
    ) -> None:
        self.epoch = 0
        """Of the store, as far as it is known here; 0: of a store that has no standby."""
        self._now_ms = now_ms
        self._kept: OrderedDict[_Name, _Kept] = OrderedDict()
        self._to_send = asyncio.Event()

    def heard(self, epoch: int) -> None:
        """Learn the store's epoch; another one than before begins to record again."""
        self.epoch = epoch
        self._to_send.set()

    def recorded(self, new: NewObject, epoch: int) -> None:
        """Keep a record that was acknowledged; `epoch`: as it was known before it was sent."""
        if epoch:
            name = _name(new.provider, new.name)
            self._kept[name] = _Kept(new, epoch, self._now_ms())
            self._kept.move_to_end(name)
            self._prune()

    def forgotten(self, provider: str, name: ObjectName) -> None:
        """Keep it no more: it was deleted."""
        self._kept.pop(_name(provider, name), None)

    async def run(
        self, record: Callable[[RecordObjectsRequest], Awaitable[RecordObjectsResponse]]
    ) -> None:
        """Record again whatever a failover may have lost, until cancelled.

        `record` raises `RefusedRequest` when core is away.
        """
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            while lost := self._of_another_epoch():
                epoch, now_ms = self.epoch, self._now_ms()
                request = RecordObjectsRequest(objects=[kept.again(now_ms) for kept in lost])
                try:
                    answer = await record(request)
                except RefusedRequest as failure:
                    _log.warning("%d objects wait to be recorded again: %s", len(lost), failure)
                    await asyncio.sleep(REPLAY_RETRY_S)
                    continue
                for kept, result in zip(lost, answer.results, strict=True):
                    kept.epoch = epoch
                    _tell_refused(kept.new, result)
                _log.warning("%d objects were recorded again", len(lost))

    def _of_another_epoch(self) -> list[_Kept]:
        """The oldest, as many as one call takes."""
        self._prune()
        others = (kept for kept in self._kept.values() if kept.epoch != self.epoch)
        return list(islice(others, REPLAY_BATCH_MAX))

    def _prune(self) -> None:
        oldest_ms = self._now_ms() - KEPT_MS
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if len(self._kept) <= KEPT_MAX and oldest.at_ms >= oldest_ms:
                break
            self._kept.popitem(last=False)


def _name(provider: str, name: ObjectName) -> _Name:
    return provider, name.kind, name.object_id


def _tell_refused(new: NewObject, result: RecordedObject) -> None:
    if result.error.reason != ERROR_REASON_UNSPECIFIED:
        _log.error("a %s is not recorded again: %s", new.name.kind, result.error.message)
