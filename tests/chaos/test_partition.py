"""The network between core and database fails in every way that a network can."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.run import run
from tests.chaos.test_chaos import assert_clean
from tests.servers.postgres import HOST, running_postgres
from tests.servers.proxy import Proxy, running_proxy

FAULTS: tuple[Callable[[Proxy], None], ...] = (
    Proxy.drop_replies,
    Proxy.drop_requests,
    Proxy.partition,
    Proxy.hold_replies,
    Proxy.refuse,
    Proxy.cut,
)
"""One way, the other, both, slow, closed, reset. All but the last last until healed."""

LASTS_S = (0.5, 3.0)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_partitions_between_core_and_database(tmp_path: Path) -> None:
    """Cores recover from each without a restart, and nothing is lost, doubled or overspent."""
    with running_postgres() as server, running_proxy(HOST, server.port) as proxy:

        async def partition(_cluster: Cluster, rng: random.Random) -> Counter[str]:
            for fault in (*FAULTS, *FAULTS):
                await asyncio.sleep(rng.uniform(0.3, 1.0))
                fault(proxy)
                await asyncio.sleep(rng.uniform(*LASTS_S))
                proxy.heal()
                if fault is not Proxy.hold_replies:
                    # A path that is back does not bring the lost bytes back.
                    proxy.cut()
            return Counter()

        url = server.url(server.create_database())
        verdict = await run(
            tmp_path,
            url.replace(f":{server.port}/", f":{proxy.port}/"),
            partition,
            seed=secrets.randbelow(2**31),
            cores=2,
        )
    assert_clean(verdict)
