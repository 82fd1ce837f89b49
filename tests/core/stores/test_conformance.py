"""Both stores of this package pass the whole suite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance import SettableClock, StoreConformance
from mintgate_core.stores.memory import MemoryStore
from mintgate_core.stores.sqlite import SqliteStore


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
