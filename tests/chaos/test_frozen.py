"""A core that is frozen at the worst moment: while it holds a wallet's lock."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from mintgate import new_id
from mintgate.v1.ledger_pb2 import Operation

from tests.chaos.cluster import Cluster
from tests.chaos.workload import reserving
from tests.harness import eventually
from tests.servers.postgres import HOST, PostgresServer
from tests.servers.proxy import running_proxy

LOCKED = (
    "select count(*) from pg_stat_activity where datname = current_database()"
    " and state = 'idle in transaction' and exists (select from pg_locks"
    " where pg_locks.pid = pg_stat_activity.pid and relation = 'line'::regclass"
    " and mode = 'RowShareLock' and granted)"
)
"""Transactions that have locked a wallet and wait for what their core decides."""

FREED_WITHIN_S = 5.0
"""For others: the server ends a transaction that is idle for 1.5 s, here with a margin."""
ASK_WAIT_S = 30.0
TTL_MS = 60_000
HOLD_NANO_USD = 45_000
"""Of the workload's reserve."""


async def test_frozen_holder_of_a_lock_stops_nobody(
    postgres: PostgresServer, empty_database: str, tmp_path: Path
) -> None:
    """Others get the wallet within seconds; thawed, the core tries again and nothing doubles."""
    store = postgres.url(empty_database)
    cluster = Cluster(tmp_path, store, 2)
    frozen = cluster.cores[0]
    with running_proxy(HOST, postgres.port) as proxy:
        frozen.environment = cluster.environment | {
            "MINTGATE_STORE": store.replace(f":{postgres.port}/", f":{proxy.port}/")
        }
        await asyncio.to_thread(cluster.start)
        try:
            await cluster.connect()
            through_frozen, through_other = cluster.links
            async with cluster.client(core=1) as client:
                made = await client.accounts.create("hot", grant_usd="1")
            key_id = made.master_key.id
            moments: list[float] = []

            def freeze(_reply: bytes) -> None:
                # The server's answer is here and the core has not seen it yet.
                if not moments and postgres.execute(LOCKED, empty_database) == [(1,)]:
                    moments.append(time.monotonic())
                    frozen.freeze()

            def asking() -> Operation:
                return Operation(reserve=reserving(new_id(), key_id, TTL_MS))

            proxy.on_reply = freeze
            first = through_frozen.submit(asking(), ASK_WAIT_S)
            await asyncio.to_thread(eventually, lambda: moments, ASK_WAIT_S, "a lock")
            assert postgres.execute(LOCKED, empty_database) == [(1,)]
            second = await through_other.submit(asking(), ASK_WAIT_S)
            assert time.monotonic() - moments[0] < FREED_WITHIN_S
            assert second.HasField("reserved")
            assert not first.done()
            frozen.thaw()
            assert (await first).HasField("reserved")
            async with cluster.client(core=1) as client:
                holds = await client.ledger.holds(account_id=made.account.id)
            assert [hold.amount_nano_usd for hold in holds] == [HOLD_NANO_USD] * 2
            assert await asyncio.to_thread(cluster.audit) == 0
        finally:
            proxy.on_reply = None
            await cluster.disconnect()
            await asyncio.to_thread(cluster.stop)
