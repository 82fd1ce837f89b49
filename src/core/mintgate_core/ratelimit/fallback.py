"""Shared limits while Redis answers, this process's own while it does not.

A circuit breaker: after a few failures in a row Redis is not asked at all, so that a slow server
slows no request, until a probe in the background finds it well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from mintgate_core.clock import Clock
from mintgate_core.ratelimit.base import Ask, Limiter, Note, Verdict
from mintgate_core.ratelimit.memory import MemoryLimiter
from mintgate_core.ratelimit.redis import (
    LimiterAwayError,
    RedisLimiter,
    check_cancelled,
    wait_s,
)

FAILURES_MAX = 3
"""One slow answer on a busy machine is no outage; three in a row are."""

PROBE_INTERVAL_S = 1.0
"""How long a server that is back goes unnoticed at most."""

log = logging.getLogger(__name__)


class FallbackLimiter:
    """See `base.Limiter`."""

    def __init__(self, shared: RedisLimiter, own: MemoryLimiter) -> None:
        self._shared = shared
        self._own = own
        self._failures = 0
        self._away = asyncio.Event()
        self._unshared = 0

    @property
    def degraded(self) -> bool:
        return self._away.is_set()

    @property
    def unshared_count(self) -> int:
        return self._unshared

    async def start(self) -> None:
        """Connect. A server that is not there is said once, and waited for in the background."""
        try:
            await self._shared.resume()
        except LimiterAwayError as error:
            self._open(error)

    async def admit(self, asks: Sequence[Ask]) -> list[Verdict]:
        if not self.degraded:
            try:
                async with asyncio.timeout(wait_s(len(asks))):
                    verdicts = await self._shared.admit(asks)
            except (LimiterAwayError, TimeoutError) as error:
                self._failed(error)
            else:
                self._failures = 0
                return verdicts
        self._unshared += len(asks)
        return await self._own.admit(asks)

    def note(self, notes: Sequence[Note]) -> None:
        # To both: nobody knows any more which of them admitted a request.
        self._own.note(notes)
        self._shared.note(notes)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._shared.run())
            tasks.create_task(self._probe())

    async def _probe(self) -> None:
        while True:
            await self._away.wait()
            await asyncio.sleep(PROBE_INTERVAL_S)
            try:
                await self._shared.resume()
            except LimiterAwayError:
                check_cancelled()
                continue
            self._failures = 0
            self._away.clear()
            log.warning("Redis answers again: rate limits are shared between cores")

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= FAILURES_MAX and not self.degraded:
            self._open(error)

    def _open(self, error: Exception) -> None:
        self._shared.pause()
        self._away.set()
        log.warning(
            "Redis is away (%s): rate limits count in each core alone until it answers",
            error if isinstance(error, LimiterAwayError) else type(error).__name__,
        )


@asynccontextmanager
async def open_limiter(redis_url: str | None, clock: Clock) -> AsyncIterator[Limiter]:
    """The limiter of a core for the length of the block; its `run` is for the caller to run."""
    own = MemoryLimiter(clock)
    if redis_url is None:
        yield own
        return
    shared = RedisLimiter.of_url(redis_url)
    limiter = FallbackLimiter(shared, own)
    await limiter.start()
    try:
        yield limiter
    finally:
        await shared.close()
