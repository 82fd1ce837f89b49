"""Books of each engine, whose constraints a test may break, for the tests of the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mintgate_core.ledger.types import SettledBy
from mintgate_core.stores.base import HOUR_MS, Store
from mintgate_core.stores.conformance import SettableClock, Tenant
from mintgate_core.stores.conformance.builders import TTL_MS
from mintgate_core.stores.postgres import PostgresStore, PostgresUrl
from mintgate_core.stores.sqlite import SqliteStore

from tests.servers.postgres import PostgresServer

JOBS, OBJECTS, CHECKPOINTS, DAYS = 11, 12, 13, 14
"""Checks beside the money; only an audit of everything makes the last three."""

Row = tuple[Any, ...]
Execute = Callable[[str], Sequence[Row]]
"""Runs a statement past the store and every constraint, and returns its rows."""


@dataclass
class Books:
    """A store in use, and a way past it."""

    store: SqliteStore | PostgresStore
    execute: Execute
    clock: SettableClock
    tenant: Tenant

    def damage(self, statement: str) -> None:
        """Change the books by a statement, which must hit something."""
        assert self.execute(f"{statement} returning 1")

    async def spend(self) -> None:
        """Grant, settle, charge a hold whole, expire, release, and leave one hold open."""
        await self.tenant.grant(10_000)
        key = await self.tenant.mint(cap_nano_usd=1_000)
        tokens = [await self.tenant.reserve(key, 100) for _ in range(5)]
        await self.tenant.settle(tokens[0], 40)
        await self.tenant.settle(tokens[1], 0, SettledBy.HOLD)
        await self.tenant.progress(tokens[2].hold_id, 10)
        await self.tenant.progress(tokens[4].hold_id, 0, ttl_ms=10 * HOUR_MS)
        self.clock.advance(TTL_MS)
        await self.tenant.expire(tokens[2].hold_id)
        await self.tenant.release(tokens[3].hold_id)

    async def end(self) -> None:
        """Let go of the hold that `spend` left open."""
        for hold in await self.store.holds(None, 1):
            await self.tenant.release(hold.hold_id)


async def opened(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> AsyncIterator[Books]:
    """Books of an engine; closed at the end."""
    make = {"sqlite": _sqlite, "postgres": _postgres}[engine]
    async for store, execute in make(request, tmp_path, clock):
        yield Books(store, execute, clock, await Tenant.open(store))
        await store.close()


async def _sqlite(
    _request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> AsyncIterator[tuple[SqliteStore | PostgresStore, Execute]]:
    store = SqliteStore.open(tmp_path / "mintgate.db", clock)
    # A bug of ours could get past a CHECK only in a file that was made without it.
    store._writer.execute("pragma ignore_check_constraints = 1")
    yield store, lambda statement: store._writer.execute(statement).fetchall()


async def _postgres(
    request: pytest.FixtureRequest, _tmp_path: Path, clock: SettableClock
) -> AsyncIterator[tuple[SqliteStore | PostgresStore, Execute]]:
    server: PostgresServer = request.getfixturevalue("postgres")
    database: str = request.getfixturevalue("database")
    checks = "select conrelid::regclass::text, conname from pg_constraint where contype = 'c'"
    for table, name in server.execute(checks + " and conrelid <> 0", database):
        server.execute(f"alter table {table} drop constraint {name}", database)

    store = await PostgresStore.open(PostgresUrl.parse(server.url(database)), clock)
    yield store, lambda statement: server.execute(statement, database)


async def numbers(store: Store, *, full: bool) -> set[int]:
    """The checks that found something."""
    return {check.number for check in await store.audit(full=full) if check.findings}
