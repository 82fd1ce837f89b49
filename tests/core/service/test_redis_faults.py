"""Redis flushed, stopped or slow under load: not a nano-dollar comes out differently."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from mintgate import RateLimits
from mintgate.v1 import ledger_pb2
from mintgate_core.stores.memory import MemoryStore

from tests.core.service.harness import OPERATOR, START_MS, Result, Rig, TurnedClock, price_of
from tests.ports import free_port
from tests.servers.redis import RedisServer, running_redis

ROUNDS, PER_ROUND = 8, 40
FAULT_ROUND = 3
GENEROUS = RateLimits(requests_per_minute=1_000_000, tokens_per_minute=10**9, open_requests=10_000)
"""Limits that are checked for every request and refuse none."""

SEED = 20_261_125

Fault = Callable[[RedisServer], None]

Outcome = tuple[list[str], Sequence[tuple[int, ...]]]

FAULTS: dict[str, Fault] = {
    "flushed": lambda server: server.flush(),
    "stopped": lambda server: server.stop(),
    "slow": lambda server: server.slow(5_000),
}


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that the test may break."""
    with running_redis() as server:
        yield server


async def outcome(directory: Path, server: RedisServer | None, fault: Fault | None) -> Outcome:
    """What a fixed load is answered, and the journal that it leaves."""
    clock = TurnedClock(START_MS)
    rig = Rig(directory, clock, server.url if server else None)
    await rig.start()
    try:
        await rig.client(OPERATOR).meter.put_price(price_of())
        minted = await rig.client().keys.mint("user", cap_usd="0.006", rate_limits=GENEROUS)
        answers = await _load(rig, clock, minted.secret, lambda: fault and server and fault(server))
        key = await rig.core.store.key(minted.key.id)
        assert key is not None
        journal = await rig.core.store.journal(key.wallet_id, 0, 1_000)
        assert [
            line for check in await rig.core.store.audit(full=True) for line in check.findings
        ] == []
    finally:
        await rig.stop()
    # Holds that are due at the same moment expire in the order of their random ids.
    entries = [(int(e.kind), e.granted, e.held, e.actual, e.charged, e.absorbed) for e in journal]
    return answers, sorted(entries)


async def _load(
    rig: Rig, clock: TurnedClock, secret: str, fault: Callable[[], object]
) -> list[str]:
    """Rounds of reserves, of which some are settled, some released and some left to expire."""
    drawn = random.Random(SEED)  # noqa: S311 - a load, not a secret
    told: list[str] = []
    async with rig.link() as link:
        for number in range(ROUNDS):
            if number == FAULT_ROUND:
                await asyncio.to_thread(fault)
            reserves = [_reserve(rig, secret, drawn) for _ in range(PER_ROUND)]
            held = await link.send(*reserves)
            told += [_said(result) for result in held]
            ends = [
                end
                for reserve, result in zip(reserves, held, strict=True)
                if result.HasField("reserved") and (end := _end(rig, reserve, result, drawn))
            ]
            if ends:
                told += [_said(result) for result in await link.send(*ends)]
            # Refusals that are remembered must not reach into the next round.
            clock.advance(1_000)
    clock.advance(120_000)
    while await rig.sweep():
        pass
    return told


def _reserve(rig: Rig, secret: str, drawn: random.Random) -> ledger_pb2.Operation:
    bound = ledger_pb2.Bound(input_tokens=drawn.randrange(200), output_tokens=drawn.randrange(90))
    return rig.reserve(secret, bound=bound)


def _end(
    rig: Rig, reserve: ledger_pb2.Operation, result: Result, drawn: random.Random
) -> ledger_pb2.Operation | None:
    choice = drawn.random()
    if choice < 0.6:
        return rig.settle(reserve, result)
    if choice < 0.9:
        release = ledger_pb2.Release(
            hold_id=reserve.reserve.hold_id, hold_token=result.reserved.hold_token
        )
        return ledger_pb2.Operation(release=release)
    return None


def _said(result: Result) -> str:
    """An answer without what differs from run to run: identifiers and tokens."""
    kind = result.WhichOneof("outcome") or ""
    amounts = {
        "reserved": result.reserved.amount_nano_usd,
        "settled": result.settled.charged_nano_usd,
        "released": result.released.amount_nano_usd,
        "error": result.error.reason,
    }
    return f"{kind} {amounts[kind]}"


@pytest.mark.parametrize("fault", FAULTS)
async def test_money_does_not_depend_on_redis(
    tmp_path: Path, server: RedisServer, fault: str
) -> None:
    """Answers and journal are those of the run without Redis, whatever happens to it."""
    for name in ("plain", "shared", "broken"):
        (tmp_path / name).mkdir()
    plain = await outcome(tmp_path / "plain", None, None)
    assert any(line.startswith("error") for line in plain[0])
    assert await outcome(tmp_path / "shared", server, None) == plain
    assert await outcome(tmp_path / "broken", server, FAULTS[fault]) == plain


async def test_a_core_starts_without_its_redis(tmp_path: Path) -> None:
    """Unreachable at start is no reason to stay away: limits count in the core alone."""
    rig = Rig(tmp_path, TurnedClock(START_MS), f"redis://127.0.0.1:{free_port()}/0")
    await rig.start()
    await rig.client(OPERATOR).meter.put_price(price_of())
    limits = RateLimits(requests_per_minute=1)
    minted = await rig.client().keys.mint("user", cap_usd="1", rate_limits=limits)
    held, refused = await rig.apply(rig.reserve(minted.secret), rig.reserve(minted.secret))
    await rig.stop()
    assert held.HasField("reserved")
    assert refused.error.field == "requests_per_minute"


async def test_two_cores_share_the_limits_of_a_key(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    """What one core admitted is refused by another, and an end that one saw frees the other."""
    clock = TurnedClock(START_MS)
    store = MemoryStore(clock)
    one, two = (Rig(tmp_path, clock, redis_server.url, store) for _ in range(2))
    await one.start()
    await one.client(OPERATOR).meter.put_price(price_of())
    await two.start()
    limits = RateLimits(open_requests=1)
    minted = await one.client().keys.mint("user", cap_usd="1", rate_limits=limits)
    first, second = one.reserve(minted.secret), one.reserve(minted.secret)
    (held,) = await one.apply(first)
    (refused,) = await two.apply(second)
    assert refused.error.field == "open_requests"
    await one.apply(one.settle(first, held))
    (again,) = await two.apply(second)
    assert again.HasField("reserved")
    await two.stop()
    await one.stop()
