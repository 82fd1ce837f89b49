"""Jobs: how a hold stays open while the provider works on after its answer.

The hold of a job lives until the job's deadline, which bounds how long money may be held.
At the deadline it does not expire at once: whoever polls is given the job a last time, since
the exact charge is better than the last estimate. Then it expires like any other hold.
"""

from __future__ import annotations

from mintgate_core.ledger.books import Books
from mintgate_core.ledger.errors import IdReused, LeaseLost, LedgerError, NotFound
from mintgate_core.ledger.limits import JOB_LAST_LOOK_MS, JOB_TTL_MS_MAX
from mintgate_core.ledger.operations import (
    Answer,
    HoldToken,
    Postponed,
    RenewedJob,
    RenewJob,
    StartedJob,
    StartJob,
)
from mintgate_core.ledger.types import Hold, HoldJob, Job, Measured, OnDisconnect


def start_job(books: Books, hold: Hold, op: StartJob) -> Answer:
    """Tie an open hold to a job of the provider, or find again that it is."""
    job = books.jobs.get(op.hold_id)
    if job is not None:
        return _same_job(job, op) or StartedJob(job.deadline_ms, hold.subject.key_id)
    deadline_ms = books.now_ms + op.ttl_ms
    books.start_job(
        Job(
            hold_id=op.hold_id,
            wallet_id=op.wallet_id,
            surface=op.surface,
            operation=op.operation,
            object_id=op.object_id,
            state=op.state,
            due_at_ms=min(books.now_ms + op.first_poll_ms, deadline_ms),
            attempt=0,
            created_at_ms=books.now_ms,
            deadline_ms=deadline_ms,
        )
    )
    hold.job = HoldJob.ALIVE
    hold.expires_at_ms = deadline_ms
    books.keep(hold.subject, op.records)
    _report(books, hold, op.measured)
    return StartedJob(deadline_ms, hold.subject.key_id)


def open_again(books: Books, token: HoldToken) -> Hold:
    """The hold of a token that a failover lost with the last commits.

    Its job goes on at the provider in any case, so it is never refused: what the lines have no
    room for any more is not held, and its charge will be treated as an overrun.
    """
    line_ids = books.known(token.line_ids)
    lines = books.drawn_lines(token.wallet_id, line_ids)
    amount = max(0, min(token.amount_nano_usd, *(line.room for line in lines)))
    books.move(lines, held=amount)
    hold = Hold(
        hold_id=token.hold_id,
        wallet_id=token.wallet_id,
        line_ids=line_ids,
        subject=token.subject,
        amount_nano_usd=amount,
        worst_nano_usd=token.amount_nano_usd,
        output_tokens=0,
        fitted=False,
        reserved_at_ms=books.now_ms,
        expires_at_ms=books.now_ms,
        on_disconnect=OnDisconnect.ABORT,
    )
    books.open(hold)
    return hold


def _same_job(job: Job, op: StartJob) -> LedgerError | None:
    """What differs between a job and a repeat of its start."""
    for field in ("surface", "operation", "object_id"):
        if getattr(job, field) != getattr(op, field):
            return IdReused(f"this hold has a job with another {field}", field=field)
    return None


def renew_job(books: Books, hold: Hold, op: RenewJob) -> Answer:
    """End a claim: report a cost so far, and say when to look again."""
    job = books.jobs.get(op.hold_id)
    if job is None:
        return NotFound("this hold has no job", field="hold_id")
    if op.attempt != job.attempt:
        return LeaseLost("this job was claimed again since", field="attempt")
    if hold.job is HoldJob.ALIVE:
        if op.ttl_ms:
            latest_ms = job.created_at_ms + JOB_TTL_MS_MAX
            wanted_ms = min(books.now_ms + op.ttl_ms, latest_ms)
            job.deadline_ms = max(job.deadline_ms, wanted_ms)
            hold.expires_at_ms = job.deadline_ms
        job.due_at_ms = min(books.now_ms + op.next_poll_ms, job.deadline_ms)
        if job.deadline_ms <= books.now_ms:
            give_last_look(books, hold, job)
    else:
        # It was looked at for the last time.
        job.due_at_ms = job.deadline_ms
    if op.state:
        job.state = op.state
    books.touch_job(job)
    _report(books, hold, op.measured)
    return RenewedJob(
        hold.metered.amount_nano_usd, job.deadline_ms, job.due_at_ms, hold.subject.key_id
    )


def _report(books: Books, hold: Hold, measured: Measured) -> None:
    """Keep the highest cost so far: what an expiry would charge."""
    if measured.amount_nano_usd > hold.metered.amount_nano_usd:
        hold.metered = measured
    books.touch(hold)


def give_last_look(books: Books, hold: Hold, job: Job) -> Postponed:
    """Move the deadline once more and for the last time, so that the job is polled again.

    When it is due stays as it is: at its deadline a job is due in any case, unless somebody
    has it on a lease, and then it is due when that lease ends.
    """
    hold.job = HoldJob.LAST_LOOK
    hold.expires_at_ms = job.deadline_ms = books.now_ms + JOB_LAST_LOOK_MS
    books.touch(hold)
    books.touch_job(job)
    return Postponed(hold.expires_at_ms)


def job_of(books: Books, hold: Hold) -> Job | None:
    """The job that keeps a hold from expiring now, if there is one that may."""
    return books.jobs.get(hold.hold_id) if hold.job is HoldJob.ALIVE else None
