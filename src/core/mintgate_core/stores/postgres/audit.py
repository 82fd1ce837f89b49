"""The invariants of the books over PostgreSQL, in one snapshot."""

from __future__ import annotations

from mintgate_core.stores.audit_queries import (
    CHARGES,
    RECOMPUTE_TITLE,
    Dialect,
    Query,
    queries,
    recompute,
)
from mintgate_core.stores.base import Check
from mintgate_core.stores.postgres.session import Session

POSTGRES = Dialect(
    line_ids="json_array_elements_text({table}.line_ids::json) as x (value)",
    hex="upper(encode({}, 'hex'))",
    kinds="string_agg(cast(kind as text), ',')",
    greatest="greatest",
)

AUDIT_S = 600.0
"""How long an audit may take; its statements have no time limit of their own."""

UNLIMITED_SETTINGS = ("set local statement_timeout = 0", "set local enable_seqscan = on")
"""An audit reads whole tables, and takes as long as that takes."""

CHARGES_A_PAGE = 5_000

DECLARE_CHARGES = f"declare charge cursor for {CHARGES}"
FETCH_CHARGES = f"fetch {CHARGES_A_PAGE} from charge"


async def audit(session: Session) -> list[Check]:
    """Run every check in one read-only snapshot, which waits for nobody and stops nobody."""
    await session.batch(session.beginning("repeatable read, read only"))
    for setting in UNLIMITED_SETTINGS:
        await session.execute(setting)
    checks = [
        await _check(session, number, query)
        for number, query in enumerate(queries(POSTGRES), start=1)
    ]
    checks.append(await _recompute(session, len(checks) + 1))
    await session.execute("commit")
    return checks


async def _check(session: Session, number: int, query: Query) -> Check:
    title, table, statement = query
    ((count,),) = await session.query(f"select count(*) from {table}")
    findings = await session.query(statement)
    return Check(number, title, count, tuple(str(row[0]) for row in findings))


async def _recompute(session: Session, number: int) -> Check:
    """A page of charges at a time, so that millions of them fit the memory."""
    await session.execute(DECLARE_CHARGES)
    count = 0
    findings: list[str] = []
    while page := await session.query(FETCH_CHARGES):
        counted, found = recompute(page)
        count += counted
        findings += found
    return Check(number, RECOMPUTE_TITLE, count, tuple(findings))
