"""Whose the objects at providers are, in PostgreSQL.

Whoever changes a key's objects locks the row that counts them, in order of the keys, and
reads everything else in later statements. Two keys that record one object at once hold
different locks: there the primary key decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from typing import Protocol

from mintgate_core.ledger.errors import LedgerError
from mintgate_core.stores import rows
from mintgate_core.stores.columns import OBJECT_COLUMNS
from mintgate_core.stores.objects import Name, NewObject, OwnedObject, decide_records
from mintgate_core.stores.postgres import sql
from mintgate_core.stores.postgres.arrays import Array, bigints, columns, texts
from mintgate_core.stores.postgres.ledger import Times
from mintgate_core.stores.postgres.pool import T, Work
from mintgate_core.stores.postgres.session import Session

_NAMES = "unnest(%s::text[], %s::text[], %s::text[]) as d (provider, object_kind, object_id)"
_NAMED = "d.provider = o.provider and d.object_kind = o.object_kind and d.object_id = o.object_id"
_LASTING = "(expires_at = 0 or expires_at > %s)"

ADD_COUNTS = (
    "insert into object_count (key_id, n) select k, 0 from unnest(%s::text[]) as d (k)"
    " on conflict do nothing"
)
LOCK_COUNTS = "select key_id, n from object_count where key_id = any(%s) order by key_id for update"
SET_COUNTS = (
    "update object_count t set n = d.n from unnest(%s::bigint[], %s::text[]) as d (n, key_id)"
    " where t.key_id = d.key_id"
)
COUNT = "select n from object_count where key_id = %s"
INSERT = sql.ADD_OBJECTS + " returning provider, object_kind, object_id"
CHANGE = (
    "update owned_object o set note = d.note, expires_at = d.expires_at"
    " from unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[])"
    f" as d (note, expires_at, provider, object_kind, object_id) where {_NAMED}"
)
BY_NAME = (
    f"select {', '.join('o.' + c for c in OBJECT_COLUMNS.split(', '))}"
    f" from owned_object o join {_NAMES} on {_NAMED}"
)
DELETE = (
    f"delete from owned_object o using {_NAMES} where {_NAMED} and o.key_id || '' = any(%s)"
    " and (%s::bigint = 0 or (o.expires_at > 0 and o.expires_at <= %s))"
    " returning o.key_id, o.counted"
)
"""With a time, only what is over by then: its key may have set a later one meanwhile. The key is
an expression, so that a plan made while a key had few objects never reads all of them by it."""
OVER = (
    f"select {OBJECT_COLUMNS} from owned_object where expires_at > 0 and expires_at <= %s"
    " order by expires_at limit %s"
)
_OF_KEY = (
    f"select {OBJECT_COLUMNS} from owned_object where key_id = %s and provider = %s"
    f" and object_kind = %s and {_LASTING}"
)
NEWEST_FIRST = (
    _OF_KEY + " and (created_at, object_id) < (%s, %s::text)"
    " order by created_at desc, object_id desc limit %s"
)
OLDEST_FIRST = (
    _OF_KEY + " and (created_at, object_id) > (%s, %s::text)"
    " order by created_at, object_id limit %s"
)


class Run(Protocol):
    """Runs a transaction, again where that may help."""

    def __call__(self, work: Work[T]) -> Awaitable[T]:
        """Return what the work returns."""


class PostgresObjects:
    """See `stores.objects.ObjectBook` for the methods."""

    def __init__(self, write: Run, read: Run, times: Times) -> None:
        self._write = write
        self._read = read
        self._times = times

    async def record(self, objects: Sequence[NewObject], most: int) -> list[LedgerError | None]:
        return await self._write(lambda s: _record(s, self._times, objects, most))

    async def owned(
        self, key_id: str, provider: str, names: Sequence[tuple[str, str]]
    ) -> list[OwnedObject]:
        async def work(session: Session) -> list[OwnedObject]:
            wanted = [(provider, *name) for name in names]
            read, now_ms = await _now_and(session, self._times, BY_NAME, _name_arrays(wanted))
            return [
                one
                for one in map(rows.owned_object, read)
                if one.key_id == key_id and (not one.expires_at_ms or one.expires_at_ms > now_ms)
            ]

        return await self._read(work) if names else []

    async def of_key(
        self,
        key_id: str,
        provider: str,
        kind: str,
        *,
        after: tuple[int, str],
        oldest_first: bool,
        limit: int,
    ) -> list[OwnedObject]:
        statement = OLDEST_FIRST if oldest_first else NEWEST_FIRST

        async def work(session: Session) -> list[OwnedObject]:
            ((database_ms, timeline),) = await session.query(session.now)
            now_ms = self._times(database_ms, timeline)
            values = [key_id, provider, kind, now_ms, *after, limit]
            return [rows.owned_object(row) for row in await session.query(statement, values)]

        return await self._read(work)

    async def count(self, key_id: str) -> int:
        found = await self._read(lambda s: s.query(COUNT, [key_id]))
        return int(found[0][0]) if found else 0

    async def forget(self, key_id: str, provider: str, names: Sequence[tuple[str, str]]) -> int:
        async def work(session: Session) -> int:
            await session.batch(session.beginning())
            return await _remove(session, [key_id], [(provider, *name) for name in names])

        return await self._write(work)

    async def sweep(self, limit: int) -> int:
        async def work(session: Session) -> int:
            opened = await session.batch([*session.beginning(), (session.now, ())])
            now_ms = self._times(*opened[-1][0])
            over = [rows.owned_object(row) for row in await session.query(OVER, [now_ms, limit])]
            key_ids = {one.key_id for one in over}
            return await _remove(session, key_ids, [one.name for one in over], over_ms=now_ms)

        return await self._write(work)


async def _record(
    session: Session, times: Times, objects: Sequence[NewObject], most: int
) -> list[LedgerError | None]:
    names = [(one.provider, one.kind, one.object_id) for one in objects]
    key_ids = texts(sorted({one.key_id for one in objects}))
    results = await session.batch(
        [
            *session.beginning(),
            (ADD_COUNTS, [key_ids]),
            (LOCK_COUNTS, [key_ids]),
            (BY_NAME, _name_arrays(names)),
            (session.now, ()),
        ]
    )
    counts, found, now = results[-3:]
    records = decide_records(
        objects,
        {one.name: one for one in map(rows.owned_object, found)},
        {row[0]: row[1] for row in counts},
        most,
        times(*now[0]),
    )
    if records.new:
        # In one order everywhere, so that two who add the same objects wait for each other
        # and never in a circle.
        added = sorted(map(rows.object_row, records.new.values()))
        arrays = columns(sql.kinds(OBJECT_COLUMNS), added)
        inserted = {(row[0], row[1], row[2]) for row in await session.query(INSERT, arrays)}
        records.lose(set(records.new) - inserted, objects)
    statements: list[tuple[str, Sequence[object]]] = []
    if records.changed:
        kinds = sql.kinds("note, expires_at, provider, object_kind, object_id")
        changed = columns(kinds, map(rows.changed_object, records.changed.values()))
        statements.append((CHANGE, changed))
    await session.commit([*statements, (SET_COUNTS, _count_arrays(records.counts))])
    return records.answers


async def _remove(
    session: Session, key_ids: Iterable[str], names: Sequence[Name], *, over_ms: int = 0
) -> int:
    """Delete these objects of these keys, count them down, and commit."""
    keys = texts(sorted(key_ids))
    # Of a key whose objects were never counted the row is made, so that there is a lock.
    locked = await session.batch([(ADD_COUNTS, [keys]), (LOCK_COUNTS, [keys])])
    counts = {row[0]: row[1] for row in locked[-1]}
    deleted = await session.query(DELETE, [*_name_arrays(names), keys, over_ms, over_ms])
    for key_id, number in Counter(row[0] for row in deleted if row[1]).items():
        counts[key_id] -= number
    await session.commit([(SET_COUNTS, _count_arrays(counts))])
    return len(deleted)


async def _now_and(
    session: Session, times: Times, statement: str, values: Sequence[object]
) -> tuple[list[tuple[object, ...]], int]:
    """Rows of a statement and the time at which they were read, in one round trip."""
    read, now = await session.batch([(statement, values), (session.now, ())])
    return read, times(*now[0])


def _name_arrays(names: Iterable[Name]) -> list[Array]:
    # Twice the same name would come back twice.
    unique = sorted(set(names))
    return [texts([name[place] for name in unique]) for place in range(3)]


def _count_arrays(counts: dict[str, int]) -> list[Array]:
    return [bigints(list(counts.values())), texts(list(counts))]
