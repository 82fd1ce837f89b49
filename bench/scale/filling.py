"""Filling a store by sets: a row that the product itself wrote, copied with other ids.

Everything but the ids is then as real as in the first row, whatever columns a table gets.
The few expressions are such that SQLite and PostgreSQL understand them alike.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from mintgate_core.stores.base import DAY_MS, HOUR_MS
from mintgate_core.stores.columns import (
    DETAIL_COLUMNS,
    KEY_COLUMNS,
    LINE_COLUMNS,
    USAGE_COLUMNS,
    USAGE_DAY_COLUMNS,
    USAGE_HOUR_COLUMNS,
)
from mintgate_core.stores.postgres import PostgresUrl, schema

from bench.stores import POSTGRES_DEFAULTS
from tests.servers.postgres import PostgresServer, running_postgres

CHUNK_ROWS = 1_000_000
"""Rows of one statement: progress can be told, and no transaction is huge."""

FIRST_LINE_ID = 1 << 40
"""Above the line ids that a minute of the product makes, below what 64 bits hold."""

KEY_PREFIX = "key_filled_"
MODELS = 3

OPEN_HOURS = 2
"""Hours at the end of what is filled that no fold would have moved yet."""


@dataclass(frozen=True)
class Place:
    """A store that is filled, and how its engine says what the two say differently."""

    name: str
    url: str
    execute: Callable[[str], None]
    numbers: Callable[[int, int], str]
    """A table `n` whose column `i` counts from one number to another, both included."""
    blob: str
    """Bytes of a text, as a format."""
    server: PostgresServer | None = None


@contextmanager
def sqlite_place() -> Iterator[Place]:
    """An empty file."""
    with tempfile.TemporaryDirectory(prefix="mintgate-scale-") as name:
        path = Path(name) / "books.db"

        def execute(statement: str) -> None:
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute(statement)

        def numbers(first: int, last: int) -> str:
            return (
                f"(with recursive c(i) as (select {first} union all select i + 1 from c"  # noqa: S608 - numbers
                f" where i < {last}) select i from c) n"
            )

        yield Place("sqlite", f"sqlite:///{path}", execute, numbers, "cast({} as blob)")


@contextmanager
def postgres_place() -> Iterator[Place]:
    """An empty, migrated database on a private server with PostgreSQL's defaults."""
    with running_postgres(**POSTGRES_DEFAULTS) as server:
        database = server.create_database()
        url = server.url(database)
        schema.migrate(PostgresUrl.parse(url))

        def execute(statement: str) -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(statement.encode())

        def numbers(first: int, last: int) -> str:
            return f"generate_series({first}, {last}) n(i)"

        yield Place("postgresql", url, execute, numbers, "convert_to({}, 'utf8')", server)


PLACES = {"sqlite": sqlite_place, "postgresql": postgres_place}


def copies(table: str, columns: str, changed: Mapping[str, str], where: str, numbers: str) -> str:
    """A statement that copies one row once a number, with some of its columns changed."""
    values = ", ".join(changed.get(name, f"t.{name}") for name in columns.split(", "))
    return (
        f"insert into {table} ({columns}) select {values} from {table} t, {numbers} where {where}"  # noqa: S608 - constants
    )


def chunks(count: int) -> Iterator[tuple[int, int]]:
    """First and last number of each statement."""
    for first in range(1, count + 1, CHUNK_ROWS):
        yield first, min(count, first + CHUNK_ROWS - 1)


def key_id(number: int) -> str:
    """The id of a filled key."""
    return f"{KEY_PREFIX}{number}"


def fill_keys(place: Place, first: int, last: int, like: str, line_id: int) -> None:
    """Keys with caps of their own, each like a minted one, whose line's id is given."""
    numbers = place.numbers(first, last)
    mine = f"'{KEY_PREFIX}' || n.i"
    key = {
        "key_id": mine,
        "line_ids": f"'[' || ({FIRST_LINE_ID} + n.i) || ']'",
        "secret_sha256": place.blob.format(mine),
    }
    line = {"line_id": f"{FIRST_LINE_ID} + n.i", "key_id": mine}
    place.execute(copies("line", LINE_COLUMNS, line, f"t.line_id = {line_id}", numbers))
    place.execute(copies("api_key", KEY_COLUMNS, key, f"t.key_id = '{like}'", numbers))


def fill_events(
    place: Place, count: int, keys: int, wallet_id: int, from_ms: int, span_ms: int
) -> None:
    """Charges spread evenly over a span, keys and models, with rollups as folds leave them.

    The wallet has one charge already; the filled ones come after it.
    """
    event = {
        "seq": "t.seq + n.i",
        "at": f"{from_ms} + n.i * {span_ms} / {count}",
        "key_id": f"'{KEY_PREFIX}' || (n.i % {keys} + 1)",
        "model": f"'model-' || (n.i % {MODELS})",
    }
    first = f"t.wallet_id = {wallet_id} and t.at < {from_ms}"
    for begin, end in chunks(count):
        numbers = place.numbers(begin, end)
        place.execute(copies("charge_detail", DETAIL_COLUMNS, event, first, numbers))
    columns = USAGE_COLUMNS.split(", ")
    counted = ", ".join(
        "count(*)" if name == "request_count" else f"sum({name})" for name in columns
    )
    open_ms = (from_ms + span_ms) // HOUR_MS * HOUR_MS - OPEN_HOURS * HOUR_MS
    mine = f"wallet_id = {wallet_id}"
    hour, day = f"at / {HOUR_MS} * {HOUR_MS}", f"hour / {DAY_MS} * {DAY_MS}"
    for table, times in (
        ("usage_closed_hour", f"at >= {from_ms} and at < {open_ms}"),
        ("usage_hour", f"at >= {open_ms}"),
    ):
        place.execute(
            f"insert into {table} ({USAGE_HOUR_COLUMNS})"  # noqa: S608 - constants
            f" select wallet_id, {hour}, key_id, provider, model, {counted} from charge_detail"
            f" where {mine} and {times} group by wallet_id, {hour}, key_id, provider, model"
        )
    summed = ", ".join(f"sum({name})" for name in columns)
    place.execute(
        f"insert into usage_day ({USAGE_DAY_COLUMNS})"  # noqa: S608 - constants
        f" select wallet_id, {day}, key_id, provider, model, {summed} from usage_closed_hour"
        f" where {mine} group by wallet_id, {day}, key_id, provider, model"
    )


def analyse(place: Place) -> None:
    """What autovacuum would have done by the time that an installation has so many rows."""
    place.execute("vacuum analyze" if place.server else "analyze")
