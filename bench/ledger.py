"""Reserve and settle pairs a second through lanes and store, without gRPC or providers.

    python -m bench.ledger --store postgresql://user@host/database
    python -m bench.ledger --store sqlite:////tmp/books.db --wallets 16 --lanes 2

The database must be migrated. A new account is made for every run; every charge is
written with its detail and its rollup, and the books are audited at the end.
`python -m bench.scale --parts ledger` runs this on a private PostgreSQL and on SQLite; see
`bench/stores.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop
from mintgate.ids import new_id
from mintgate_core.ids import new_account_id, new_key_id, new_line_id
from mintgate_core.lane import Lanes
from mintgate_core.ledger.operations import Grant, Reserved, Settled
from mintgate_core.ledger.types import Account, KeyScope
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance import Tenant
from mintgate_core.stores.conformance.builders import build_key, settling
from mintgate_core.stores.postgres import PostgresStore, PostgresUrl
from mintgate_core.stores.sqlite import SqliteStore

BALANCE_NANO_USD = 10**15
HOLD_NANO_USD = 1_000
COST_NANO_USD = 700
WARM_UP_S = 1.0


@dataclass(frozen=True)
class Load:
    """How many clients spend from how many wallets, over how many lanes."""

    clients: int
    wallets: int
    lanes: int


@dataclass(frozen=True)
class Pairs:
    """What one run came to."""

    per_second: float
    p50_ms: float
    p99_ms: float
    findings: int
    """Of the audit after the run; anything but 0 makes the figures worthless."""


async def open_store(url: str) -> Store:
    """Open what MINTGATE_STORE would name."""
    if url.startswith("postgresql://"):
        return await PostgresStore.open(PostgresUrl.parse(url))
    return SqliteStore.open(Path(url.removeprefix("sqlite:///")))


async def tenant(store: Store) -> Tenant:
    """A new account with money, whose ids no earlier run used."""
    now_ms = await store.now_ms()
    account = Account(
        new_account_id(), "bench", new_line_id(now_ms), postpaid=False, created_at_ms=now_ms
    )
    key_id = new_key_id()
    key = build_key(
        account,
        scope=KeyScope.MASTER,
        key_id=key_id,
        line_ids=(new_line_id(now_ms),),
        secret_sha256=hashlib.sha256(key_id.encode()).digest(),
    )
    await store.add_account(account, key)
    await store.apply([Grant(new_id(), account.wallet_id, BALANCE_NANO_USD, "bench")])
    return Tenant(store, account, key)


async def measure(url: str, load: Load, seconds: float) -> Pairs:
    """Run clients that each reserve and settle, one pair after the other."""
    store = await open_store(url)
    lanes = Lanes(store, load.lanes)
    tenants = [await tenant(store) for _ in range(load.wallets)]
    latencies_ms: list[float] = []
    stop_at = 0.0
    count_from = 0.0

    async def client(number: int) -> None:
        mine = tenants[number % len(tenants)]
        while (started := time.perf_counter()) < stop_at:
            reserve = mine.reserving(mine.master, HOLD_NANO_USD, hold_id=new_id())
            (held,) = await lanes.submit([reserve])
            assert isinstance(held, Reserved), held
            (settled,) = await lanes.submit([settling(held.token, COST_NANO_USD)])
            assert isinstance(settled, Settled), settled
            if started >= count_from:
                latencies_ms.append(1_000 * (time.perf_counter() - started))

    count_from = time.perf_counter() + WARM_UP_S
    stop_at = count_from + seconds
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lanes.run())
        await asyncio.gather(*(client(number) for number in range(load.clients)))
        running.cancel()
    findings = sum(len(check.findings) for check in await store.audit(full=True))
    await store.close()
    cuts = statistics.quantiles(latencies_ms, n=100)
    return Pairs(len(latencies_ms) / seconds, cuts[49], cuts[98], findings)


def main() -> None:
    """Read the command line and run once."""
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--store", required=True, help="sqlite:///path or postgresql://…")
    parser.add_argument("--clients", type=int, default=256)
    parser.add_argument("--wallets", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    load = Load(options.clients, options.wallets, options.lanes)
    pairs = uvloop.run(measure(options.store, load, options.seconds))
    print(
        f"{pairs.per_second:,.0f} pairs/s, pair p50 {pairs.p50_ms:.1f} ms, p99 {pairs.p99_ms:.1f}"
        f" ms; {load.clients} clients, {load.wallets} wallets, {load.lanes} lanes;"
        f" audit: {pairs.findings} findings"
    )
    assert not pairs.findings


if __name__ == "__main__":
    main()
