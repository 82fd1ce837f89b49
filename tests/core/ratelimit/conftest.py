"""A limiter in memory, and one on a real Redis; time passes only when told, in both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from mintgate_core.ratelimit.memory import MemoryLimiter
from mintgate_core.ratelimit.redis import RedisLimiter
from mintgate_core.stores.conformance.builders import SettableClock, unique

from tests.core.ratelimit.suite import Bench
from tests.servers.redis import RedisServer


@pytest.fixture
def key_id(worker_id: str) -> str:
    """A key that no other test counts."""
    return f"key_{worker_id}_{unique()}"


def memory_bench() -> Bench:
    """A limiter of one process."""
    clock = SettableClock()

    async def elapse(ms: int) -> None:
        clock.advance(ms)

    return Bench(MemoryLimiter(clock), elapse)


@asynccontextmanager
async def redis_bench(server: RedisServer, key_id: str) -> AsyncIterator[Bench]:
    """The shared limiter, its background work running."""
    limiter = RedisLimiter.of_url(server.url)
    # The first connection may take longer than a request would wait.
    await limiter.resume()

    async def elapse(ms: int) -> None:
        # Redis goes by its own clock: all that it remembers of the key is made older instead.
        with server.client() as client:
            for name in client.scan_iter(f"mintgate:{{{key_id}*"):
                if client.type(name) == "zset":
                    for member in client.zrange(name, 0, -1):
                        client.zincrby(name, -ms, member)
                else:
                    for field in client.hkeys(name):
                        if field.endswith(":at"):
                            client.hincrby(name, field, -ms)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(limiter.run())
        yield Bench(limiter, elapse)
        running.cancel()
    await limiter.close()
