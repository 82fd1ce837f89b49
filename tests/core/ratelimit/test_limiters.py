"""Both limiters pass the whole suite, and count alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mintgate_core.ledger.types import RateLimits
from mintgate_core.ratelimit.base import Ask, End, Renewal, Taken
from mintgate_core.stores.conformance.builders import new_id, unique

from tests.core.ratelimit.conftest import memory_bench, redis_bench
from tests.core.ratelimit.suite import Bench, LimiterConformance, field_of
from tests.servers.redis import RedisServer


class TestMemory(LimiterConformance):
    @pytest.fixture
    def bench(self) -> Bench:
        return memory_bench()


class TestRedis(LimiterConformance):
    @pytest.fixture
    async def bench(self, redis_server: RedisServer, key_id: str) -> AsyncIterator[Bench]:
        async with redis_bench(redis_server, key_id) as bench:
            yield bench


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 5), st.integers(0, 70)),
        st.tuples(st.just("end"), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 90))),
        st.tuples(st.just("undo"), st.integers(0, 5), st.none()),
        st.tuples(st.just("renew"), st.integers(0, 5), st.none()),
        st.tuples(st.just("elapse"), st.integers(1, 40), st.none()),
    ),
    max_size=30,
)
LIMITS = st.builds(
    RateLimits,
    requests_per_minute=st.sampled_from([0, 1, 3, 6]),
    tokens_per_minute=st.sampled_from([0, 12, 60]),
    open_requests=st.sampled_from([0, 1, 3]),
)


@given(limits=LIMITS, steps=STEPS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_redis_counts_as_memory_does(
    redis_server: RedisServer, limits: RateLimits, steps: list[tuple[str, int, int | None]]
) -> None:
    """The same asks, ends and pauses get the same verdicts from both."""
    # Seconds pass in whole numbers, so the moments that a real server needs decide nothing.
    asyncio.run(_compare(redis_server, limits, steps))


async def _compare(
    server: RedisServer, limits: RateLimits, steps: list[tuple[str, int, int | None]]
) -> None:
    key_id = f"key_compare_{unique()}_{new_id().hex()}_{id(steps)}"
    holds = [new_id() for _ in range(6)]
    memory = memory_bench()
    async with redis_bench(server, key_id) as shared:
        for kind, number, value in steps:
            for bench in (memory, shared):
                match kind:
                    case "end":
                        bench.limiter.note([End(key_id, holds[number], value)])
                    case "undo":
                        bench.limiter.note([End(key_id, holds[number], undone=True)])
                    case "renew":
                        # Unknown holds may be renewed too, but only while a key is known at all.
                        bench.limiter.note([Renewal(key_id, holds[number], 30_000)])
                    case "elapse":
                        # Sends what is noted before time passes.
                        await bench.admit(Ask("key_other", new_id(), RateLimits(), 0, 1_000))
                        await bench.elapse(number * 1_000)
            if kind == "ask":
                ask = Ask(key_id, holds[number], limits, value or 0, 20_000)
                mine, theirs = await memory.admit(ask), await shared.admit(ask)
                assert field_of(mine) == field_of(theirs)
                if isinstance(mine, Taken):
                    assert mine is theirs


@given(
    limit=st.integers(1, 200),
    arrivals=st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(1, 250), st.integers(0, 300)), max_size=60
    ),
)
def test_no_window_holds_more_than_was_promised(
    limit: int, arrivals: list[tuple[int, int, int]]
) -> None:
    """In every stretch of time at most the limit plus its share of a minute is used."""
    used: list[tuple[int, int]] = []
    now_ms = 0

    async def run() -> None:
        nonlocal now_ms
        bench = memory_bench()
        limits = RateLimits(tokens_per_minute=limit)
        for pause_ms, tokens, usage in arrivals:
            await bench.elapse(pause_ms)
            now_ms += pause_ms
            ask = Ask("key", new_id(), limits, tokens, 10**9)
            if await bench.admit(ask) is Taken.NEW:
                # What is given back was not used; what is used never is less than told.
                bench.limiter.note([End("key", ask.hold_id, min(usage, ask.cost_tokens))])
                used.append((now_ms, min(usage, ask.cost_tokens)))

    asyncio.run(run())
    for start in range(len(used)):
        total = 0
        for at_ms, count in used[start:]:
            total += count
            assert total * 60_000 <= limit * (60_000 + at_ms - used[start][0])
