"""Answers that only name what the provider goes on with: their hold becomes that of a job.

Nobody learns the name before the ledger knows the job and the object has its owner. From
then on whoever polls settles it, whatever becomes of the client, of this process or the core.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from mintgate.v1 import ledger_pb2, objects_pb2
from mintgate.v1.jobs_pb2 import StartJob
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, Operation, Progress
from mintgate.v1.objects_pb2 import Record
from mintgate.v1.unit_pb2 import UNIT_OUTPUT_TOKENS

from mintgate_facade.dialects.base import BrokenAnswer, ObjectName, Reading, RefusedRequest
from mintgate_facade.relay.answer import (
    BROKEN_ANSWER,
    UPSTREAM_BROKEN,
    give_back,
    relay_rest,
)
from mintgate_facade.relay.asgi import AnswerAborted
from mintgate_facade.relay.charges import NotDurableError
from mintgate_facade.relay.failures import LEDGER_AWAY
from mintgate_facade.relay.holds import unit_counts
from mintgate_facade.relay.link import LinkAwayError, Submitter
from mintgate_facade.upstream import BROKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mintgate_facade.dialects.base import LaterWork, Meter
    from mintgate_facade.dialects.jobs import JobReader
    from mintgate_facade.relay.exchange import Admitted, Exchange
    from mintgate_facade.relay.held import Held
    from mintgate_facade.relay.objects import Objects
    from mintgate_facade.relay.targets import Targets
    from mintgate_facade.upstream import Answer

_log = logging.getLogger("mintgate.jobs")

ANNOUNCE_WAIT_S = 3.0
"""How long a request waits for what it may cost to be in the ledger, as for its hold."""
START_WAIT_S = 10.0
"""How long an answer waits for its job to be in the ledger; a core restarts within it."""
OPENING_BYTES_MAX = 1 << 20
"""Of an answer, until it has named what it stands for."""
JOB_TTL_MS = 24 * 3_600_000
"""A job's life when nothing else is said."""
JOB_SLACK_MS = 3_600_000
"""After it: the job's last look, and clocks that differ."""

_NOTE = "job:"

Outcome: TypeAlias = Literal["progressed", "started_job"]


@dataclass(frozen=True, slots=True)
class Deferrals:
    """What requests for such work share."""

    link: Submitter
    objects: Objects
    targets: Targets
    readers: Mapping[tuple[str, str], JobReader]
    """By the dialect of a surface and the job's operation."""

    async def relay(
        self,
        exchange: Exchange,
        admitted: Admitted,
        held: Held,
        response: Answer,
    ) -> None:
        """Relay a successful (2xx) answer once its job is started.

        Raises `RefusedRequest` when it names nothing or the job cannot be started, and
        `AnswerAborted` when a stream breaks off after that.
        """
        content_type = response.headers.get("content-type", "")
        meter = exchange.dialect.meter(exchange.route, held.ask, content_type)
        held.answer_begins(meter)
        try:
            opening, ended = await _opening(response, meter)
        except BROKEN_ANSWER:
            await self.charge_unseen(held)
            raise RefusedRequest(UPSTREAM_BROKEN) from None
        if meter.refused:
            await give_back(held, meter)
            headers = exchange.relayed(response.raw_headers)
            await exchange.send_whole(response.status, headers, opening)
            return
        object_id = meter.reading().provider_request_id
        name, note = ObjectName(held.ask.creates, object_id), _note_of(held.ask.later)
        try:
            await self._start(exchange, held, name, note)
            if not held.ask.creates_for_ms:
                # What is kept without an end counts toward what a key may own.
                key_id, slug = held.reserved.key_id, exchange.target.slug
                await self.objects.record(key_id, slug, name, note=note)
        except RefusedRequest:
            await self._cancel(exchange, admitted, held, object_id)
            if not held.deferred:
                await self.charge_unseen(held)
            raise
        if ended:
            headers = exchange.relayed(response.raw_headers)
            await exchange.send_whole(response.status, headers, opening)
        else:
            await relay_rest(exchange, held, response, meter, opening)

    async def announce(self, exchange: Exchange, held: Held, ttl_ms: int) -> None:
        """Report the most that the work may cost, before it can begin.

        A process that dies once the provider has begun, and before the job is started, leaves
        work that nobody polls: the hold's expiry then charges this. Raises `RefusedRequest` (503).
        """
        progress = Progress(
            hold_id=exchange.id,
            hold_token=held.reserved.hold_token,
            units=unit_counts(_worst(held)),
            variants=held.ask.bound.variants,
            ttl_ms=ttl_ms,
        )
        await self._submit(Operation(progress=progress), "progressed", ANNOUNCE_WAIT_S)
        # From here on it may begin: whatever ends this request unanswered charges the same.
        held.unseen = Reading(
            units=_worst(held), variants=tuple(progress.variants), basis=SETTLED_BY_COUNTED
        )

    async def charge_unseen(self, held: Held) -> None:
        """Charge what was delivered of an answer that nobody can ask for again.

        Where nothing was, the work may go on: that is charged which was announced.
        """
        try:
            await held.charged(ledger_pb2.EVENT_STATUS_UPSTREAM_BROKEN)
        except NotDurableError:
            _log.error("its charge is on no disk yet")
            raise AnswerAborted from None

    async def _start(self, exchange: Exchange, held: Held, name: ObjectName, note: str) -> None:
        """Make the hold that of a job. Raises `RefusedRequest` (503)."""
        later = _later_of(held)
        start = StartJob(
            hold_id=exchange.id,
            hold_token=held.reserved.hold_token,
            surface=exchange.found.surface.name,
            operation=later.operation,
            object_id=name.id,
            state=later.state,
            units=unit_counts(_worst(held)),
            variants=held.ask.bound.variants,
            ttl_ms=later.ttl_ms,
        )
        if held.ask.creates_for_ms:
            message = objects_pb2.ObjectName(kind=name.kind, object_id=name.id)
            ttl_ms = held.ask.creates_for_ms + job_lives_ms(note)
            start.records.append(Record(name=message, note=note, ttl_ms=ttl_ms))
        await self._submit(Operation(start_job=start), "started_job", START_WAIT_S)
        held.defer()

    async def _submit(self, operation: Operation, expected: Outcome, wait_s: float) -> None:
        """Wait for an outcome of the ledger. Raises `RefusedRequest` (503) for any other."""
        try:
            result = await self.link.submit(operation, wait_s)
        except LinkAwayError:
            raise RefusedRequest(LEDGER_AWAY) from None
        if not result.HasField(expected):
            _log.error("a job was not started: %s", result.error.message)
            raise RefusedRequest(LEDGER_AWAY)

    async def _cancel(
        self, exchange: Exchange, admitted: Admitted, held: Held, object_id: str
    ) -> None:
        """Stop what nobody will ever ask for; where that fails it costs what it costs."""
        later, surface = held.ask.later, exchange.found.surface
        reader = self.readers.get((surface.dialect.name, later.operation)) if later else None
        poll = None if reader is None else reader.cancel(object_id)
        if poll is None:
            return
        with contextlib.suppress(RefusedRequest, *BROKEN):
            response = await self.targets.read(exchange, admitted, poll.path, poll.method)
            response.close()


def _note_of(later: LaterWork | None) -> str:
    """The note on an object that a job is polled by: for how long that may go on."""
    ttl_ms = (later.ttl_ms if later is not None else 0) or JOB_TTL_MS
    return f"{_NOTE}{ttl_ms + JOB_SLACK_MS}"


def job_lives_ms(note: str) -> int:
    """How long after its creation an object may be polled; 0 when no job is about it."""
    return int(note.removeprefix(_NOTE)) if note.startswith(_NOTE) else 0


async def _opening(response: Answer, meter: Meter) -> tuple[bytes, bool]:
    """Read until the answer has named its object: what may pass, and whether that is all.

    A refusal names nothing, and is whole. The client may leave meanwhile. Raises one of
    `BROKEN_ANSWER`.
    """
    opening = b""
    while chunk := await response.read():
        opening += meter.feed(chunk)
        if meter.reading().provider_request_id:
            return opening, False
        if len(opening) > OPENING_BYTES_MAX:
            raise BrokenAnswer(f"no name within {OPENING_BYTES_MAX} bytes")
    opening += meter.close()
    if not meter.refused and not meter.reading().provider_request_id:
        raise BrokenAnswer("an answer that names nothing")
    return opening, True


def _later_of(held: Held) -> LaterWork:
    later = held.ask.later
    if later is None:
        raise LookupError("nothing goes on after this answer")
    return later


def _worst(held: Held) -> dict[int, int]:
    """What is charged for a job whose end is never known: the most that it may have made."""
    output_tokens = held.reserved.output_tokens * max(1, held.ask.bound.choices)
    return {**_later_of(held).units, UNIT_OUTPUT_TOKENS: output_tokens}
