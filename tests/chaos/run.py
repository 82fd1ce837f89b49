"""One run: load, faults, quiet, and the verdict."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.chaos.cluster import Cluster
from tests.chaos.history import check
from tests.chaos.workload import TTL_MS, Load

QUIET_WAIT_S = TTL_MS / 1_000 + 25
"""A hold's time to live, a core's grace after its start, sweeps of 200, a busy machine."""

Torment = Callable[[Cluster, random.Random], Awaitable[Counter[str]]]
"""Carries out faults while the load runs, and says how many of each kind there were."""

WALLETS = 6
BUYERS = 24


@dataclass
class Verdict:
    """What a run did, and what was wrong."""

    seed: int
    seconds: float = 0.0
    kills: int = 0
    freezes: int = 0
    restarts: int = 0
    operations: dict[str, int] = field(default_factory=dict)
    settles_acknowledged: int = 0
    settles_lost: int = 0
    charged_twice: int = 0
    overspent: int = 0
    audit_findings: int = 0
    holds_left: int = 0
    wrong: list[str] = field(default_factory=list)

    def document(self) -> dict[str, object]:
        """For a report."""
        return asdict(self)


async def run(
    directory: Path, store: str, torment: Torment, *, seed: int, cores: int = 3
) -> Verdict:
    """Run and judge. The moments and choices of both sides come from the seed."""
    verdict = Verdict(seed)
    started = time.monotonic()
    cluster = Cluster(directory, store, cores, MINTGATE_LOG_LEVEL="warning")
    await asyncio.to_thread(cluster.start)
    try:
        await cluster.connect()
        load = Load(cluster, random.Random(seed))  # noqa: S311 - a repeatable course
        await load.open_wallets(WALLETS)
        async with asyncio.TaskGroup() as buyers:
            for _ in range(BUYERS):
                buyers.create_task(load.buy())
            moments = random.Random(seed + 1)  # noqa: S311 - likewise
            done = await torment(cluster, moments)
            load.stop.set()
        verdict.kills, verdict.freezes, verdict.restarts = (
            done["kill"],
            done["freeze"],
            done["restart"],
        )
        verdict.holds_left = await cluster.no_holds(QUIET_WAIT_S)
        await load.read_journals()
        verdict.audit_findings = await asyncio.to_thread(cluster.audit)
    finally:
        # Links first: they never end by themselves, and would keep a failed run for ever.
        await cluster.disconnect()
        await asyncio.to_thread(cluster.stop)
    verdict.wrong = load.wrong + [text for wallet in load.wallets for text in check(wallet)]
    verdict.operations = dict(load.counts)
    held = [hold for wallet in load.wallets for hold in wallet.granted.values()]
    verdict.settles_acknowledged = sum(hold.settled is not None for hold in held)
    verdict.settles_lost = sum(text.startswith("LOST settle") for text in verdict.wrong)
    verdict.charged_twice = sum(text.startswith("DOUBLE") for text in verdict.wrong)
    verdict.overspent = sum(text.startswith("OVERSPENT") for text in verdict.wrong)
    verdict.seconds = round(time.monotonic() - started, 1)
    return verdict
