"""Lanes: batches that form by themselves.

A lane has one batch in flight; a batch is whatever queued while the last one
ran. Under light load batches are single operations and nothing waits; under
heavy load they grow, and one commit serves many. There is no timer to tune.
Wallets are pinned to a lane by hash for speed, never for correctness.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mintgate_core.ledger.errors import Bug, LedgerError, Overloaded
from mintgate_core.ledger.limits import BATCH_OPERATIONS_MAX
from mintgate_core.ledger.operations import Answer, Operation
from mintgate_core.stores.base import Store

LANE_QUEUE_OPERATIONS_MAX = 16_384
"""About a second of work; beyond it callers are told to come back rather than to wait."""

log = logging.getLogger(__name__)

OnCommit = Callable[[Sequence[Operation], Sequence[Answer]], None]

OnBatch = Callable[[Sequence[Operation], float], None]
"""Told the operations of a batch and how many seconds its transaction took."""


@dataclass(slots=True)
class _Waiting:
    operations: Sequence[Operation]
    answers: asyncio.Future[list[Answer]]


class Lane:
    """One queue in front of one store connection."""

    def __init__(self, store: Store, on_commit: OnCommit, on_batch: OnBatch | None = None) -> None:
        self._store = store
        self._on_commit = on_commit
        self._on_batch = on_batch or _ignore_batch
        self._queue: deque[_Waiting] = deque()
        self._queued_operations = 0
        self._wake = asyncio.Event()

    @property
    def queued_operations(self) -> int:
        """What waits for the next batches."""
        return self._queued_operations

    def submit(self, operations: Sequence[Operation]) -> asyncio.Future[list[Answer]]:
        """Queue operations that belong together; they are answered in order.

        Raises `Overloaded` at once when the queue is full.
        """
        self.check_room(len(operations))
        waiting = _Waiting(operations, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._queued_operations += len(operations)
        self._wake.set()
        return waiting.answers

    def check_room(self, count: int) -> None:
        """Raise `Overloaded` unless `count` more operations fit the queue."""
        if self._queued_operations + count > LANE_QUEUE_OPERATIONS_MAX:
            raise Overloaded("the ledger has more work queued than it can answer in time")

    async def run(self) -> None:
        """Apply batches until cancelled."""
        while True:
            await self._wake.wait()
            while self._queue:
                await self._run_batch(self._take())
            self._wake.clear()

    def _take(self) -> list[_Waiting]:
        """The next batch: at least one entry, at most the bound of operations."""
        batch = [self._queue.popleft()]
        size = len(batch[0].operations)
        while self._queue and size + len(self._queue[0].operations) <= BATCH_OPERATIONS_MAX:
            batch.append(self._queue.popleft())
            size += len(batch[-1].operations)
        self._queued_operations -= size
        return batch

    async def _run_batch(self, batch: list[_Waiting]) -> None:
        operations = [operation for waiting in batch for operation in waiting.operations]
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        answers = await self._apply(operations)
        self._on_batch(operations, loop.time() - started_s)
        start = 0
        for waiting in batch:
            end = start + len(waiting.operations)
            if not waiting.answers.done():
                waiting.answers.set_result(answers[start:end])
            start = end
        self._on_commit(operations, answers)

    async def _apply(self, operations: Sequence[Operation]) -> list[Answer]:
        try:
            return await self._store.apply(operations)
        except Bug as bug:
            if len(operations) == 1:
                log.exception("BUG in %s", type(operations[0]).__name__)
                return [bug]
        except LedgerError as error:
            return [error] * len(operations)
        except Exception:
            # Whatever it was, nothing was committed; the callers keep their ids.
            log.exception("a batch of %d failed", len(operations))
            if len(operations) == 1:
                return [Bug("the operation could not be decided")]
        # One operation poisoned the batch: give each its own transaction, so
        # that only its caller is refused.
        return [answer for operation in operations for answer in await self._apply([operation])]


class Lanes:
    """All lanes of a process."""

    def __init__(
        self,
        store: Store,
        count: int = 1,
        on_commit: OnCommit | None = None,
        on_batch: OnBatch | None = None,
    ) -> None:
        self._lanes = [Lane(store, on_commit or _ignore, on_batch) for _ in range(count)]

    @property
    def queued_operations(self) -> int:
        """What waits in all lanes."""
        return sum(lane.queued_operations for lane in self._lanes)

    async def run(self) -> None:
        """Run every lane until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for lane in self._lanes:
                tasks.create_task(lane.run())

    async def submit(self, operations: Sequence[Operation]) -> list[Answer]:
        """Answer operations in order, each on its wallet's lane."""
        if len(self._lanes) == 1:
            return await self._lanes[0].submit(operations)
        groups: dict[int, list[int]] = {}
        for index, operation in enumerate(operations):
            groups.setdefault(operation.wallet_id % len(self._lanes), []).append(index)
        for number, indexes in groups.items():
            # All of it or none: `Overloaded` says that nothing happened.
            self._lanes[number].check_room(len(indexes))
        futures = {
            number: self._lanes[number].submit([operations[index] for index in indexes])
            for number, indexes in groups.items()
        }
        answers: dict[int, Answer] = {}
        for number, future in futures.items():
            answers.update(zip(groups[number], await future, strict=True))
        return [answers[index] for index in range(len(operations))]


def _ignore(_operations: Sequence[Operation], _answers: Sequence[Answer]) -> None:
    pass


def _ignore_batch(_operations: Sequence[Operation], _seconds: float) -> None:
    pass
