"""Charges that the ledger could not take yet: kept on disk, repeated until acknowledged.

A charge in here is durable, so the end of its answer may go to the client. One
file a worker; whatever queued during one fsync is written by the next. The file
of a worker that died is adopted by whichever worker looks next.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import DecodeError
from mintgate.v1 import error_pb2
from mintgate.v1.ledger_pb2 import Operation, OperationResult

from mintgate_facade.background import TaskSet
from mintgate_facade.relay.link import LinkAwayError, Submitter
from mintgate_facade.relay.outbox_file import OutboxFile, set_aside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger("mintgate.outbox")
_T = TypeVar("_T")

OPEN_BYTES_MAX = 256 << 20
"""Undelivered bytes above which no new request is admitted."""
WRITE_RETRY_S = 0.5
"""Pause after a failed write, before the same entries are written again."""
REPLAY_BATCH_MAX = 256
REPLAY_WAIT_S = 10.0
REPLAY_FIRST_S = 0.1
REPLAY_MAX_S = 5.0
ADOPT_INTERVAL_S = 30.0
"""How often files of workers that died are looked for."""
CLOSE_WAIT_S = 5.0
SUFFIX = ".outbox"
_PROBE = b""
"""Written after a failure when nothing else waits, to learn that the disk is well again."""

_RETRIED = frozenset(
    {
        error_pb2.ERROR_REASON_UNSPECIFIED,
        error_pb2.ERROR_REASON_UNAUTHENTICATED,  # A wrong service token can be put right.
        error_pb2.ERROR_REASON_PERMISSION_DENIED,
        error_pb2.ERROR_REASON_OUTCOME_UNKNOWN,
        error_pb2.ERROR_REASON_OVERLOADED,
        error_pb2.ERROR_REASON_UNAVAILABLE,
        error_pb2.ERROR_REASON_INTERNAL,
    }
)


def is_retried(result: OperationResult) -> bool:
    """Whether a refused charge may succeed when it is sent again."""
    return result.HasField("error") and result.error.reason in _RETRIED


@dataclass(slots=True, eq=False)
class _Segment:
    """One file and how many of its entries nobody has acknowledged."""

    file: OutboxFile
    open_count: int = 0


@dataclass(slots=True, eq=False)
class _Entry:
    operation: Operation
    payload: bytes
    durable: asyncio.Future[None]
    segment: _Segment
    since_s: float
    """Loop time since when this process has it."""


@dataclass(slots=True, eq=False)
class _State:
    queue: deque[_Entry] = field(default_factory=deque)
    """Not on the disk yet."""
    unacknowledged: dict[int, _Entry] = field(default_factory=dict)
    """Not delivered yet, by the entry's identity, oldest first."""
    adopted: list[_Segment] = field(default_factory=list)
    bytes: int = 0
    failing: bool = False


class Outbox:
    """The durable queue of one worker."""

    def __init__(self, directory: Path, link: Submitter) -> None:
        self._directory = directory
        self._link = link
        self._state = _State()
        self._own: _Segment | None = None
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outbox")
        self._to_write = asyncio.Event()
        self._to_deliver = asyncio.Event()
        self._delivered = asyncio.Event()
        self._delivered.set()
        self._tasks = TaskSet()

    @property
    def accepting(self) -> bool:
        """Whether a new request may rely on this outbox."""
        return not self._state.failing and self._state.bytes < OPEN_BYTES_MAX

    @property
    def open_count(self) -> int:
        """Charges that the ledger has not acknowledged."""
        return len(self._state.unacknowledged)

    @property
    def open_bytes(self) -> int:
        """Their bytes."""
        return self._state.bytes

    def oldest_age_s(self) -> float:
        """How long the oldest of them has waited in this process."""
        oldest_s = min((e.since_s for e in self._state.unacknowledged.values()), default=None)
        return 0.0 if oldest_s is None else asyncio.get_running_loop().time() - oldest_s

    async def start(self) -> None:
        """Open this worker's file and adopt those of workers that died; raises `OSError`."""
        path = self._directory / f"{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
        self._own = _Segment(await self._in_thread(lambda: OutboxFile.create(path)))
        await self._adopt()
        self._tasks.spawn(self._write_forever(), "outbox-write")
        self._tasks.spawn(self._deliver_forever(), "outbox-deliver")
        self._tasks.spawn(self._adopt_forever(), "outbox-adopt")

    def append(self, operation: Operation) -> asyncio.Future[None]:
        """Keep a charge; the future ends when it is on the disk or acknowledged."""
        if self._own is None:
            raise RuntimeError("the outbox was not started")
        loop = asyncio.get_running_loop()
        durable = loop.create_future()
        payload = operation.SerializeToString()
        entry = _Entry(operation, payload, durable, self._own, loop.time())
        self._track(entry)
        self._state.queue.append(entry)
        self._to_write.set()
        return durable

    async def delivered(self) -> None:
        """Wait until the ledger has acknowledged everything."""
        await self._delivered.wait()

    async def close(self) -> None:
        """Write what is queued, then stop; undelivered entries wait on the disk."""
        if self._state.queue:
            await asyncio.wait([entry.durable for entry in self._state.queue], timeout=CLOSE_WAIT_S)
        await self._tasks.close()
        for segment in (*self._state.adopted, *([self._own] if self._own else [])):
            done = segment.open_count == 0
            await self._in_thread(segment.file.remove if done else segment.file.close)
        self._disk.shutdown(wait=True)

    def _track(self, entry: _Entry) -> None:
        self._state.unacknowledged[id(entry)] = entry
        self._state.bytes += len(entry.payload)
        entry.segment.open_count += 1
        self._delivered.clear()
        self._to_deliver.set()

    def _acknowledge(self, entry: _Entry) -> None:
        del self._state.unacknowledged[id(entry)]
        self._state.bytes -= len(entry.payload)
        entry.segment.open_count -= 1
        if not entry.durable.done():
            entry.durable.set_result(None)
        if not self._state.unacknowledged:
            self._delivered.set()
        self._to_write.set()

    # Writing

    async def _write_forever(self) -> None:
        while True:
            await self._to_write.wait()
            self._to_write.clear()
            try:
                await self._write_queued()
                await self._drop_delivered()
                self._state.failing = False
            except Exception:  # noqa: BLE001 - see below
                # Whatever it is: nothing counts as kept, and nothing new is admitted.
                self._state.failing = True
                _log.exception("the outbox cannot be written")
                await asyncio.sleep(WRITE_RETRY_S)
                self._to_write.set()

    async def _write_queued(self) -> None:
        batch = list(self._state.queue)
        payloads = [entry.payload for entry in batch if not entry.durable.done()]
        if self._state.failing and not payloads:
            payloads = [_PROBE]
        if payloads and self._own is not None:
            own = self._own
            await self._in_thread(lambda: own.file.append(payloads))
        for entry in batch:
            self._state.queue.popleft()
            if not entry.durable.done():
                entry.durable.set_result(None)

    async def _drop_delivered(self) -> None:
        own = self._own
        if (
            own is not None
            and own.open_count == 0
            and own.file.size_bytes
            and not self._state.queue
        ):
            await self._in_thread(own.file.truncate)
        for segment in [segment for segment in self._state.adopted if segment.open_count == 0]:
            await self._in_thread(segment.file.remove)
            self._state.adopted.remove(segment)

    # Delivering

    async def _deliver_forever(self) -> None:
        delay_s = REPLAY_FIRST_S
        while True:
            while not self._state.unacknowledged:
                self._to_deliver.clear()
                await self._to_deliver.wait()
            if not self._link.connected:
                await asyncio.sleep(REPLAY_FIRST_S)
            elif await self._deliver_some():
                delay_s = REPLAY_FIRST_S
            else:
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, REPLAY_MAX_S)

    async def _deliver_some(self) -> bool:
        """Send the oldest entries once; True when all of them were dealt with."""
        entries = list(islice(self._state.unacknowledged.values(), REPLAY_BATCH_MAX))
        answers: list[asyncio.Future[OperationResult]] = []
        for entry in entries:
            try:
                answers.append(self._link.submit(entry.operation, REPLAY_WAIT_S))
            except LinkAwayError:
                break
        results = await asyncio.gather(*answers, return_exceptions=True)
        complete = len(results) == len(entries)
        for entry, result in zip(entries, results, strict=False):
            if isinstance(result, BaseException) or is_retried(result):
                # To the end of the line, so that one bad entry does not hold up the others.
                self._state.unacknowledged[id(entry)] = self._state.unacknowledged.pop(id(entry))
                complete = False
            elif result.HasField("error") and not await self._set_aside(entry, result):
                complete = False
            else:
                self._acknowledge(entry)
        return complete

    async def _set_aside(self, entry: _Entry, result: OperationResult) -> bool:
        """Keep for a person what the ledger will never take."""
        _log.error(
            "the ledger refused charge %s for good: %s",
            entry.operation.settle.hold_id.hex(),
            result.error.message,
        )
        try:
            await self._in_thread(partial(set_aside, self._directory, entry.payload))
        except OSError:
            return False
        return True

    # Adopting

    async def _adopt_forever(self) -> None:
        while True:
            await asyncio.sleep(ADOPT_INTERVAL_S)
            try:
                await self._adopt()
            except OSError as failure:
                _log.warning("outbox files cannot be listed: %s", failure)

    async def _adopt(self) -> None:
        for path in await self._in_thread(lambda: sorted(self._directory.glob(f"*{SUFFIX}"))):
            mine = [segment.file.path for segment in self._state.adopted]
            if (self._own is not None and path == self._own.file.path) or path in mine:
                continue
            file = await self._in_thread(partial(OutboxFile.adopt, path))
            if file is not None:
                self._take_over(_Segment(file), await self._in_thread(file.payloads))

    def _take_over(self, segment: _Segment, payloads: list[bytes]) -> None:
        self._state.adopted.append(segment)
        loop = asyncio.get_running_loop()
        for payload in payloads:
            if payload == _PROBE:
                continue
            durable = loop.create_future()
            durable.set_result(None)
            try:
                operation = Operation.FromString(payload)
            except DecodeError:
                # The checksum is right, so another version wrote it: keep the file for it.
                segment.open_count += 1
                _log.exception("an entry of %s cannot be read", segment.file.path.name)
                continue
            self._track(_Entry(operation, payload, durable, segment, loop.time()))
        _log.info("adopted %d charges from %s", len(payloads), segment.file.path.name)
        self._to_write.set()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)
