"""The invariants of the books over PostgreSQL, in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from mintgate_core.stores.audit_jobs import of_jobs, of_objects
from mintgate_core.stores.audit_queries import (
    RECOMPUTE_TITLE,
    Found,
    Query,
    charges,
    counting,
    of_checkpoints,
    of_days,
    queries,
    recompute,
)
from mintgate_core.stores.audit_scope import (
    CHECKPOINT_COLUMNS,
    CLEAN_FULL_AUDIT,
    CLEAN_FULL_AUDIT_AT,
    MOVED,
    WHOLE,
    Dialect,
    Scope,
    fresh,
)
from mintgate_core.stores.audited import Audited, Checkpoint
from mintgate_core.stores.postgres import sql
from mintgate_core.stores.postgres.arrays import columns
from mintgate_core.stores.postgres.session import Session

POSTGRES = Dialect(
    line_ids="json_array_elements_text({table}.line_ids::json) as x (value)",
    hex="upper(encode({}, 'hex'))",
    kinds="string_agg(cast(kind as text), ',')",
    greatest="greatest",
    # `offset 0` keeps the planner from turning this into a join of whole tables.
    each="cross join lateral (select * from {table} {alias} where {on} offset 0) {alias}",
)

AUDIT_S = 600.0
"""How long an audit may take; its statements have no time limit of their own."""

UNTIMED = "set local statement_timeout = 0"

READ_ONLY = "select current_setting('transaction_read_only')"
"""Outside a transaction of ours: `on` on a standby, which can be audited but keeps no notes."""

READING_ALL = "set local enable_seqscan = on"
"""An audit of everything reads whole tables; one of what is new never does."""

CHARGES_A_PAGE = 5_000

FETCH_CHARGES = f"fetch {CHARGES_A_PAGE} from charge"


async def audit(session: Session, *, full: bool) -> Audited:
    """Run every check in one read-only snapshot, which waits for nobody and stops nobody."""
    ((read_only,),) = await session.query(READ_ONLY)
    await session.batch(session.beginning("repeatable read, read only"))
    await session.execute(UNTIMED)
    if full:
        await session.execute(READING_ALL)
    scope = WHOLE if full else fresh(POSTGRES)
    audited = Audited(writable=read_only == "off")
    for query in queries(POSTGRES, scope):
        await _check(session, query, audited)
    await _recompute(session, scope, audited)
    await _check(session, of_jobs(POSTGRES), audited)
    if full:
        await _check(session, of_objects(), audited)
        await _check(session, of_checkpoints(POSTGRES), audited)
        await _check(session, of_days(), audited)
    else:
        audited.moved(await session.query(MOVED))
    await session.execute("commit")
    return audited


async def _check(session: Session, query: Query, audited: Audited) -> None:
    ((count,),) = await session.query(counting(query))
    audited.add(query.title, count, await session.query(query.findings))


async def _recompute(session: Session, scope: Scope, audited: Audited) -> None:
    """A page of charges at a time, so that millions of them fit the memory."""
    await session.execute(f"declare charge cursor for {charges(scope)}")
    count = 0
    findings: list[Found] = []
    while page := await session.query(FETCH_CHARGES):
        counted, found = recompute(page)
        count += counted
        findings += found
    audited.add(RECOMPUTE_TITLE, count, findings)


async def keep(session: Session, checkpoints: Sequence[Checkpoint]) -> None:
    """Move checkpoints forward."""
    arrays = columns(sql.kinds(CHECKPOINT_COLUMNS), checkpoints)
    await _write(session, sql.KEEP_CHECKPOINTS, arrays)


async def note_clean(session: Session, now_ms: int) -> None:
    """Remember when everything was last found in order."""
    await _write(session, sql.NOTE_CLEAN_AUDIT, [CLEAN_FULL_AUDIT, now_ms])


async def _write(session: Session, statement: str, values: Sequence[object]) -> None:
    await session.batch(session.beginning())
    await session.commit([(statement, values)])


async def clean_full_audit_ms(session: Session) -> int:
    """When everything was last found in order; 0: never."""
    found = await session.query(CLEAN_FULL_AUDIT_AT)
    return int(found[0][0]) if found else 0
