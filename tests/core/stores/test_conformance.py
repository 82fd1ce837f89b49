"""Every store of this package passes the whole suite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance import SettableClock, StoreConformance
from mintgate_core.stores.memory import MemoryStore
from mintgate_core.stores.postgres import PostgresStore, PostgresUrl
from mintgate_core.stores.sqlite import SqliteStore

from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer


class TestMemory(StoreConformance):
    """The store for tests."""

    @pytest.fixture
    async def store(self, clock: SettableClock) -> AsyncIterator[Store]:
        """An empty store."""
        store = MemoryStore(clock)
        yield store
        await store.close()


class TestSqlite(StoreConformance):
    """The embedded store, on a file of its own for each test."""

    @pytest.fixture
    async def store(self, clock: SettableClock, tmp_path: Path) -> AsyncIterator[Store]:
        """An empty store."""
        store = SqliteStore.open(tmp_path / "mintgate.db", clock)
        yield store
        await store.close()


class TestPostgres(StoreConformance):
    """The store for many cores, on a database of its own for each test."""

    @pytest.fixture
    async def store(
        self, clock: SettableClock, postgres: PostgresServer, database: str
    ) -> AsyncIterator[Store]:
        """An empty store."""
        store = await PostgresStore.open(PostgresUrl.parse(postgres.url(database)), clock)
        yield store
        await store.close()


class TestPostgresWithoutPipelines(StoreConformance):
    """The same with each statement in a round trip of its own."""

    @pytest.fixture
    async def store(
        self, clock: SettableClock, postgres: PostgresServer, database: str
    ) -> AsyncIterator[Store]:
        """An empty store."""
        url = PostgresUrl.parse(postgres.url(database, pipeline="off"))
        store = await PostgresStore.open(url, clock)
        yield store
        await store.close()


class TestPooledPostgres(StoreConformance):
    """The same behind PgBouncer in transaction mode."""

    @pytest.fixture
    async def store(
        self, clock: SettableClock, pgbouncer: PgBouncer, database: str
    ) -> AsyncIterator[Store]:
        """An empty store."""
        url = PostgresUrl.parse(pgbouncer.url(database, pooler="transaction"))
        store = await PostgresStore.open(url, clock)
        yield store
        await store.close()
