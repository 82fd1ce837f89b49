"""What was acknowledged in the last minutes, kept so that a failover of the database loses nothing.

A standby that takes over may lack the tail of its predecessor's log, and with it
settles and starts of jobs that were acknowledged. Each answer of the ledger names
the store's history (its epoch); when that changes, what was acknowledged under
another one is sent again. Both are idempotent, so too many cost nothing but time.

This is a second net: frames are written in batches without an fsync, so they
survive the end of this process, but not that of its machine. A store without
standbys has no epoch (0), and then nothing is kept at all.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import struct
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import DecodeError
from mintgate.v1.error_pb2 import ERROR_REASON_ALREADY_RESOLVED
from mintgate.v1.ledger_pb2 import Operation, OperationResult

from mintgate_facade.background import TaskSet
from mintgate_facade.relay.link import LinkAwayError, Submitter
from mintgate_facade.relay.outbox import is_retried
from mintgate_facade.relay.outbox_file import OutboxFile, set_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_log = logging.getLogger("mintgate.recent")
_T = TypeVar("_T")

KEPT_MS = 600_000
"""How long an acknowledged operation is kept: far longer than a standby may lag behind."""
KEPT_BYTES_MAX = 512 << 20
"""On disk, one worker; some 1,500 settles a second over the whole time."""
SEGMENT_MS = 60_000
"""A file holds so much time, and goes as a whole when the last of it is too old."""
SEGMENT_BYTES_MAX = 8 << 20
"""A file is read whole to be sent again."""
BUFFER_OPERATIONS_MAX = 65_536
"""Not written yet; beyond it the oldest are given up, which the log says."""
FLUSH_INTERVAL_S = 0.2
REPLAY_BATCH_MAX = 256
REPLAY_PAUSE_S = 0.05
"""Between batches, so that requests that run now come first."""
REPLAY_WAIT_S = 10.0
REPLAY_RETRY_S = 1.0
ADOPT_INTERVAL_S = 30.0
SUFFIX = ".settled"
_HEADER = struct.Struct("<QQ")
"""Before the operation in each frame: the epoch and the time, milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class _Kept:
    operation: Operation
    epoch: int
    at_ms: int

    def payload(self) -> bytes:
        return _HEADER.pack(self.epoch, self.at_ms) + self.operation.SerializeToString()

    @classmethod
    def read(cls, payload: bytes) -> _Kept:
        """Raises `DecodeError` and `struct.error`."""
        epoch, at_ms = _HEADER.unpack_from(payload)
        return cls(Operation.FromString(payload[_HEADER.size :]), epoch, at_ms)


@dataclass(slots=True, eq=False)
class _Segment:
    """One file. All of it was acknowledged under one epoch."""

    file: OutboxFile
    epoch: int
    opened_ms: int
    newest_ms: int


class RecentOperations:
    """Keeps what the link hears, and sends it again when the store's history has changed."""

    def __init__(
        self,
        directory: Path,
        link: Submitter,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        changed: Callable[[int], None] = lambda _epoch: None,
    ) -> None:
        """`changed` is told each epoch that is another than the one before."""
        self._directory = directory
        self._link = link
        self._now_ms = now_ms
        self._changed = changed
        self._epoch = 0
        self._buffer: deque[_Kept] = deque(maxlen=BUFFER_OPERATIONS_MAX)
        self._segments: list[_Segment] = []
        """Oldest first; touched in the disk's thread only, as is the next."""
        self._open: _Segment | None = None
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recent")
        self._to_flush = asyncio.Event()
        self._to_replay = asyncio.Event()
        self._tasks = TaskSet()

    async def start(self) -> None:
        """Adopt the files of workers that are gone; raises `OSError`."""
        await self._in_thread(partial(self._directory.mkdir, parents=True, exist_ok=True))
        await self._in_thread(self._adopt)
        self._tasks.spawn(self._flush_forever(), "recent-flush")
        self._tasks.spawn(self._replay_forever(), "recent-replay")
        self._tasks.spawn(self._adopt_forever(), "recent-adopt")

    async def close(self) -> None:
        """Write what is buffered; the files stay for whoever comes next."""
        await self._tasks.close()
        try:
            await self.flush()
        except OSError as failure:
            _log.warning("recent operations cannot be written: %s", failure)
        await self._in_thread(self._let_go)
        self._disk.shutdown(wait=True)

    def acknowledged(self, operation: Operation, epoch: int) -> None:
        """Keep what was acknowledged under an epoch. On the hot path: one append."""
        self._buffer.append(_Kept(operation, epoch, self._now_ms()))
        self._to_flush.set()

    def heard(self, epoch: int) -> None:
        """Learn the store's epoch; another one than before begins to send again."""
        if epoch and epoch != self._epoch:
            if self._epoch:
                _log.warning("the store's history changed from %x to %x", self._epoch, epoch)
            self._epoch = epoch
            self._to_replay.set()
            self._changed(epoch)

    async def flush(self) -> None:
        """Write what is buffered now; raises `OSError`, and what was not written is lost."""
        batch = [self._buffer.popleft() for _ in range(len(self._buffer))]
        await self._in_thread(partial(self._write, batch))

    # Keeping

    async def _flush_forever(self) -> None:
        while True:
            await self._to_flush.wait()
            await asyncio.sleep(FLUSH_INTERVAL_S)
            self._to_flush.clear()
            if len(self._buffer) == BUFFER_OPERATIONS_MAX:
                _log.warning("recent operations came faster than the disk took them")
            try:
                await self.flush()
            except OSError as failure:
                # The charge itself is durable in the ledger; this is the second net only.
                _log.warning("recent operations cannot be written: %s", failure)

    def _write(self, batch: Sequence[_Kept]) -> None:
        start = 0
        while start < len(batch):
            end = start
            while end < len(batch) and batch[end].epoch == batch[start].epoch:
                end += 1
            segment = self._segment_for(batch[start])
            segment.file.append([kept.payload() for kept in batch[start:end]], sync=False)
            segment.newest_ms = batch[end - 1].at_ms
            start = end
        self._prune()

    def _segment_for(self, kept: _Kept) -> _Segment:
        segment = self._open
        if (
            segment is not None
            and segment.epoch == kept.epoch
            and kept.at_ms - segment.opened_ms < SEGMENT_MS
            and segment.file.size_bytes < SEGMENT_BYTES_MAX
        ):
            return segment
        name = f"{kept.at_ms:013}-{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
        file = OutboxFile.create(self._directory / name)
        self._open = _Segment(file, kept.epoch, kept.at_ms, kept.at_ms)
        self._segments.append(self._open)
        return self._open

    def _prune(self) -> None:
        oldest_ms = self._now_ms() - KEPT_MS
        for segment in [s for s in self._segments if s.newest_ms < oldest_ms]:
            self._remove(segment)
        size_bytes = sum(segment.file.size_bytes for segment in self._segments)
        while size_bytes > KEPT_BYTES_MAX and len(self._segments) > 1:
            _log.warning("recent operations take more than %d bytes: the oldest go", KEPT_BYTES_MAX)
            size_bytes -= self._segments[0].file.size_bytes
            self._remove(self._segments[0])

    def _remove(self, segment: _Segment) -> None:
        if segment not in self._segments:
            return
        self._segments.remove(segment)
        if segment is self._open:
            self._open = None
        segment.file.remove()

    def _let_go(self) -> None:
        for segment in self._segments:
            segment.file.close()
        self._segments.clear()
        self._open = None

    # Sending again

    async def _replay_forever(self) -> None:
        while True:
            await self._to_replay.wait()
            self._to_replay.clear()
            try:
                await self._replay()
            except OSError as failure:
                _log.warning("recent operations cannot be sent again: %s", failure)
                await asyncio.sleep(REPLAY_RETRY_S)
                self._to_replay.set()

    async def _replay(self) -> None:
        """Send what was acknowledged under another epoch, oldest first, file by file."""
        if not self._epoch:
            return
        await self.flush()
        for segment in await self._in_thread(self._of_another_epoch):
            payloads = await self._in_thread(partial(self._payloads, segment))
            for start in range(0, len(payloads), REPLAY_BATCH_MAX):
                await self._send(_readable(payloads[start : start + REPLAY_BATCH_MAX]))
                await asyncio.sleep(REPLAY_PAUSE_S)
            # Every answer has put its operation into a file of the epoch that it came under.
            await self.flush()
            await self._in_thread(partial(self._remove, segment))
            name = segment.file.path.name
            _log.warning("%d operations of %s were sent again", len(payloads), name)

    def _of_another_epoch(self) -> list[_Segment]:
        if self._open is not None and self._open.epoch != self._epoch:
            self._open = None
        return [segment for segment in self._segments if segment.epoch != self._epoch]

    def _payloads(self, segment: _Segment) -> list[bytes]:
        # It may have become too old, and gone, while others were sent.
        return segment.file.payloads() if segment in self._segments else []

    async def _send(self, operations: list[Operation]) -> None:
        """Send a batch until each of it was answered."""
        while operations:
            answers: list[asyncio.Future[OperationResult]] = []
            for operation in operations:
                try:
                    answers.append(self._link.submit(operation, REPLAY_WAIT_S))
                except LinkAwayError:
                    break
            results = await asyncio.gather(*answers, return_exceptions=True)
            again = operations[len(results) :]
            for operation, result in zip(operations, results, strict=False):
                if isinstance(result, BaseException) or is_retried(result):
                    again.append(operation)
                elif result.HasField("error"):
                    await self._refused(operation, result)
            operations = again
            if operations:
                await asyncio.sleep(REPLAY_RETRY_S)

    async def _refused(self, operation: Operation, result: OperationResult) -> None:
        job = operation.HasField("start_job")
        if job and result.error.reason == ERROR_REASON_ALREADY_RESOLVED:
            # It has ended since, and its hold with it.
            return
        hold_id = (operation.start_job if job else operation.settle).hold_id.hex()
        what = "job" if job else "charge"
        _log.error("the ledger refused %s %s for good: %s", what, hold_id, result.error.message)
        payload = operation.SerializeToString()
        await self._in_thread(partial(set_aside, self._directory, payload))

    # Adopting

    async def _adopt_forever(self) -> None:
        while True:
            await asyncio.sleep(ADOPT_INTERVAL_S)
            try:
                await self._in_thread(self._adopt)
                await self._in_thread(self._prune)
            except OSError as failure:
                _log.warning("recent operations cannot be listed: %s", failure)
            self._to_replay.set()

    def _adopt(self) -> None:
        mine = {segment.file.path for segment in self._segments}
        adopted = []
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            file = None if path in mine else OutboxFile.adopt(path)
            if file is None:
                continue
            kept = _first(file.payloads())
            if kept is None:
                # Nothing in it can be read, or ever will.
                file.remove()
                continue
            newest_ms = path.stat().st_mtime_ns // 1_000_000
            adopted.append(_Segment(file, kept.epoch, kept.at_ms, newest_ms))
        self._segments[:0] = adopted

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)


def _readable(payloads: Sequence[bytes]) -> list[Operation]:
    """The operations of payloads; one that another version wrote is left out and told."""
    found = []
    for payload in payloads:
        try:
            found.append(_Kept.read(payload).operation)
        except (DecodeError, struct.error):
            _log.exception("a recent operation cannot be read")
    return found


def _first(payloads: Sequence[bytes]) -> _Kept | None:
    for payload in payloads:
        try:
            return _Kept.read(payload)
        except (DecodeError, struct.error):
            continue
    return None
