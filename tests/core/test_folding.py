"""Folding: hours are moved once they are over for an hour, whatever becomes of the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mintgate_core import folding
from mintgate_core.ledger.errors import Unavailable
from mintgate_core.stores.base import HOUR_MS
from mintgate_core.stores.conformance import SettableClock, Tenant, findings
from mintgate_core.stores.memory import MemoryStore
from mintgate_core.stores.sqlite import SqliteStore


@pytest.fixture
async def store(tmp_path: Path, clock: SettableClock) -> AsyncIterator[SqliteStore]:
    """An empty store."""
    opened = SqliteStore.open(tmp_path / "mintgate.db", clock)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> SettableClock:
    """The store's clock, in the middle of an hour."""
    clock = SettableClock()
    clock.now_ms = clock.now_ms // HOUR_MS * HOUR_MS + HOUR_MS // 2
    return clock


async def test_hour_stays_open_for_an_hour(store: SqliteStore, clock: SettableClock) -> None:
    """What is charged is moved when the hour after its own is over, and not a moment before."""
    tenant = await Tenant.open(store, balance=100)
    await tenant.settle(await tenant.reserve(tenant.master, 10), 5)
    assert await folding.fold(store) == 0
    clock.advance(HOUR_MS + HOUR_MS // 2 - 1)
    assert await folding.fold(store) == 0
    clock.advance(1)
    assert await folding.fold(store) == 1
    assert await folding.fold(store) == 0
    assert await findings(store) == []


class BackloggedStore(MemoryStore):
    """A store that is away at first, then has two full rounds and a part of one to move."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__(clock)
        self.away = True
        self.left = 2 * folding.FOLD_ROWS_MAX + 1
        self.done = asyncio.Event()

    async def fold_usage(self, before_ms: int, limit: int) -> int:
        """Move what there is, unless the store is away."""
        if self.away:
            self.away = False
            raise Unavailable("away")
        moved = min(limit, self.left)
        self.left -= moved
        if not self.left:
            self.done.set()
        return moved


async def test_backlog_is_moved_round_by_round(
    monkeypatch: pytest.MonkeyPatch, clock: SettableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that is away is tried again, and full rounds follow each other until all is moved."""
    for name in ("FOLD_START_S", "FOLD_INTERVAL_S", "FOLD_PAUSE_S"):
        monkeypatch.setattr(folding, name, 0)
    store = BackloggedStore(clock)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(folding.run(store))
        await store.done.wait()
        running.cancel()
    assert store.left == 0
    assert "fold of usage failed: away" in caplog.text
