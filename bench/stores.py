"""The ledger on each store that ships: a SQLite file and a private PostgreSQL.

The PostgreSQL is started for the measurement and removed after it, on a data directory
in the system's temporary one. It flushes each commit and has its own defaults otherwise,
as an operator's has who changed nothing. A round is a database of its own, so that no
round pays for the rows of the one before.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import uvloop
from mintgate_core.app import POSTGRES_LANES
from mintgate_core.stores.postgres import PostgresUrl, schema

from bench import page
from bench.ledger import Load, Pairs, measure
from tests.servers.postgres import running_postgres

CLIENTS = 512
WALLETS = (1, 64)
"""One row that all wait for, and as many as a busy installation has at a time."""

POSTGRES_DEFAULTS = {"shared_buffers": "128MB", "checkpoint_timeout": "5min"}
"""What the servers of the tests have smaller or longer than PostgreSQL's own defaults."""

NewStore = Callable[[], str]
"""Makes an empty store and returns its URL."""


@contextmanager
def sqlite_files() -> Iterator[NewStore]:
    """A file for each round, all removed at the end."""
    with tempfile.TemporaryDirectory(prefix="mintgate-bench-") as name:
        numbers = count()
        yield lambda: f"sqlite:///{Path(name) / f'{next(numbers)}.db'}"


@contextmanager
def postgres_databases() -> Iterator[NewStore]:
    """A migrated database for each round, in a server that is gone at the end."""
    with running_postgres(**POSTGRES_DEFAULTS) as server:
        template = server.create_database()
        schema.migrate(PostgresUrl.parse(server.url(template)))
        yield lambda: server.url(server.create_database(template))


def text(rows: Sequence[dict[str, Any]]) -> str:
    """The part of the page."""
    return page.table(
        ("store", "lanes", "clients", "wallets", "pairs/s", "pair p50, ms", "p99, ms"),
        [
            [
                row["ledger"],
                row["lanes"],
                row["clients"],
                row["wallets"],
                page.number(row["pairs_per_second"]),
                page.number(row["pair_p50_ms"], 1),
                page.number(row["pair_p99_ms"], 1),
            ]
            for row in rows
        ],
    )


def rows(rounds: int, seconds: float) -> list[dict[str, object]]:
    """Measure every load on every store, with the lanes that core gives it, in turns."""
    runs: dict[tuple[str, Load], list[Pairs]] = {}
    with sqlite_files() as new_file, postgres_databases() as new_database:
        for _ in range(rounds):
            for wallets in WALLETS:
                for store, lanes, new_store in (
                    ("sqlite", 1, new_file),
                    ("postgresql", POSTGRES_LANES, new_database),
                ):
                    load = Load(CLIENTS, wallets, lanes)
                    pairs = uvloop.run(measure(new_store(), load, seconds))
                    runs.setdefault((store, load), []).append(pairs)
    return [row(store, load, of_load) for (store, load), of_load in runs.items()]


def row(store: str, load: Load, runs: list[Pairs]) -> dict[str, object]:
    """Medians over the rounds, and every finding of them."""
    return {
        "ledger": store,
        "clients": load.clients,
        "wallets": load.wallets,
        "lanes": load.lanes,
        "pairs_per_second": round(statistics.median(run.per_second for run in runs)),
        "pair_p50_ms": round(statistics.median(run.p50_ms for run in runs), 1),
        "pair_p99_ms": round(statistics.median(run.p99_ms for run in runs), 1),
        "audit_findings": sum(run.findings for run in runs),
    }
