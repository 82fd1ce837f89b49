"""The worker's one connection to the ledger: a stream with one message in flight.

Whatever queued while a message was under way is the next message, so that
batches grow with load and a lone request never waits for a timer. Operations
are idempotent: those in flight when the stream breaks are sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import grpc
from mintgate.v1.ledger_pb2 import ApplyRequest, ApplyResponse, Operation, OperationResult, Release

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mintgate.v1.ledger_pb2_grpc import LedgerServiceAsyncStub

_log = logging.getLogger("mintgate.link")

BATCH_OPERATIONS_MAX = 512
"""Operations in one message; the contract's own bound."""
BATCH_BYTES_MAX = 1 << 20
"""Bytes in one message, well under gRPC's default of 4 MiB."""
QUEUE_OPERATIONS_MAX = 16_384
"""Operations waiting for their turn, all requests of the worker together."""
SWEEP_INTERVAL_S = 0.1
"""How often passed deadlines are looked for: one timer for all operations."""
ANSWER_WAIT_S = 10.0
"""A message unanswered for so long means that the stream is dead."""
CONNECT_WAIT_S = 3.0
"""For a stream to stand; an address that swallows packets would take minutes to say so."""
DRAIN_WAIT_S = 2.0
RECONNECT_FIRST_S = 0.05
RECONNECT_MAX_S = 1.0


_Call: TypeAlias = "grpc.aio.StreamStreamCall[ApplyRequest, ApplyResponse]"

OnAnswer: TypeAlias = "Callable[[int, float], None]"
"""Told how many operations a message had and how many seconds its answer took."""


class LinkAwayError(Exception):
    """The ledger did not answer in time; whether it acted is not known."""


class LinkOverloadedError(LinkAwayError):
    """Too much is queued already; nothing happened."""


class Submitter(Protocol):
    """What the rest of the relay needs of a link."""

    @property
    def connected(self) -> bool:
        """Whether the stream stands."""

    def submit(self, operation: Operation, wait_s: float) -> asyncio.Future[OperationResult]:
        """Queue an operation and promise its result within `wait_s`."""

    def post(self, operation: Operation) -> None:
        """Queue an operation whose result nobody waits for."""


class History(Protocol):
    """Who keeps what was acknowledged, and under which history of the store."""

    def heard(self, epoch: int) -> None:
        """Hear the store's epoch, with every answer."""

    def acknowledged(self, operation: Operation, epoch: int) -> None:
        """Hear of a settle, or the start of a job, that was acknowledged under an epoch."""


class Route(Protocol):
    """Which of several cores calls go to."""

    def here(self) -> int:
        """The place of the core in use."""

    def lost(self, place: int) -> None:
        """Say that the core at a place has failed a stream."""


class _OneCore:
    def here(self) -> int:
        return 0

    def lost(self, place: int) -> None:
        """There is no other."""


@dataclass(slots=True, eq=False)
class _Slot:
    operation: Operation
    size_bytes: int
    deadline_s: float = 0.0
    answer: asyncio.Future[OperationResult] | None = None
    sent: bool = False

    @property
    def abandoned(self) -> bool:
        """Nobody waits for the answer any more."""
        return self.answer is not None and self.answer.done()


class LedgerLink:
    """Sends operations to the ledger in batches, in the order they were submitted."""

    def __init__(
        self,
        stub: LedgerServiceAsyncStub,
        service_token: str,
        on_answer: OnAnswer | None = None,
        route: Route | None = None,
    ) -> None:
        """Call `stub`, which follows `route` where there are several cores."""
        self._route: Route = route or _OneCore()
        self._history: History | None = None
        self._on_answer = on_answer or _ignore
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {service_token}"),)
        self._queue: deque[_Slot] = deque()
        self._in_flight: list[_Slot] = []
        self._sent_at_s = 0.0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._call: _Call | None = None
        self._runner: asyncio.Task[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._connected = False
        self._closing = False
        self._retry_s = RECONNECT_FIRST_S
        self._said = ""

    @property
    def connected(self) -> bool:
        """Whether the stream stands, as far as is known."""
        return self._connected

    @property
    def queued_count(self) -> int:
        """Operations that wait for the next message."""
        return len(self._queue)

    def follow(self, history: History) -> None:
        """Tell `history` from now on."""
        self._history = history

    def moved(self) -> None:
        """Look at the route again: calls may go to another core now."""
        self._wake.set()

    def start(self) -> None:
        """Begin to connect; operations may be submitted at once."""
        loop = asyncio.get_running_loop()
        self._runner = loop.create_task(self._run(), name="ledger-link")
        self._sweeper = loop.call_later(SWEEP_INTERVAL_S, self._sweep)

    async def drain(self) -> None:
        """Wait until everything queued was answered, at most `DRAIN_WAIT_S`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_WAIT_S):
                await self._idle.wait()

    async def close(self) -> None:
        """End the stream; what still waits fails with `LinkAwayError`."""
        self._closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        self._hang_up()
        for slot in (*self._in_flight, *self._queue):
            _fail(slot, LinkAwayError("the gateway is shutting down"))

    def submit(self, operation: Operation, wait_s: float) -> asyncio.Future[OperationResult]:
        """Queue an operation and promise its result.

        The future fails with `LinkAwayError` when no answer came within
        `wait_s` seconds; a hold granted after that is released again.
        Raises `LinkOverloadedError` at once when the queue is full.
        """
        if len(self._queue) >= QUEUE_OPERATIONS_MAX:
            raise LinkOverloadedError("too many ledger operations are queued")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[OperationResult] = loop.create_future()
        slot = _Slot(operation, operation.ByteSize(), loop.time() + wait_s, answer)
        self._queue.append(slot)
        self._wake.set()
        return answer

    def post(self, operation: Operation) -> None:
        """Queue an operation whose result nobody waits for; dropped when the queue is full."""
        if len(self._queue) < QUEUE_OPERATIONS_MAX:
            self._queue.append(_Slot(operation, operation.ByteSize()))
            self._wake.set()

    async def _run(self) -> None:
        while True:
            place = self._route.here()
            try:
                await self._converse(place)
            except TimeoutError:
                _log.warning("ledger stream lost: no connection within %s s", CONNECT_WAIT_S)
            except grpc.aio.AioRpcError as failure:
                self._say_lost(f"{failure.code().name} {failure.details()}")
            except (asyncio.InvalidStateError, grpc.aio.UsageError, ConnectionError) as failure:
                _log.warning("ledger stream lost: %s", failure)
            except Exception:  # noqa: BLE001 - the link must outlive any defect
                _log.exception("ledger stream failed")
            except asyncio.CancelledError:
                # gRPC raises this both when the runner is cancelled and when the call is.
                if self._closing:
                    raise
                _log.warning("ledger stream lost: no answer within %s s", ANSWER_WAIT_S)
            else:
                # The route leads elsewhere now, and nothing was in flight.
                self._connected = False
                self._hang_up()
                continue
            self._connected = False
            self._hang_up()
            self._requeue()
            self._route.lost(place)
            if self._route.here() != place:
                continue
            self._retry_s = min(self._retry_s * 2, RECONNECT_MAX_S)
            await asyncio.sleep(self._retry_s * random.uniform(0.5, 1))  # noqa: S311 - jitter

    def _requeue(self) -> None:
        """Put what was in flight first in line again."""
        for slot in self._in_flight:
            if slot.operation.HasField("reserve"):
                # It may have been granted: from now on the books must answer.
                slot.operation.reserve.first_attempt = False
        self._queue.extendleft(reversed(self._in_flight))
        self._in_flight = []

    async def _converse(self, place: int) -> None:
        """Open one stream and use it until it breaks, or until the route leads elsewhere."""
        loop = asyncio.get_running_loop()
        call = self._call = self._stub.Apply(None, metadata=self._metadata)
        async with asyncio.timeout(CONNECT_WAIT_S):
            await call.wait_for_connection()
        self._connected = True
        # An end is heard while nothing is sent, too, and with the core's own reason: a write
        # into a stream that has ended only says INTERNAL.
        call.add_done_callback(self._ended)
        while await self._work(call, place):
            # One turn of the loop, so that all requests that are ready now share the message.
            await asyncio.sleep(0)
            batch = self._in_flight = self._take_batch()
            if not batch:
                continue
            self._sent_at_s = loop.time()
            # Awaited from before the message is sent: two threads stand between the answer and
            # this loop, and two between it and the word that the message has left.
            reading = loop.create_task(call.read())
            try:
                await call.write(ApplyRequest(operations=[slot.operation for slot in batch]))
            except BaseException:
                reading.cancel()
                raise
            response = _answered(await reading)
            if len(response.results) != len(batch):
                raise ConnectionError("the ledger answered another number of operations")
            self._in_flight = []
            self._on_answer(len(batch), loop.time() - self._sent_at_s)
            self._retry_s = RECONNECT_FIRST_S
            self._said = ""
            self._deliver(batch, response.results)
            if self._history is not None and response.store_epoch:
                _record(self._history, batch, response)

    def _ended(self, _call: object) -> None:
        self._wake.set()

    async def _work(self, call: _Call, place: int) -> bool:
        """Wait for something to send; False when the route leads elsewhere. Raises at an end."""
        while self._route.here() == place:
            if call.done():
                _answered(await call.read())
            if self._queue:
                return True
            self._wake.clear()
            self._idle.set()
            await self._wake.wait()
            self._idle.clear()
        return False

    def _say_lost(self, why: str) -> None:
        """Log why the stream was lost; the same again, try after try, says nothing new."""
        if why != self._said:
            self._said = why
            _log.warning("ledger stream lost: %s", why)

    def _take_batch(self) -> list[_Slot]:
        batch: list[_Slot] = []
        size_bytes = 0
        queue = self._queue
        while queue and len(batch) < BATCH_OPERATIONS_MAX and size_bytes < BATCH_BYTES_MAX:
            slot = queue.popleft()
            if slot.abandoned:
                # Never sent: nothing happened. Sent before the stream broke: it may have
                # been granted, so the hold is given back by its id.
                if not (slot.sent and slot.operation.HasField("reserve")):
                    continue
                slot = _release_of(slot.operation.reserve.hold_id, b"")
            slot.sent = True
            size_bytes += slot.size_bytes
            batch.append(slot)
        return batch

    def _deliver(self, batch: list[_Slot], results: Sequence[OperationResult]) -> None:
        for slot, result in zip(batch, results, strict=True):
            if slot.answer is None:
                continue
            if not slot.answer.done():
                slot.answer.set_result(result)
            elif result.HasField("reserved"):
                release = _release_of(slot.operation.reserve.hold_id, result.reserved.hold_token)
                self._queue.append(release)
                self._wake.set()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(SWEEP_INTERVAL_S, self._sweep)
        now_s = loop.time()
        for slots in (self._in_flight, self._queue):
            for slot in slots:
                if slot.answer is not None and slot.deadline_s <= now_s:
                    _fail(slot, LinkAwayError("the ledger did not answer in time"))
        if not self._connected:
            # What was never sent and nobody waits for must not fill the queue of an outage.
            kept = [slot for slot in self._queue if slot.sent or not slot.abandoned]
            self._queue = deque(kept)
        if self._in_flight and now_s - self._sent_at_s > ANSWER_WAIT_S:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._call is not None:
            with contextlib.suppress(grpc.aio.UsageError):
                self._call.cancel()


def _answered(response: object) -> ApplyResponse:
    if not isinstance(response, ApplyResponse):
        raise ConnectionError("the ledger ended the stream")
    return response


def _ignore(_count: int, _seconds: float) -> None:
    pass


def _record(history: History, batch: list[_Slot], response: ApplyResponse) -> None:
    epoch = response.store_epoch
    for slot, result in zip(batch, response.results, strict=True):
        if result.HasField("settled") or result.HasField("started_job"):
            history.acknowledged(slot.operation, epoch)
    history.heard(epoch)


def _fail(slot: _Slot, failure: LinkAwayError) -> None:
    if slot.answer is not None and not slot.answer.done():
        slot.answer.set_exception(failure)


def _release_of(hold_id: bytes, hold_token: bytes) -> _Slot:
    operation = Operation(release=Release(hold_id=hold_id, hold_token=hold_token))
    return _Slot(operation, operation.ByteSize())
