"""Fifty requests at once at a cap for a few, and what was spent beyond it.

The upstream answers after all have arrived, so that whoever counts only what is finished
lets all of them through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from bench.contenders.base import Running
from bench.workload import COST_NANO_USD, PATH, slow_body

PARALLEL = 50
CAP_NANO_USD = 5 * COST_NANO_USD
"""The worst case of a request is dearer than its cost: fewer than five fit at once."""

WAIT_S = 60.0


@dataclass(frozen=True)
class Overspend:
    """How the burst ended."""

    answered: int
    spent_nano_usd: int
    over_nano_usd: int
    """Beyond the cap; never below 0."""


def over(spent_nano_usd: int, cap_nano_usd: int = CAP_NANO_USD) -> int:
    """What was spent beyond a cap."""
    return max(0, spent_nano_usd - cap_nano_usd)


def burst(running: Running) -> Overspend:
    """Fire; with caps the ledger says what was spent, without them the answers do."""
    capped = running.capped(CAP_NANO_USD) if running.capped else None
    headers = capped.headers if capped else running.headers
    answered = asyncio.run(fire(running.url, headers))
    spent = capped.spent_nano_usd() if capped else answered * COST_NANO_USD
    return Overspend(answered, spent, over(spent))


async def fire(url: str, headers: Mapping[str, str]) -> int:
    """All at once; returns how many were answered with 200 to the end."""
    timeout = aiohttp.ClientTimeout(total=WAIT_S)
    connector = aiohttp.TCPConnector(limit=PARALLEL)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def one() -> int:
            sent = {"content-type": "application/json", **headers}
            async with session.post(url + PATH, data=slow_body(), headers=sent) as answer:
                await answer.read()
                return answer.status

        statuses = await asyncio.gather(*(one() for _ in range(PARALLEL)))
    return statuses.count(200)
