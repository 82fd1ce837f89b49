"""Whose the objects at providers are, in the embedded store."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from mintgate_core.clock import Clock
from mintgate_core.ledger.errors import LedgerError
from mintgate_core.stores import rows
from mintgate_core.stores.columns import OBJECT_COLUMNS
from mintgate_core.stores.objects import Name, NewObject, OwnedObject, decide_records
from mintgate_core.stores.sqlite import sql

INSERT = sql.insert("owned_object", OBJECT_COLUMNS)
CHANGE = (
    "update owned_object set note = ?, expires_at = ?"
    " where provider = ? and object_kind = ? and object_id = ?"
)
BY_NAME = (
    f"select {OBJECT_COLUMNS} from owned_object"
    " where provider = ? and object_kind = ? and object_id = ?"
)
DELETE = "delete from owned_object where provider = ? and object_kind = ? and object_id = ?"
SET_COUNT = (
    "insert into object_count (key_id, n) values (?, ?)"
    " on conflict (key_id) do update set n = excluded.n"
)
LOWER_COUNT = "update object_count set n = n - 1 where key_id = ?"
OVER = (
    f"select {OBJECT_COLUMNS} from owned_object where expires_at > 0 and expires_at <= ?"
    " order by expires_at limit ?"
)
_OF_KEY = (
    f"select {OBJECT_COLUMNS} from owned_object where key_id = ? and provider = ?"
    " and object_kind = ? and (expires_at = 0 or expires_at > ?)"
)
NEWEST_FIRST = (
    _OF_KEY + " and (created_at, object_id) < (?, ?)"
    " order by created_at desc, object_id desc limit ?"
)
OLDEST_FIRST = (
    _OF_KEY + " and (created_at, object_id) > (?, ?) order by created_at, object_id limit ?"
)

T = TypeVar("T")


class Run(Protocol):
    """Runs work in a transaction on a thread of the store's."""

    def __call__(self, work: Callable[[sqlite3.Connection], T]) -> Awaitable[T]:
        """Return what the work returns, once it is committed."""


class SqliteObjects:
    """See `stores.objects.ObjectBook` for the methods."""

    def __init__(self, write: Run, read: Run, clock: Clock) -> None:
        self._write = write
        self._read = read
        self._clock = clock

    async def record(self, objects: Sequence[NewObject], most: int) -> list[LedgerError | None]:
        return await self._write(lambda c: _record(c, objects, most, self._clock()))

    async def owned(
        self, key_id: str, provider: str, names: Sequence[tuple[str, str]]
    ) -> list[OwnedObject]:
        now_ms = self._clock()

        def work(connection: sqlite3.Connection) -> list[OwnedObject]:
            found = _by_name(connection, [(provider, *name) for name in names])
            return [
                one
                for one in found
                if one.key_id == key_id and (not one.expires_at_ms or one.expires_at_ms > now_ms)
            ]

        return await self._read(work)

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
        values = (key_id, provider, kind, self._clock(), *after, limit)
        return await self._read(
            lambda c: [rows.owned_object(row) for row in c.execute(statement, values)]
        )

    async def count(self, key_id: str) -> int:
        return await self._read(lambda c: _counts(c, [key_id]).get(key_id, 0))

    async def forget(self, key_id: str, provider: str, names: Sequence[tuple[str, str]]) -> int:
        def work(connection: sqlite3.Connection) -> int:
            found = _by_name(connection, [(provider, *name) for name in names])
            return _remove(connection, [one for one in found if one.key_id == key_id])

        return await self._write(work)

    async def sweep(self, limit: int) -> int:
        values = (self._clock(), limit)
        return await self._write(
            lambda c: _remove(c, [rows.owned_object(row) for row in c.execute(OVER, values)])
        )


def _record(
    connection: sqlite3.Connection, objects: Sequence[NewObject], most: int, now_ms: int
) -> list[LedgerError | None]:
    """Nobody else can write meanwhile, so nothing that was decided can be lost."""
    names = [(one.provider, one.kind, one.object_id) for one in objects]
    found = {one.name: one for one in _by_name(connection, names)}
    counts = _counts(connection, {one.key_id for one in objects})
    records = decide_records(objects, found, counts, most, now_ms)
    connection.executemany(INSERT, map(rows.object_row, records.new.values()))
    connection.executemany(CHANGE, map(rows.changed_object, records.changed.values()))
    connection.executemany(SET_COUNT, records.counts.items())
    return records.answers


def _by_name(connection: sqlite3.Connection, names: Iterable[Name]) -> list[OwnedObject]:
    found: list[Any] = [connection.execute(BY_NAME, name).fetchone() for name in set(names)]
    return [rows.owned_object(row) for row in found if row]


def _counts(connection: sqlite3.Connection, key_ids: Iterable[str]) -> dict[str, int]:
    return {row[0]: row[1] for row in sql.rows_by(connection, sql.OBJECT_COUNT, key_ids)}


def _remove(connection: sqlite3.Connection, objects: Sequence[OwnedObject]) -> int:
    connection.executemany(DELETE, [one.name for one in objects])
    connection.executemany(LOWER_COUNT, [(one.key_id,) for one in objects if one.counted])
    return len(objects)
