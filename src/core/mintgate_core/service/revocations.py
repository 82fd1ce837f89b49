"""Tells facades which keys were revoked, through any core: one poll for all who watch.

A poll needs nothing but the store, so it works with several cores and without
any other server. It costs one indexed read, and only while somebody watches.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from mintgate_core.ledger.errors import LedgerError
from mintgate_core.stores.base import Store

POLL_INTERVAL_S = 0.5
"""A quarter of the two seconds within which running requests of a revoked key must end."""

MARGIN_MS = 60_000
"""How far each poll looks back beyond the last one. The time of a revocation is taken before
its transaction waits for the wallet's lock and commits, and by another machine's clock."""

SINCE_DEFAULT_MS = 60_000
"""What a watcher that names no moment is told of."""

KEYS_MAX = 10_000
"""Keys a poll, newest first. One is missed only when more are revoked within one interval."""

HEARTBEAT_ROUNDS = 10
"""Rounds without news after which a watcher is told just that: every five seconds."""

log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class News:
    """What one message tells."""

    key_ids: tuple[str, ...]
    told_until_ms: int


class Revocations:
    """Polls for all watchers together."""

    def __init__(self, store: Store, sleep: Sleep = asyncio.sleep) -> None:
        self._store = store
        self._sleep = sleep
        self._watchers = 0
        self._polling: asyncio.Task[None] | None = None
        self._polled_ms = 0
        self._recent: Sequence[str] = ()
        """What the last poll found, told before or not."""
        self._rounds = 0
        self._round = asyncio.Event()
        """Set at the end of the present round, and then replaced."""

    async def watch(self, since_ms: int) -> AsyncGenerator[News]:
        """Yield at once what was revoked since a moment, and then what is, without end.

        0 means the last minute. A key may be told more than once.
        Raises `Unavailable` when the store is away at the start.
        """
        now_ms = await self._store.now_ms()
        from_ms = (since_ms or now_ms - SINCE_DEFAULT_MS) - MARGIN_MS
        self._begin(now_ms)
        seen = self._rounds
        try:
            known = tuple([key_id for key_id, _ in await self._revoked(from_ms)])
            yield News(known, now_ms)
            told, quiet_rounds = set(known), 0
            while True:
                # A watcher that was slow to take its last message has missed rounds, and
                # must not wait for one more.
                if seen == self._rounds:
                    await self._round.wait()
                quiet_rounds += self._rounds - seen
                seen, recent = self._rounds, self._recent
                fresh = tuple(key_id for key_id in recent if key_id not in told)
                # What left the margin cannot be found again, so this stays bounded.
                told = set(recent)
                if fresh or quiet_rounds >= HEARTBEAT_ROUNDS:
                    quiet_rounds = 0
                    yield News(fresh, self._polled_ms)
        finally:
            self._end()

    def _begin(self, now_ms: int) -> None:
        self._watchers += 1
        if self._polling is None:
            self._polled_ms = now_ms
            self._polling = asyncio.get_running_loop().create_task(self._poll(), name="revocations")

    def _end(self) -> None:
        self._watchers -= 1
        if not self._watchers and self._polling is not None:
            self._polling.cancel()
            self._polling = None

    async def _poll(self) -> None:
        while True:
            await self._sleep(POLL_INTERVAL_S)
            try:
                now_ms = await self._store.now_ms()
                # From the last poll that worked, so that an outage of the store hides nothing.
                found = await self._revoked(self._polled_ms - MARGIN_MS)
            except LedgerError as error:
                log.warning("revocations cannot be read: %s", error)
                continue
            self._recent = [key_id for key_id, _ in found]
            self._polled_ms = max(now_ms, self._polled_ms)
            self._rounds += 1
            ended, self._round = self._round, asyncio.Event()
            ended.set()

    async def _revoked(self, from_ms: int) -> list[tuple[str, int]]:
        return await self._store.revoked_since(max(from_ms, 0), KEYS_MAX)
