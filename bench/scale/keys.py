"""Keys from ten to a million: what throughput, latency and the time of a batch become.

One account, as an app has it, with that many keys. Clients reserve and settle on keys
that are drawn anew for each request, through lanes and store.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import uvloop
from mintgate.ids import new_id
from mintgate_core.app import POSTGRES_LANES
from mintgate_core.lane import Lanes
from mintgate_core.ledger.operations import Operation, Reserved, Settled
from mintgate_core.ledger.types import Key
from mintgate_core.stores.conformance import Tenant
from mintgate_core.stores.conformance.builders import settling

from bench import page
from bench.ledger import COST_NANO_USD, HOLD_NANO_USD, open_store, tenant
from bench.scale.filling import PLACES, Place, analyse, chunks, fill_keys, key_id

STEPS = (10, 1_000, 100_000, 1_000_000)
CLIENTS = 256
WARM_UP_S = 1.0
CAP_NANO_USD = 10**12
SEED = 1


@dataclass(frozen=True)
class Figures:
    """What one number of keys came to."""

    store: str
    keys: int
    pairs_per_second: float
    p50_ms: float
    p99_ms: float
    operations_a_batch: float
    batch_ms: float
    database_us_an_operation: float


def measure(steps: Sequence[int], seconds: float, places: Sequence[str]) -> list[Figures]:
    """Fill further and measure again, on each store."""
    found = []
    for name in places:
        with PLACES[name]() as place:
            account, template = uvloop.run(begin(place))
            (line_id,) = template.line_ids
            filled = 0
            for count in sorted(steps):
                for first, last in chunks(count - filled):
                    fill_keys(place, filled + first, filled + last, template.key_id, line_id)
                filled = count
                analyse(place)
                print(f"{name}: {count:,} keys", file=sys.stderr)
                found.append(uvloop.run(load(place, account, template, count, seconds)))
    return found


async def begin(place: Place) -> tuple[Tenant, Key]:
    """An account with money, and the first of its keys, which all others are like."""
    store = await open_store(place.url)
    made = await tenant(store)
    line_id = made.account.wallet_id + 1
    template = await made.mint(key_id=key_id(0), line_ids=(line_id,), cap_nano_usd=CAP_NANO_USD)
    await store.close()
    return made, template


async def load(place: Place, account: Tenant, template: Key, count: int, seconds: float) -> Figures:
    """Reserve and settle on keys drawn at random, then audit."""
    store = await open_store(place.url)
    batches: list[tuple[int, float]] = []
    latencies_ms: list[float] = []
    draw = random.Random(SEED)  # noqa: S311 - a load that can be repeated
    count_from = time.perf_counter() + WARM_UP_S
    stop_at = count_from + seconds

    def on_batch(operations: Sequence[Operation], took_s: float) -> None:
        if time.perf_counter() >= count_from:
            batches.append((len(operations), took_s))

    lanes = Lanes(store, POSTGRES_LANES if place.server else 1, on_batch=on_batch)

    async def client() -> None:
        while (started := time.perf_counter()) < stop_at:
            key = replace(template, key_id=key_id(draw.randint(1, count)))
            reserve = account.reserving(key, HOLD_NANO_USD, hold_id=new_id())
            (held,) = await lanes.submit([reserve])
            assert isinstance(held, Reserved), held
            (settled,) = await lanes.submit([settling(held.token, COST_NANO_USD)])
            assert isinstance(settled, Settled), settled
            if started >= count_from:
                latencies_ms.append(1_000 * (time.perf_counter() - started))

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lanes.run())
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        running.cancel()
    findings = [finding for check in await store.audit(full=True) for finding in check.findings]
    await store.close()
    assert not findings, findings[:3]
    cuts = statistics.quantiles(latencies_ms, n=100)
    operations = sum(size for size, _ in batches)
    took_s = sum(took for _, took in batches)
    return Figures(
        store=place.name,
        keys=count,
        pairs_per_second=len(latencies_ms) / seconds,
        p50_ms=cuts[49],
        p99_ms=cuts[98],
        operations_a_batch=operations / len(batches),
        batch_ms=1_000 * took_s / len(batches),
        database_us_an_operation=1e6 * took_s / operations,
    )


def text(rows: Sequence[dict[str, Any]]) -> str:
    """The part of the page."""
    head = (
        "store",
        "keys",
        "pairs/s",
        "p50, ms",
        "p99, ms",
        "operations a batch",
        "a batch, ms",
        "an operation, us",
    )
    return page.table(
        head,
        [
            [
                row["store"],
                page.number(row["keys"]),
                page.number(row["pairs_per_second"]),
                page.number(row["p50_ms"], 1),
                page.number(row["p99_ms"], 1),
                page.number(row["operations_a_batch"]),
                page.number(row["batch_ms"], 1),
                page.number(row["database_us_an_operation"]),
            ]
            for row in rows
        ],
    )
