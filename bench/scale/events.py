"""Ten million events: how fast the bill and the drill-down are, and by which plans.

A month of one account: a thousand keys, three models, events spread evenly. Each question
is asked through the store, as the product asks it; of PostgreSQL the plan is kept too.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import uvloop
from mintgate_core.ledger.errors import Unavailable
from mintgate_core.stores.base import DAY_MS, HOUR_MS, EventQuery, Store
from mintgate_core.stores.event_queries import events_statement
from mintgate_core.stores.postgres import sql
from mintgate_core.stores.postgres.session import SETTINGS
from mintgate_core.stores.usage_parts import UsageTable, usage_parts

from bench import page
from bench.ledger import COST_NANO_USD, HOLD_NANO_USD, open_store, tenant
from bench.scale.filling import PLACES, Place, analyse, fill_events, key_id

EVENTS = {"sqlite": 1_000_000, "postgresql": 10_000_000}
KEYS = 1_000
DAYS = 30
PAGE_ROWS = 100
REPEATS = 7


@dataclass(frozen=True)
class Figures:
    """One question to one store."""

    store: str
    events: int
    question: str
    rows: int
    p50_ms: float | None
    max_ms: float | None
    refused: int
    """Times that the store gave up on it, for its own bound on a statement."""
    plan: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """Something that a backend or a person asks."""

    title: str
    ask: Callable[[Store], Awaitable[Sequence[object]]]
    statement: str
    values: Sequence[object]
    """The statement that takes longest in it, as PostgreSQL gets it."""
    setting: str = ""
    """What the product sets for it alone."""


def measure(counts: dict[str, int]) -> list[Figures]:
    """Fill each store and ask."""
    found = []
    for name, count in counts.items():
        with PLACES[name]() as place:
            wallet_id, from_ms, to_ms = uvloop.run(begin(place))
            started = time.monotonic()
            fill_events(place, count, KEYS, wallet_id, from_ms, to_ms - from_ms)
            analyse(place)
            took_s = time.monotonic() - started
            print(f"{name}: {count:,} events in {took_s:.0f} s", file=sys.stderr)
            questions = ask_about(wallet_id, count, from_ms, to_ms)
            found += uvloop.run(answers(place, count, questions))
    return found


async def begin(place: Place) -> tuple[int, int, int]:
    """One charge, and the month after it."""
    store = await open_store(place.url)
    made = await tenant(store)
    token = await made.reserve(made.master, HOLD_NANO_USD)
    await made.settle(token, COST_NANO_USD)
    from_ms = (await store.now_ms()) // HOUR_MS * HOUR_MS + HOUR_MS
    await store.close()
    return made.account.wallet_id, from_ms, from_ms + DAYS * DAY_MS


def ask_about(wallet_id: int, count: int, from_ms: int, to_ms: int) -> list[Question]:
    """The questions. The month's edges are in the middle of an hour, as they are today."""
    first, last = from_ms + HOUR_MS // 2, to_ms - HOUR_MS // 2
    day_ms = from_ms + 20 * DAY_MS
    key = key_id(KEYS // 2)

    def usage(title: str, of_key: str, begin_ms: int, end_ms: int) -> Question:
        parts = [p for p in usage_parts(begin_ms, end_ms) if p[0] is not UsageTable.HOURS]
        table, span = max(parts, key=lambda part: part[1][1] - part[1][0])
        statement = (sql.USAGE_OF_KEY if of_key else sql.USAGE)[table]

        async def ask(store: Store) -> Sequence[object]:
            return await store.usage(wallet_id, key_id=of_key, from_ms=begin_ms, to_ms=end_ms)

        return Question(title, ask, statement, [wallet_id, *span, *([of_key] if of_key else [])])

    def events(title: str, **fields: Any) -> Question:
        query = EventQuery(wallet_id, limit=PAGE_ROWS, **fields)

        async def ask(store: Store) -> Sequence[object]:
            return await store.events(query)

        return Question(title, ask, *events_statement(query, "%s"), setting=sql.WALK)

    return [
        usage("bill of the month, all keys", "", first, last),
        usage("month of one key", key, first, last),
        usage("one day, all keys", "", day_ms + 1, day_ms + DAY_MS + 1),
        events("newest events"),
        events("events in the middle, by cursor", before_seq=count // 2),
        events("newest events of one key", key_id=key),
        events("events of one key in the middle, by cursor", key_id=key, before_seq=count // 2),
        events("events of one key on one day", key_id=key, from_ms=day_ms, to_ms=day_ms + DAY_MS),
        events("events of one hour", from_ms=day_ms, to_ms=day_ms + HOUR_MS),
        events("newest events of the first week", from_ms=from_ms, to_ms=from_ms + 7 * DAY_MS),
    ]


async def answers(place: Place, count: int, questions: Sequence[Question]) -> list[Figures]:
    """Ask each question a few times."""
    store = await open_store(place.url)
    found = []
    for question in questions:
        took_ms: list[float] = []
        rows = 0
        for _ in range(REPEATS):
            started = time.perf_counter()
            try:
                rows = len(await question.ask(store))
            except Unavailable:
                continue
            took_ms.append(1_000 * (time.perf_counter() - started))
        found.append(
            Figures(
                store=place.name,
                events=count,
                question=question.title,
                rows=rows,
                p50_ms=statistics.median(took_ms) if took_ms else None,
                max_ms=max(took_ms, default=None),
                refused=REPEATS - len(took_ms),
                plan=explain(place, question) if place.server else [],
            )
        )
    await store.close()
    return found


def explain(place: Place, question: Question) -> list[str]:
    """The plan of a statement, with the settings of the product's own connections.

    But for the bound on its time: what takes too long is what one wants to see.
    """
    with psycopg.connect(place.url) as connection:
        for name, value in (SETTINGS | {"statement_timeout": "0"}).items():
            connection.execute("select set_config(%s, %s, false)", [name, value])
        if question.setting:
            connection.execute(question.setting.encode())
        cursor = psycopg.ClientCursor(connection)
        cursor.execute(
            f"explain (analyze, buffers) {question.statement}".encode(), list(question.values)
        )
        return [str(row[0]) for row in cursor.fetchall()]


def text(rows: Sequence[dict[str, Any]]) -> str:
    """The part of the page: a table, and the plans below it."""
    table = page.table(
        ("store", "events", "question", "rows", "p50, ms", "max, ms", "refused"),
        [
            [
                row["store"],
                page.number(row["events"]),
                row["question"],
                page.number(row["rows"]),
                page.number(row["p50_ms"], 1),
                page.number(row["max_ms"], 1),
                row["refused"],
            ]
            for row in rows
        ],
    )
    plans = [
        f"<details><summary>{row['question']}</summary>\n\n```\n"
        + "\n".join(row["plan"])
        + "\n```\n\n</details>"
        for row in rows
        if row["plan"]
    ]
    return "\n\n".join([table, "Plans of the longest statement in each, on PostgreSQL:", *plans])
