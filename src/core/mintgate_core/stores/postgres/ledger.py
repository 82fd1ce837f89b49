"""One batch against PostgreSQL: lock, read, decide, write, in two round trips.

The order of the statements is what makes it right. The wallets' rows are locked by a
statement of their own, in order of their ids; everything else is read by later
statements, which see what the holders of the lock before us committed. At READ
COMMITTED a single statement would read the rest as it was before it waited.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mintgate_core.ledger.books import Books, Needs
from mintgate_core.ledger.decide import decide
from mintgate_core.ledger.operations import Answer, Operation
from mintgate_core.ledger.types import Entry, Hold, JournalKind, Key
from mintgate_core.stores import rows
from mintgate_core.stores.columns import (
    DETAIL_COLUMNS,
    HOLD_COLUMNS,
    JOB_COLUMNS,
    JOURNAL_COLUMNS,
    LINE_COLUMNS,
    OBJECT_COLUMNS,
    USAGE_HOUR_COLUMNS,
)
from mintgate_core.stores.objects import recorded
from mintgate_core.stores.postgres import sql
from mintgate_core.stores.postgres.arrays import bigints, blobs, columns, texts
from mintgate_core.stores.postgres.session import Session
from mintgate_core.stores.postgres.wire import Statement

HINTS_MAX = 65_536
"""Keys and holds whose lines are remembered; about 10 MB."""

Times = Callable[[int, int], int]
"""The store's clock: takes the database's time and timeline, returns the time to write."""


class Hints:
    """Which lines a key or a hold draws on, as last seen.

    Lines are read after the keys and holds that name them, which would take a third
    round trip. With a guess they are read in the same one; what the guess left out is
    read by a further statement, so that a wrong one costs time and nothing else.
    """

    def __init__(self) -> None:
        self._lines: OrderedDict[str | bytes, tuple[int, ...]] = OrderedDict()

    def guess(self, names: Iterable[str | bytes]) -> set[int]:
        """Lines that these keys and holds probably draw on."""
        return {line_id for name in names for line_id in self._lines.get(name, ())}

    def remember(self, keys: Iterable[Key], holds: Iterable[Hold]) -> None:
        """Take note of what was read or made."""
        for key in keys:
            self._put(key.key_id, key.all_line_ids)
        for hold in holds:
            self._put(hold.hold_id, hold.line_ids)
        while len(self._lines) > HINTS_MAX:
            self._lines.popitem(last=False)

    def _put(self, name: str | bytes, line_ids: tuple[int, ...]) -> None:
        self._lines[name] = line_ids
        self._lines.move_to_end(name)


async def apply(
    session: Session, hints: Hints, times: Times, operations: Sequence[Operation]
) -> list[Answer]:
    """Decide a batch in one transaction."""
    books = await load(session, hints, times, Needs.of(operations))
    answers = decide(books, operations)
    if books.changed:
        await session.commit(writes(books))
    else:
        await session.rollback()
    hints.remember(books.keys.values(), books.new_holds.values())
    return answers


async def load(session: Session, hints: Hints, times: Times, needs: Needs) -> Books:
    """Begin, lock the wallets, and then read everything that a batch may touch."""
    wallet_ids = sorted(needs.wallet_ids)
    guessed = needs.line_ids | hints.guess(needs.key_ids) | hints.guess(needs.operation_ids)
    guessed -= needs.wallet_ids
    operation_ids = blobs(list(needs.operation_ids))
    begin = session.beginning()
    statements: list[Statement] = [
        *begin,
        (sql.LOCK_WALLETS, [bigints(wallet_ids)]),
        # Behind the lock, so that it is the time at which it was got.
        (session.now, ()),
        (sql.HOLDS_BY_ID, [operation_ids]),
        (sql.ENTRIES_BY_ID, [operation_ids]),
    ]
    if needs.key_ids:
        statements.append((sql.KEYS_BY_ID, [texts(list(needs.key_ids))]))
    if guessed:
        statements.append((sql.LINES_BY_ID, [bigints(list(guessed))]))
    wallets, now, hold_rows, entry_rows, *others = (await session.batch(statements))[len(begin) :]
    key_rows = others.pop(0) if needs.key_ids else []
    line_rows = others.pop(0) if guessed else []
    keys = {row[0]: rows.key(row) for row in key_rows}
    holds = {row[0]: rows.hold(row) for row in hold_rows}
    entries: dict[bytes, dict[JournalKind, Entry]] = {}
    for row in entry_rows:
        entry = rows.entry(row)
        entries.setdefault(entry.operation_id, {})[entry.kind] = entry
    jobs = {}
    if needs.job_ids:
        locked = await session.query(sql.JOBS_BY_ID, [blobs(list(needs.job_ids))])
        jobs = {row[0]: rows.job(row) for row in locked}
    lines = {row[0]: rows.line(row) for row in (*wallets, *line_rows)}
    missing = Books.lines_to_load(needs, keys.values(), holds.values()) - guessed
    missing -= needs.wallet_ids
    if missing:
        further = await session.query(sql.LINES_BY_ID, [bigints(list(missing))])
        lines.update((row[0], rows.line(row)) for row in further)
    return Books(
        now_ms=times(*now[0]), lines=lines, keys=keys, holds=holds, entries=entries, jobs=jobs
    )


def writes(books: Books) -> list[Statement]:
    """What a batch changed: at most one statement for each table and way of changing it."""
    statements: list[Statement] = []

    def add(statement: str, names: str, changed: Iterable[Sequence[Any]]) -> None:
        if found := list(changed):
            statements.append((statement, columns(sql.kinds(names), found)))

    add(sql.INSERT_LINES, LINE_COLUMNS, map(rows.line_row, books.new_lines.values()))
    add(
        sql.ENTER_WINDOWS,
        f"{sql.ENTERED_WINDOW_COLUMNS}, key_id",
        map(rows.entered_window, books.changed_keys.values()),
    )
    add(
        sql.UPDATE_LINES,
        f"{sql.CHANGED_LINE_COLUMNS}, line_id",
        map(rows.changed_line, books.changed_lines.values()),
    )
    add(sql.INSERT_HOLDS, HOLD_COLUMNS, map(rows.hold_row, books.new_holds.values()))
    add(
        sql.UPDATE_HOLDS,
        f"{sql.CHANGED_HOLD_COLUMNS}, hold_id",
        map(rows.changed_hold, books.changed_holds.values()),
    )
    if books.gone_holds:
        statements.append((sql.DELETE_HOLDS, [blobs(list(books.gone_holds))]))
    add(sql.INSERT_JOBS, JOB_COLUMNS, map(rows.job_row, books.new_jobs.values()))
    add(
        sql.UPDATE_JOBS,
        f"{sql.CHANGED_JOB_COLUMNS}, hold_id",
        map(rows.changed_job, books.changed_jobs.values()),
    )
    if books.gone_jobs:
        statements.append((sql.DELETE_JOBS, [blobs(list(books.gone_jobs))]))
    add(sql.INSERT_JOURNAL, JOURNAL_COLUMNS, map(rows.entry_row, books.new_entries))
    add(sql.INSERT_DETAILS, DETAIL_COLUMNS, map(rows.detail_row, books.new_details))
    add(sql.ADD_USAGE_HOURS, USAGE_HOUR_COLUMNS, rows.usage_hours(books.new_details))
    add(sql.ADD_OBJECTS, OBJECT_COLUMNS, map(rows.object_row, recorded(books)))
    return statements
