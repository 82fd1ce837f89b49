"""Pages of charges: right whatever is asked for, and read along one index without a sort."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

import pytest
from mintgate_core.ledger.types import ChargeDetail
from mintgate_core.stores.base import EventQuery
from mintgate_core.stores.columns import DETAIL_COLUMNS
from mintgate_core.stores.event_queries import events_statement
from mintgate_core.stores.postgres import PostgresStore, sql
from mintgate_core.stores.postgres.session import Session
from mintgate_core.stores.sqlite import SqliteStore

from tests.core.stores.broken_books import Books

FILLED = 3_000
STEP_MS = 60_000
"""Between two charges; the slack of `DISORDER_MS` is a few of them."""

KEYS = 3


async def fill(books: Books) -> list[ChargeDetail]:
    """A charge of the product's own and its copies, of a few keys; all of them, oldest first."""
    await books.spend()
    copied = {
        "seq": "seq + i",
        "at": f"at + i / 2 * 2 * {STEP_MS}",
        "key_id": f"'key_' || (i % {KEYS})",
    }
    values = ", ".join(copied.get(name, name) for name in DETAIL_COLUMNS.split(", "))
    books.damage(
        f"insert into charge_detail ({DETAIL_COLUMNS})"  # noqa: S608 - constants
        f" with recursive n(i) as (select 100 union all select i + 1 from n where i < {FILLED})"
        f" select {values} from charge_detail, n"
        " where seq = (select min(seq) from charge_detail)"
    )
    books.execute("analyze")
    found: list[ChargeDetail] = []
    while page := await books.store.events(
        EventQuery(
            books.tenant.account.wallet_id,
            after_seq=found[-1].seq if found else 0,
            ascending=True,
            limit=1_000,
        )
    ):
        found += page
    assert len(found) > FILLED - 100
    return found


def queries(charges: list[ChargeDetail], count: int) -> list[EventQuery]:
    """Questions of every kind, about random places in the books."""
    dice = random.Random(20_271_126)  # noqa: S311 - places, not a secret.
    wallet_id, last = charges[0].wallet_id, len(charges) - 1

    def seq() -> int:
        return dice.choice([0, charges[dice.randint(0, last)].seq + dice.randint(-1, 1)])

    def at_ms() -> int:
        return dice.choice([0, charges[dice.randint(0, last)].at_ms + dice.randint(-1, 1)])

    return [
        EventQuery(
            wallet_id,
            key_id=dice.choice(["", "key_0", "key_1"]),
            from_ms=at_ms(),
            to_ms=at_ms(),
            before_seq=seq(),
            after_seq=seq(),
            limit=dice.choice([1, 7, 100]),
            ascending=dice.random() < 0.5,
        )
        for _ in range(count)
    ]


def expected(query: EventQuery, charges: list[ChargeDetail]) -> list[ChargeDetail]:
    """The same page by looking at every charge."""
    found = [
        one
        for one in charges
        if query.key_id in ("", one.subject.key_id)
        and one.at_ms >= query.from_ms
        and (not query.to_ms or one.at_ms < query.to_ms)
        and (not query.before_seq or one.seq < query.before_seq)
        and one.seq > query.after_seq
    ]
    ascending = query.ascending or query.after_seq
    return (found if ascending else found[::-1])[: query.limit]


async def test_any_question_gets_its_page(books: Books) -> None:
    """Spans, cursors, keys and orders in any combination give what looking at all would."""
    charges = await fill(books)
    for query in queries(charges, 200):
        assert await books.store.events(query) == expected(query, charges), query


async def test_charges_out_of_order_by_minutes_are_listed(books: Books) -> None:
    """A charge whose time lies minutes before the one ahead of it is in its span all the same."""
    charges = await fill(books)
    one = charges[FILLED // 2]
    books.damage(f"update charge_detail set at = at - 5 * 60000 where seq = {one.seq}")  # noqa: S608 - numbers
    at_ms = one.at_ms - 5 * 60_000
    query = EventQuery(one.wallet_id, from_ms=at_ms, to_ms=at_ms + 1)
    assert one.seq in {found.seq for found in await books.store.events(query)}


async def explained(store: SqliteStore | PostgresStore, query: EventQuery) -> str:
    """The plan of a page, with the settings that the store reads it with."""
    if isinstance(store, SqliteStore):
        statement, values = events_statement(query, "?")
        found = await store._read(
            lambda c: c.execute(f"explain query plan {statement}", values).fetchall()
        )
    else:
        statement, values = events_statement(query, "%s")
        explain = (f"explain {statement}", values)

        async def work(session: Session) -> list[Any]:
            walk = [*session.beginning(), (sql.WALK, ()), explain, ("commit", ())]
            return (await session.batch(walk))[-2]

        found = await store._read(work)
    return "\n".join(str(row[-1]) for row in found)


@pytest.mark.parametrize("key_id", ["", "key_1"])
async def test_pages_are_read_without_a_sort(books: Books, key_id: str) -> None:
    """Whatever is asked for, the plan walks the index of numbers from where the page begins."""
    charges = await fill(books)
    embedded = isinstance(books.store, SqliteStore)
    sort = "TEMP B-TREE" if embedded else "Sort"
    index = "charge_of_key" if key_id else "PRIMARY KEY" if embedded else "charge_detail_pkey"
    for query in (replace(one, key_id=key_id) for one in queries(charges, 60)):
        plan = await explained(books.store, query)
        assert sort not in plan, plan
        assert index in plan, plan
        if query.from_ms or query.to_ms or query.before_seq or query.after_seq:
            bound = "seq[<>]" if embedded else r"Index Cond: .*seq [<>]"
            assert re.search(bound, plan), plan
