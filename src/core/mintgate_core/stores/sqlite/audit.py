"""The invariants of the books over the embedded store."""

from __future__ import annotations

import sqlite3

from mintgate_core.stores.audit_queries import (
    CHARGES,
    RECOMPUTE_TITLE,
    Dialect,
    Query,
    queries,
    recompute,
)
from mintgate_core.stores.base import Check

SQLITE = Dialect(
    line_ids="json_each({table}.line_ids) x",
    hex="hex({})",
    kinds="group_concat(kind)",
    greatest="max",
)


def audit(connection: sqlite3.Connection) -> list[Check]:
    """Run every check in the caller's snapshot."""
    checks = [
        _check(connection, number, query) for number, query in enumerate(queries(SQLITE), start=1)
    ]
    count, findings = recompute(connection.execute(CHARGES))
    checks.append(Check(len(checks) + 1, RECOMPUTE_TITLE, count, tuple(findings)))
    return checks


def _check(connection: sqlite3.Connection, number: int, query: Query) -> Check:
    title, table, findings = query
    (count,) = connection.execute(f"select count(*) from {table}").fetchone()
    return Check(number, title, count, tuple(row[0] for row in connection.execute(findings)))
