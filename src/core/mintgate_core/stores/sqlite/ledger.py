"""One batch against the embedded store: load under the write lock, decide, write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from mintgate_core.ledger.books import Books, Needs
from mintgate_core.ledger.decide import decide
from mintgate_core.ledger.operations import Answer, Operation
from mintgate_core.ledger.types import Entry, JournalKind
from mintgate_core.stores import rows
from mintgate_core.stores.base import ClaimedJob
from mintgate_core.stores.objects import recorded
from mintgate_core.stores.sqlite import sql


def apply(
    connection: sqlite3.Connection, now_ms: Callable[[], int], operations: Sequence[Operation]
) -> list[Answer]:
    """Decide a batch inside an immediate transaction that the caller opened and will commit.

    `begin immediate` takes the one write lock before anything is read, which is
    what locking the wallet rows is elsewhere: no read here can be stale.
    """
    books = load(connection, now_ms, Needs.of(operations))
    answers = decide(books, operations)
    if books.changed:
        write(connection, books)
    return answers


def load(connection: sqlite3.Connection, now_ms: Callable[[], int], needs: Needs) -> Books:
    """Read everything that a batch may touch."""
    keys = {row[0]: rows.key(row) for row in sql.rows_by(connection, sql.KEY, needs.key_ids)}
    holds = {
        row[0]: rows.hold(row) for row in sql.rows_by(connection, sql.HOLD, needs.operation_ids)
    }
    entries: dict[bytes, dict[JournalKind, Entry]] = {}
    for row in sql.rows_by(connection, sql.ENTRY, needs.operation_ids):
        entry = rows.entry(row)
        entries.setdefault(entry.operation_id, {})[entry.kind] = entry
    line_ids = Books.lines_to_load(needs, keys.values(), holds.values())
    lines = {row[0]: rows.line(row) for row in sql.rows_by(connection, sql.LINE, line_ids)}
    jobs = {row[0]: rows.job(row) for row in sql.rows_by(connection, sql.JOB, needs.job_ids)}
    return Books(now_ms=now_ms(), lines=lines, keys=keys, holds=holds, entries=entries, jobs=jobs)


def claim_jobs(
    connection: sqlite3.Connection, now_ms: int, limit: int, lease_ms: int
) -> list[ClaimedJob]:
    """Take due jobs; the one write lock keeps any other claim away."""
    jobs = [rows.job(row) for row in connection.execute(sql.DUE_JOBS, (now_ms, limit))]
    for job in jobs:
        job.due_at_ms = now_ms + lease_ms
        job.attempt += 1
    leases = [(job.due_at_ms, job.attempt, job.hold_id) for job in jobs]
    connection.executemany(sql.LEASE_JOB, leases)
    ids = [job.hold_id for job in jobs]
    holds = {row[0]: rows.hold(row) for row in sql.rows_by(connection, sql.HOLD, ids)}
    return [ClaimedJob(job, holds[job.hold_id]) for job in jobs]


def write(connection: sqlite3.Connection, books: Books) -> None:
    """Write what a batch changed, one statement a table."""
    connection.executemany(sql.INSERT_LINE, map(rows.line_row, books.new_lines.values()))
    connection.executemany(sql.ENTER_WINDOW, map(rows.entered_window, books.changed_keys.values()))
    connection.executemany(
        sql.UPDATE_LINE,
        map(rows.changed_line, books.changed_lines.values()),
    )
    connection.executemany(sql.INSERT_HOLD, map(rows.hold_row, books.new_holds.values()))
    connection.executemany(
        sql.UPDATE_HOLD,
        map(rows.changed_hold, books.changed_holds.values()),
    )
    connection.executemany(sql.DELETE_HOLD, [(hold_id,) for hold_id in books.gone_holds])
    connection.executemany(sql.INSERT_JOB, map(rows.job_row, books.new_jobs.values()))
    connection.executemany(sql.UPDATE_JOB, map(rows.changed_job, books.changed_jobs.values()))
    connection.executemany(sql.DELETE_JOB, [(hold_id,) for hold_id in books.gone_jobs])
    connection.executemany(sql.INSERT_JOURNAL, map(rows.entry_row, books.new_entries))
    connection.executemany(sql.INSERT_DETAIL, map(rows.detail_row, books.new_details))
    connection.executemany(sql.ADD_USAGE_HOUR, rows.usage_hours(books.new_details))
    connection.executemany(sql.ADD_OBJECT, map(rows.object_row, recorded(books)))
