"""Redis flushed, stopped or slow: limits degrade to this process, and come back by themselves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from mintgate_core.clock import monotonic_ms
from mintgate_core.ledger.types import RateLimits
from mintgate_core.ratelimit import fallback
from mintgate_core.ratelimit.base import Renewal, Taken
from mintgate_core.ratelimit.fallback import FAILURES_MAX, FallbackLimiter, open_limiter
from mintgate_core.ratelimit.redis import REDIS_WAIT_S
from redis.asyncio import Connection

from tests.core.ratelimit.suite import ask, field_of
from tests.harness import eventually
from tests.ports import free_port
from tests.servers.redis import RedisServer, running_redis

GENEROUS = RateLimits(requests_per_minute=100_000)
ONE = RateLimits(requests_per_minute=1)
RECOVERY_WAIT_S = 10.0


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that the test may break."""
    with running_redis() as server:
        yield server


@pytest.fixture
async def limiter(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FallbackLimiter]:
    """A limiter on it, which looks for it often."""
    monkeypatch.setattr(fallback, "PROBE_INTERVAL_S", 0.05)
    async with open_limiter(server.url, monotonic_ms) as opened, asyncio.TaskGroup() as tasks:
        assert isinstance(opened, FallbackLimiter)
        running = tasks.create_task(opened.run())
        yield opened
        running.cancel()


async def recovered(limiter: FallbackLimiter) -> None:
    """Wait until Redis is asked again."""
    await asyncio.to_thread(eventually, lambda: not limiter.degraded, RECOVERY_WAIT_S, "recovery")


async def degrade(limiter: FallbackLimiter) -> float:
    """Ask until Redis counts as away; returns how long the slowest ask took, seconds."""
    slowest = 0.0
    loop = asyncio.get_running_loop()
    for _ in range(FAILURES_MAX):
        start_s = loop.time()
        assert await limiter.admit([ask("key_degrade", GENEROUS)]) == [Taken.NEW]
        slowest = max(slowest, loop.time() - start_s)
    assert limiter.degraded
    return slowest


async def test_a_flush_only_forgets(limiter: FallbackLimiter, server: RedisServer) -> None:
    """After FLUSHALL, scripts included, limits count from nothing and nothing fails."""
    assert await limiter.admit([ask("key", ONE)]) == [Taken.NEW]
    (refusal,) = await limiter.admit([ask("key", ONE)])
    assert field_of(refusal)
    await asyncio.to_thread(server.flush)
    assert await limiter.admit([ask("key", ONE)]) == [Taken.NEW]
    assert not limiter.degraded


async def test_a_flush_heals_open_requests(limiter: FallbackLimiter, server: RedisServer) -> None:
    """Requests that ran through a flush count as open again once they report progress."""
    limits = RateLimits(open_requests=2)
    running = ask("key", limits)
    await limiter.admit([running])
    await asyncio.to_thread(server.flush)
    assert await limiter.admit([ask("key", limits)]) == [Taken.NEW]
    limiter.note([Renewal("key", running.hold_id, 60_000)])
    (refusal,) = await limiter.admit([ask("key", limits)])
    assert field_of(refusal) == "open_requests"


async def test_a_stopped_server_is_replaced_and_comes_back(
    limiter: FallbackLimiter, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Limits go on in this process, one line tells each change, and recovery needs nobody."""
    await asyncio.to_thread(server.stop)
    await degrade(limiter)
    assert await limiter.admit([ask("key", ONE)]) == [Taken.NEW]
    (refusal,) = await limiter.admit([ask("key", ONE)])
    assert field_of(refusal)
    await asyncio.to_thread(server.start)
    await recovered(limiter)
    # The new server knows nothing of what was counted here meanwhile.
    assert await limiter.admit([ask("key", ONE)]) == [Taken.NEW]
    lines = [r.message for r in caplog.records if r.name == fallback.__name__]
    assert len(lines) == 2
    assert "away" in lines[0]
    assert "again" in lines[1]


async def test_a_connection_that_is_closed_while_it_is_made_is_redis_away(
    limiter: FallbackLimiter, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What uvloop raises of it ends neither limits nor core, and recovery needs nobody."""

    async def connect(_: Connection) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>")

    await asyncio.to_thread(server.stop)
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "connect", connect)
        await asyncio.to_thread(server.start)
        await degrade(limiter)
        assert await limiter.admit([ask("key", ONE)]) == [Taken.NEW]
    await recovered(limiter)
    assert await limiter.admit([ask("key", ONE)]) == [Taken.NEW]


async def test_a_slow_server_slows_nobody(limiter: FallbackLimiter, server: RedisServer) -> None:
    """A server that takes five seconds costs a few short waits, and then none."""
    await asyncio.to_thread(server.slow, 5_000)
    slowest_s = await degrade(limiter)
    # Four times the bound, for a machine that is busy with other tests.
    assert slowest_s < 4 * REDIS_WAIT_S
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    for _ in range(100):
        assert await limiter.admit([ask("key", GENEROUS)]) == [Taken.NEW]
    assert loop.time() - start_s < 4 * REDIS_WAIT_S
    await asyncio.to_thread(server.hurry)
    await recovered(limiter)


async def test_a_server_that_was_never_there(caplog: pytest.LogCaptureFixture) -> None:
    """Unreachable at start: one warning without the URL, and limits that count."""
    port = free_port()
    async with open_limiter(f"redis://:hidden@127.0.0.1:{port}/0", monotonic_ms) as limiter:
        assert await limiter.admit([ask("key", ONE)]) == [Taken.NEW]
        (refusal,) = await limiter.admit([ask("key", ONE)])
        assert field_of(refusal)
    (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert "hidden" not in record.getMessage()
    assert str(port) not in record.getMessage()


async def test_two_cores_share(limiter: FallbackLimiter, server: RedisServer) -> None:
    """What one core admitted counts for the other, over TCP and over a socket."""
    assert await limiter.admit([ask("key", ONE)]) == [Taken.NEW]
    async with open_limiter(server.socket_url, monotonic_ms) as other, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(other.run())
        (refusal,) = await other.admit([ask("key", ONE)])
        running.cancel()
    assert field_of(refusal) == "requests_per_minute"
