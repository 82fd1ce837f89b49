"""Folding of usage: rows move once, whole, and whatever else goes on; no answer changes."""

from __future__ import annotations

import asyncio

import pytest
from mintgate_core.ledger.errors import LedgerError, Unavailable
from mintgate_core.stores.base import DAY_MS, HOUR_MS, UsageRow
from mintgate_core.stores.conformance import SettableClock, Tenant, findings
from mintgate_core.stores.postgres import PostgresStore, PostgresUrl, schema, sql
from mintgate_core.stores.usage_parts import UsageTable

from tests.core.stores.broken_books import DAYS, Books, numbers
from tests.servers.postgres import PostgresServer

ALL = 1_000


async def usage(books: Books) -> list[UsageRow]:
    """All there is, in an order of its own."""
    end_ms = books.clock() // DAY_MS * DAY_MS + DAY_MS
    rows = await books.store.usage(
        books.tenant.account.wallet_id, key_id="", from_ms=0, to_ms=end_ms
    )
    return sorted(rows, key=lambda row: (row.key_id, row.model))


def count(books: Books, table: UsageTable) -> int:
    """How many rows a table has."""
    ((rows,),) = books.execute(f"select count(*) from {table.value}")  # noqa: S608 - our table
    return int(rows)


async def test_fold_moves_what_is_due_and_nothing_twice(books: Books) -> None:
    """Hours before the time are moved, later ones stay, and a second fold finds nothing."""
    await books.spend()
    books.clock.advance(2 * HOUR_MS)
    now_hour_ms = books.clock() // HOUR_MS * HOUR_MS
    await books.spend()
    before = await usage(books)
    due = count(books, UsageTable.HOURS)
    assert await books.store.fold_usage(now_hour_ms, 1) == 1
    moved = 1 + await books.store.fold_usage(now_hour_ms, ALL)
    assert await books.store.fold_usage(now_hour_ms, ALL) == 0
    assert count(books, UsageTable.HOURS) == due - moved > 0
    assert count(books, UsageTable.CLOSED_HOURS) == moved
    assert await usage(books) == before
    assert await findings(books.store) == []


async def test_charge_in_a_folded_hour_is_counted(books: Books) -> None:
    """What comes to an hour, a day and a key that were folded is counted at once, and folded."""
    tenant = books.tenant
    await tenant.grant(1_000)
    key = await tenant.mint()
    for folded in range(3):
        await tenant.settle(await tenant.reserve(key, 100), 10)
        (row,) = await usage(books)
        assert (row.usage.request_count, row.usage.charged) == (folded + 1, 10 * (folded + 1))
        assert await books.store.fold_usage(books.clock() + 1, ALL) == 1
        assert await usage(books) == [row]
    assert count(books, UsageTable.CLOSED_HOURS) == count(books, UsageTable.DAYS) == 1
    assert await findings(books.store) == []


async def test_folds_race_with_charges_and_each_other(books: Books) -> None:
    """Folds of the hour that is charged to, several at once, lose and double nothing."""
    tenant = books.tenant
    await tenant.grant(10_000)
    keys = [await tenant.mint() for _ in range(4)]
    tokens = [await tenant.reserve(key, 10) for _ in range(8) for key in keys]
    folds = [books.store.fold_usage(books.clock() + 1, 2) for _ in range(24)]
    settles = [tenant.settle(token, 7) for token in tokens]
    await asyncio.gather(*(one for pair in zip(settles, folds, strict=False) for one in pair))
    await asyncio.gather(*settles[len(folds) :])
    assert sum(row.usage.charged for row in await usage(books)) == 7 * len(tokens)
    assert sum(row.usage.request_count for row in await usage(books)) == len(tokens)
    while await books.store.fold_usage(books.clock() + 1, 3):
        pass
    assert sum(row.usage.charged for row in await usage(books)) == 7 * len(tokens)
    assert await findings(books.store) == []


async def test_fold_that_fails_moves_nothing(books: Books) -> None:
    """A fold is one transaction: where days cannot be written the hours stay as they are."""
    await books.spend()
    rows = count(books, UsageTable.HOURS)
    books.execute("alter table usage_day rename to usage_away")
    with pytest.raises(LedgerError):
        await books.store.fold_usage(books.clock() + 1, ALL)
    books.execute("alter table usage_away rename to usage_day")
    assert count(books, UsageTable.HOURS) == rows
    assert count(books, UsageTable.CLOSED_HOURS) == 0
    assert await books.store.fold_usage(books.clock() + 1, ALL) == rows
    assert await findings(books.store) == []


async def test_release_that_reads_open_hours_alone_is_refused_once_rows_moved(
    postgres: PostgresServer, database: str, clock: SettableClock
) -> None:
    """The migration lets the release before go on; the first fold that moves a row ends that."""
    url = PostgresUrl.parse(postgres.url(database))
    store = await PostgresStore.open(url, clock)
    readable_from = "select readable_from from schema_info"
    try:
        tenant = await Tenant.open(store, balance=100)
        assert await store.fold_usage(clock() + 1, ALL) == 0
        assert postgres.execute(readable_from, database) == [(1,)]
        await tenant.settle(await tenant.reserve(tenant.master, 10), 5)
        assert await store.fold_usage(clock() + 1, ALL) == 1
        assert postgres.execute(readable_from, database) == [(sql.FOLDED_READABLE_FROM,)]
        with pytest.raises(Unavailable, match="upgrade it"):
            schema.check(schema.VERSION, sql.FOLDED_READABLE_FROM, known=5)
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("expected", "statement"),
    [
        ({DAYS}, "update usage_day set charged = charged + 1"),
        ({DAYS}, "update usage_day set latency_ms = latency_ms - 1"),
        ({DAYS}, "delete from usage_day"),
        ({9, DAYS}, "update usage_closed_hour set request_count = request_count + 1"),
        ({9, DAYS}, "delete from usage_closed_hour"),
    ],
)
async def test_damage_to_what_was_folded(books: Books, expected: set[int], statement: str) -> None:
    """A day that is not the sum of its hours is found, and an hour that its charges are not."""
    await books.spend()
    assert await books.store.fold_usage(books.clock() + 1, ALL)
    assert await numbers(books.store, full=True) == set()
    books.damage(statement)
    assert await numbers(books.store, full=True) == expected
    assert await numbers(books.store, full=False) == expected - {DAYS}
