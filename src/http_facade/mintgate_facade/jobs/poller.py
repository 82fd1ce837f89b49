"""Claims jobs that are due, asks their providers, and settles what has ended.

Every worker polls; core gives each job to one of them for the length of a lease. A worker
that dies leaves the job to the next claim: what it read is read again, and a settle is made
once, by the hold's id.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

import grpc
from mintgate.v1.jobs_pb2 import ClaimJobsRequest, ClaimJobsResponse, Job, RenewJob
from mintgate.v1.ledger_pb2 import (
    EVENT_STATUS_COMPLETED,
    EVENT_STATUS_UPSTREAM_BROKEN,
    Operation,
    Settle,
)

from mintgate_facade.dialects.base import BrokenAnswer, RefusedRequest
from mintgate_facade.dialects.jobs import Done, Failed, Further, Outcome, Pending, Poll
from mintgate_facade.jobs.readers import READERS
from mintgate_facade.relay.charges import NotDurableError
from mintgate_facade.relay.held import PROVIDER_REQUEST_ID_CHARACTERS_MAX
from mintgate_facade.relay.holds import unit_counts
from mintgate_facade.relay.link import LinkAwayError, Submitter
from mintgate_facade.relay.pass_through import is_success
from mintgate_facade.upstream import BROKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mintgate.v1.jobs_pb2_grpc import JobsServiceAsyncStub

    from mintgate_facade.dialects.jobs import JobReader
    from mintgate_facade.providers.base import Surface
    from mintgate_facade.relay.charges import Charges
    from mintgate_facade.relay.targets import Target, Targets
    from mintgate_facade.upstream import Upstream

_log = logging.getLogger("mintgate.jobs")

CLAIM_INTERVAL_S = 2.0
"""Between two claims of a worker that found nothing left to do."""
CLAIM_JOBS_MAX = 16
"""Jobs that one worker polls at once."""
CLAIM_WAIT_S = 5.0
LEASE_MS = 30_000
"""How long a job waits for another worker when the one that had it died."""
POLL_WAIT_S = 20.0
"""For the whole answer of the provider, within the lease. A settle that comes after its end does
no harm: it is made once."""
BODY_BYTES_MAX = 256 << 20
"""Of one answer; a longer one is not read, and its job is left to its last estimate."""
RENEW_WAIT_S = 3.0

POLL_MS_MIN = 2_000
POLL_MS_MAX = 60_000
POLL_AGE_DIVISOR = 10
"""A job is looked at after another tenth of its age: soon while it is young, and never so late
that its money is held for much longer than it ran."""

_FOUND = {Pending: "working", Done: "charged", Failed: "free", type(None): "unread"}
"""What a look at a job found, for the metrics."""


class Poller:
    """One worker's part in polling."""

    def __init__(
        self,
        stub: JobsServiceAsyncStub,
        service_token: str,
        link: Submitter,
        charges: Charges,
        targets: Targets,
        upstream: Upstream,
        readers: Mapping[tuple[str, str], JobReader] = READERS,
        polled: Callable[[str, str], None] = lambda _provider, _outcome: None,
    ) -> None:
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {service_token}"),)
        self._link = link
        self._charges = charges
        self._targets = targets
        self._upstream = upstream
        self._readers = readers
        self._polled = polled
        self._said = ""

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                claimed = await self.round()
                self._said = ""
            except grpc.aio.AioRpcError as failure:
                self._say(f"{failure.code().name} {failure.details()}")
                claimed = 0
            except Exception:  # noqa: BLE001 - polling must outlive any defect
                _log.exception("a round of polling failed")
                claimed = 0
            if claimed < CLAIM_JOBS_MAX:
                # Workers that started together spread out.
                await asyncio.sleep(CLAIM_INTERVAL_S * random.uniform(0.5, 1))  # noqa: S311 - jitter

    async def round(self) -> int:
        """Claim once, poll what was claimed, and return how much that was.

        Raises `grpc.aio.AioRpcError` when nothing could be claimed.
        """
        if not self._charges.accepting:
            return 0
        request = ClaimJobsRequest(limit=CLAIM_JOBS_MAX, lease_ms=LEASE_MS)
        response: ClaimJobsResponse = await self._stub.ClaimJobs(
            request, timeout=CLAIM_WAIT_S, metadata=self._metadata
        )
        async with asyncio.TaskGroup() as tasks:
            for job in response.jobs:
                tasks.create_task(self._one(job, response.now_ms))
        return len(response.jobs)

    def _say(self, why: str) -> None:
        """Log why nothing can be claimed; the same again, try after try, says nothing new."""
        if why != self._said:
            self._said = why
            _log.warning("no jobs can be claimed: %s", why)

    async def _one(self, job: Job, now_ms: int) -> None:
        try:
            outcome = await self._outcome(job)
            self._polled(job.provider, _FOUND[type(outcome)])
            await self._end(job, Pending() if outcome is None else outcome, now_ms)
        except Exception:  # noqa: BLE001 - one bad job must not disturb the others
            # Its lease ends by itself, and it is polled again.
            _log.exception("job of hold %s could not be polled", job.hold_id.hex())

    async def _outcome(self, job: Job) -> Outcome | None:
        """What the provider says; None is no answer, and leaves the job as it was."""
        target = self._targets.target(job.provider)
        surface = None if target is None else target.surface(job.surface)
        dialect = "" if surface is None else surface.dialect.name
        reader = self._readers.get((dialect, job.operation))
        if target is None or surface is None or reader is None:
            # A newer worker may know it.
            _log.warning("nobody here reads %s jobs of %s", job.operation, job.provider)
            return None
        try:
            async with asyncio.timeout(POLL_WAIT_S):
                body = bytearray()
                if not await self._ask(target, surface, reader.poll(job), body.extend):
                    return None
                outcome = reader.read(job, bytes(body))
                if not isinstance(outcome, Further):
                    return outcome
                told = await self._ask(target, surface, outcome.poll, outcome.into.feed)
                return outcome.into.outcome() if told else None
        except RefusedRequest as refused:
            _log.warning("job of hold %s: %s", job.hold_id.hex(), refused.failure.message)
        except BROKEN as failure:
            _log.warning("job of hold %s: %s", job.hold_id.hex(), type(failure).__name__)
        except BrokenAnswer as failure:
            _log.warning("job of hold %s: %s", job.hold_id.hex(), failure)
        return None

    async def _ask(
        self, target: Target, surface: Surface, poll: Poll, take: Callable[[bytes], None]
    ) -> bool:
        """Hand on the provider's answer as it arrives; False when it is anything but success."""
        account = target.require_account()
        name, value = surface.credential(account.api_key)
        headers = {"accept": "application/json", "accept-encoding": "identity", name: value}
        if poll.body:
            headers["content-type"] = "application/json"
        url = target.url(surface, poll.path, b"")
        response = await self._upstream.open(poll.method, url, headers, poll.body)
        try:
            if not is_success(response.status):
                # Also 404: right after its creation a provider may not know a job yet.
                _log.warning("%s answered a poll with %d", target.slug, response.status)
                return False
            size_bytes = 0
            while piece := await response.read():
                size_bytes += len(piece)
                if size_bytes > BODY_BYTES_MAX:
                    raise BrokenAnswer(f"an answer of more than {BODY_BYTES_MAX} bytes")
                take(piece)
            return True
        finally:
            response.close()

    async def _end(self, job: Job, outcome: Outcome, now_ms: int) -> None:
        if isinstance(outcome, Done):
            await self._settle(job, outcome, now_ms)
        elif isinstance(outcome, Failed):
            await self._charges.release(job.hold_id, job.hold_token)
        else:
            await self._renew(job, outcome, now_ms)

    async def _settle(self, job: Job, done: Done, now_ms: int) -> None:
        reading = done.reading
        request_id = reading.provider_request_id or job.object_id
        settle = Settle(
            hold_id=job.hold_id,
            hold_token=job.hold_token,
            units=unit_counts(reading.units),
            variants=reading.variants,
            settled_by=reading.basis,
            status=EVENT_STATUS_UPSTREAM_BROKEN if done.cut else EVENT_STATUS_COMPLETED,
            model=reading.model,
            provider_request_id=request_id[:PROVIDER_REQUEST_ID_CHARACTERS_MAX],
            http_status=200,
            latency_ms=max(0, now_ms - job.created_at_ms),
            reasoning_tokens=reading.reasoning_tokens,
        )
        try:
            await self._charges.durable(self._charges.begin(settle))
        except NotDurableError:
            _log.warning("the charge of hold %s is polled for again", job.hold_id.hex())

    async def _renew(self, job: Job, pending: Pending, now_ms: int) -> None:
        renewal = RenewJob(
            hold_id=job.hold_id,
            hold_token=job.hold_token,
            attempt=job.attempt,
            next_poll_ms=next_poll_ms(now_ms - job.created_at_ms),
            units=unit_counts(pending.so_far.units),
            variants=pending.so_far.variants,
        )
        try:
            result = await self._link.submit(Operation(renew_job=renewal), RENEW_WAIT_S)
        except LinkAwayError:
            # Its lease ends by itself.
            return
        if result.HasField("error"):
            _log.info("job of hold %s: %s", job.hold_id.hex(), result.error.message)


def next_poll_ms(age_ms: int) -> int:
    """How long to leave a job of this age alone."""
    return min(max(age_ms // POLL_AGE_DIVISOR, POLL_MS_MIN), POLL_MS_MAX)
