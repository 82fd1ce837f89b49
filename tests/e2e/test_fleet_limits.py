"""Rate limits of one key over two cores: shared in Redis, each core's own without, money aside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from operator import gt

import pytest
from mintgate import RateLimits

from tests.buyer import Buyer
from tests.e2e.conftest import GivenFleet
from tests.e2e.load import Outcomes, fire
from tests.e2e.refusals import BODIES, CHAT, attempt
from tests.e2e.streams import open_stream
from tests.harness import eventually

pytestmark = pytest.mark.timeout(300)

HANGS = "input=9; break=hang; break_after=3"
RECOVERY_WAIT_S = 15.0
AT_ONCE = 12
LIMIT = 6
MINUTE_S = 60
GENEROUS = RateLimits(requests_per_minute=1_000_000, tokens_per_minute=10**9, open_requests=10_000)
"""Limits that are checked for every request and refuse none."""
PER_ROUND = 10
COST_NANO_USD = 9 * 150 + 5 * 600
"""9 tokens in and 5 out of gpt-4o-mini."""


def unshared(fleet: GivenFleet) -> int:
    """Requests that a core has counted alone.

    A check that takes longer than 50 ms is not waited for, which happens where many tests run;
    each such request may be one more than the limit has, and only such.
    """
    return int(fleet.fleet.metric("mintgate_rate_limits_unshared_total"))


def status(buyer: Buyer) -> int:
    """What one more request is answered."""
    return attempt(buyer, "openai", BODIES["openai"]).status


async def fire_at_both(doors: tuple[Buyer, Buyer], count: int, simulate: str = "") -> Outcomes:
    """Requests at both facades at once."""
    loads = await asyncio.gather(
        *(fire(buyer.gateway.url, [buyer.secret] * count, simulate=simulate) for buyer in doors)
    )
    return Outcomes(
        statuses=loads[0].statuses + loads[1].statuses,
        broken=loads[0].broken + loads[1].broken,
        completed=loads[0].completed + loads[1].completed,
    )


async def test_requests_a_minute_are_one_limit(fleet: GivenFleet) -> None:
    """Fired at both cores at once, as many pass as the limit and its refill have, and no more."""
    doors = await asyncio.to_thread(fleet.doors, rate_limits=RateLimits(requests_per_minute=LIMIT))
    alone, begun_s = await asyncio.to_thread(unshared, fleet), time.monotonic()
    outcomes = await fire_at_both(doors, AT_ONCE)
    refilled = int(LIMIT * (time.monotonic() - begun_s) / MINUTE_S)
    alone = await asyncio.to_thread(unshared, fleet) - alone
    assert LIMIT <= outcomes.statuses[200] <= LIMIT + refilled + alone
    assert outcomes.statuses[200] + outcomes.statuses[429] == 2 * AT_ONCE
    events = await asyncio.to_thread(doors[0].events)
    assert sorted(event.request_id for event in events) == sorted(outcomes.completed)


@pytest.mark.parametrize(
    "limits",
    # Three bounds of 10,000 tokens out and a body fit into 31,000, and no fourth for 18 s.
    [RateLimits(tokens_per_minute=31_000), RateLimits(open_requests=3)],
    ids=["tokens a minute", "open at once"],
)
def test_what_runs_at_one_core_counts_at_the_other(fleet: GivenFleet, limits: RateLimits) -> None:
    """With as much open as the limit has, both refuse; an end at one is room at the other."""
    left, right = fleet.doors(rate_limits=limits)
    alone = unshared(fleet)
    body = CHAT | {"max_tokens": 10_000}

    def admitted() -> bool:
        return attempt(right, "openai", body).status == 200

    with ExitStack() as streams:
        opened = [
            streams.enter_context(open_stream(buyer, "openai", HANGS, body))
            for buyer in (left, right, left)
        ]
        answers = [attempt(buyer, "openai", body).status for buyer in (left, right)]
        assert answers.count(429) >= len(answers) - (unshared(fleet) - alone), answers
        # Its client leaves the left facade: settled by what was delivered, the rest goes back.
        opened[0].leave()
        eventually(admitted, RECOVERY_WAIT_S, "room at the other core")
    eventually(lambda: not left.key().held_nano_usd, RECOVERY_WAIT_S, "every charge")


def test_without_redis_each_core_has_its_own_share(fleet: GivenFleet) -> None:
    """Stopped, every core counts alone; back, both count together; the log tells each change."""
    limits = RateLimits(requests_per_minute=2)
    logs = [core.log for core in fleet.fleet.cores]

    def told(line: str) -> list[int]:
        return [log.read_text().count(line) for log in logs]

    away, back = told("Redis is away"), told("Redis answers again")
    left, right = fleet.doors(rate_limits=limits)
    fleet.redis.stop()
    try:
        for buyer in (left, right):
            assert [status(buyer) for _ in range(3)] == [200, 200, 429]
    finally:
        fleet.redis.start()
    eventually(
        lambda: all(map(gt, told("Redis answers again"), back)),
        RECOVERY_WAIT_S,
        "its return at both cores",
    )
    assert all(map(gt, told("Redis is away"), away))
    left, right = fleet.doors(rate_limits=limits)
    for _ in range(2):
        alone = unshared(fleet)
        answers = [status(buyer) for buyer in (left, right, left, right)]
        assert 2 <= answers.count(200) <= 2 + unshared(fleet) - alone, answers
        # Flushed, the limit begins anew, once for both.
        fleet.redis.flush()


async def test_money_does_not_depend_on_redis(fleet: GivenFleet) -> None:
    """Flushed, slowed, stopped and back under load, each request is answered and charged once."""
    doors = await asyncio.to_thread(fleet.doors, rate_limits=GENEROUS)
    faults: list[Callable[[], None]] = [
        fleet.redis.flush,
        lambda: fleet.redis.slow(500),
        fleet.redis.stop,
        fleet.redis.start,
        fleet.redis.flush,
    ]
    completed: list[str] = []
    for fault in (*faults, None):
        async with asyncio.TaskGroup() as tasks:
            load = tasks.create_task(
                fire_at_both(doors, PER_ROUND, "input=9; output=5; chunk_delay_ms=20")
            )
            if fault is not None:
                tasks.create_task(asyncio.to_thread(fault))
        outcomes = load.result()
        assert outcomes.statuses == {200: 2 * PER_ROUND}
        completed += outcomes.completed
    buyer = doors[0]
    events = await asyncio.to_thread(buyer.events)
    assert sorted(event.request_id for event in events) == sorted(completed)
    assert {event.charged_nano_usd for event in events} == {COST_NANO_USD}
    key = await asyncio.to_thread(buyer.key)
    assert (key.spent_nano_usd, key.held_nano_usd) == (len(completed) * COST_NANO_USD, 0)
    assert await asyncio.to_thread(fleet.fleet.audit) == 0
