"""A seeded list of faults, carried out one after another while the load runs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from tests.chaos.cluster import READY_WAIT_S, Cluster, Core
from tests.harness import eventually
from tests.servers.postgres import PostgresServer

FREEZE_S = (2.0, 6.0)
"""Longer than a transaction may be idle, so that the frozen one loses its locks."""


@dataclass(frozen=True)
class Faults:
    """How many of each."""

    kills: int
    freezes: int
    restarts: int

    def plan(self, rng: random.Random) -> list[str]:
        """All of them in a seeded order."""
        plan = ["kill"] * self.kills + ["freeze"] * self.freezes + ["restart"] * self.restarts
        rng.shuffle(plan)
        return plan


def tormenting(
    faults: Faults,
    server: PostgresServer | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Callable[[Cluster, random.Random], Awaitable[Counter[str]]]:
    """What `run` does to its cluster: every fault, in a seeded order."""
    return partial(_torment, faults=faults, server=server, say=say)


async def _torment(
    cluster: Cluster,
    rng: random.Random,
    *,
    faults: Faults,
    server: PostgresServer | None,
    say: Callable[[str], None],
) -> Counter[str]:
    done: Counter[str] = Counter()
    for number, fault in enumerate(faults.plan(rng), start=1):
        await asyncio.sleep(rng.uniform(0.1, 0.8))
        if fault == "restart":
            assert server is not None
            mode = rng.choice(("immediate", "immediate", "fast"))
            what = f"database restart ({mode})"
            await asyncio.to_thread(server.restart, mode)
        else:
            core = rng.choice(cluster.cores)
            # A core that is still starting has nothing to lose yet.
            await asyncio.to_thread(eventually, core.serving, READY_WAIT_S, f"core {core.number}")
            what = f"{fault} core {core.number}"
            await (_freeze(core, rng) if fault == "freeze" else asyncio.to_thread(core.kill))
        done[fault] += 1
        say(f"{number}: {what}")
    for core in cluster.cores:
        await asyncio.to_thread(eventually, core.serving, READY_WAIT_S, f"core {core.number}")
    return done


async def _freeze(core: Core, rng: random.Random) -> None:
    core.freeze()
    try:
        await asyncio.sleep(rng.uniform(*FREEZE_S))
    finally:
        core.thaw()
