"""The invariants of the books over the embedded store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from mintgate_core.stores.audit_jobs import of_jobs, of_objects
from mintgate_core.stores.audit_queries import (
    RECOMPUTE_TITLE,
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
    ONLY_FORWARDS,
    WAS_CLEAN,
    WHOLE,
    Dialect,
    fresh,
)
from mintgate_core.stores.audited import Audited, Checkpoint

SQLITE = Dialect(
    line_ids="json_each({table}.line_ids) x",
    hex="hex({})",
    kinds="group_concat(kind)",
    greatest="max",
    # A cross join is never reordered.
    each="cross join {table} {alias} on {on}",
)

KEEP = f"insert into audit_checkpoint ({CHECKPOINT_COLUMNS}) values (?, ?, ?, ?) {ONLY_FORWARDS}"
NOTE = f"insert into audit_run (kind, at) values ({CLEAN_FULL_AUDIT}, ?) {WAS_CLEAN}"


def audit(connection: sqlite3.Connection, *, full: bool) -> Audited:
    """Run every check in the caller's snapshot."""
    scope = WHOLE if full else fresh(SQLITE)
    audited = Audited()
    for query in queries(SQLITE, scope):
        _check(connection, query, audited)
    count, found = recompute(connection.execute(charges(scope)))
    audited.add(RECOMPUTE_TITLE, count, found)
    _check(connection, of_jobs(SQLITE), audited)
    if full:
        _check(connection, of_objects(), audited)
        _check(connection, of_checkpoints(SQLITE), audited)
        _check(connection, of_days(), audited)
    else:
        audited.moved(connection.execute(MOVED))
    return audited


def _check(connection: sqlite3.Connection, query: Query, audited: Audited) -> None:
    (count,) = connection.execute(counting(query)).fetchone()
    audited.add(query.title, count, connection.execute(query.findings))


def keep(connection: sqlite3.Connection, checkpoints: Sequence[Checkpoint]) -> None:
    """Move checkpoints forward, inside the caller's transaction."""
    connection.executemany(KEEP, checkpoints)


def note_clean(connection: sqlite3.Connection, now_ms: int) -> None:
    """Remember when everything was last found in order, inside the caller's transaction."""
    connection.execute(NOTE, (now_ms,))


def clean_full_audit_ms(connection: sqlite3.Connection) -> int:
    """When that was; 0: never."""
    found = connection.execute(CLEAN_FULL_AUDIT_AT).fetchone()
    return int(found[0]) if found else 0
