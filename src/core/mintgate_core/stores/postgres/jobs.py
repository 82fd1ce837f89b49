"""Claims of jobs in PostgreSQL.

A claim locks rows of jobs and nothing else, and passes over what is locked: it never waits,
so it cannot stand in a circle with the transactions that lock a wallet and then its jobs.
"""

from __future__ import annotations

from mintgate_core.stores import rows
from mintgate_core.stores.base import ClaimedJob
from mintgate_core.stores.columns import HOLD_COLUMNS, JOB_COLUMNS
from mintgate_core.stores.postgres import sql
from mintgate_core.stores.postgres.arrays import blobs
from mintgate_core.stores.postgres.ledger import Times
from mintgate_core.stores.postgres.session import Session

TAKE = (
    f"select {JOB_COLUMNS} from job where due_at <= %s order by due_at limit %s"
    " for update skip locked"
)
HOLDS = f"select {HOLD_COLUMNS} from hold where hold_id = any(%s)"
LEASE = "update job set due_at = %s, attempt = attempt + 1 where hold_id = any(%s)"


async def claim(session: Session, times: Times, limit: int, lease_ms: int) -> list[ClaimedJob]:
    """Take due jobs in one transaction."""
    opened = await session.batch([*session.beginning(), (session.now, ())])
    now_ms = times(*opened[-1][0])
    jobs = [rows.job(row) for row in await session.query(TAKE, [now_ms, limit])]
    ids = [job.hold_id for job in jobs]
    # Read after the rows were locked: whoever ends a hold takes its job away with it.
    holds = {row[0]: rows.hold(row) for row in await session.query(HOLDS, [blobs(ids)])}
    # A core of the release before knows no jobs, and may have ended the hold alone.
    orphans = [hold_id for hold_id in ids if hold_id not in holds]
    await session.commit(
        [
            (LEASE, [now_ms + lease_ms, blobs(ids)]),
            (sql.DELETE_JOBS, [blobs(orphans)]),
        ]
    )
    claimed = []
    for job in jobs:
        if job.hold_id in holds:
            job.due_at_ms = now_ms + lease_ms
            job.attempt += 1
            claimed.append(ClaimedJob(job, holds[job.hold_id]))
    return claimed
