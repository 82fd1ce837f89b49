"""What metrics cost: processor time a request, scraped every second against switched off.

    python -m bench.metrics

Two installations take turns. Processor time of core and facade is compared, pair by pair,
and not requests a second: other programs on the machine move it less.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx
import uvloop

from bench.client import load, render
from bench.memory import processor_ns
from bench.workload import JSON_BODY
from tests.harness import Installation, installation
from tests.ports import free_port

ROUNDS = 15
SECONDS = 4.0
WARM_UP_S = 3.0
CLIENTS = 8
SCRAPE_INTERVAL_S = 1.0
PROCESSES = ("core", "facade-0")


async def cost_us(gateway: Installation, secret: str, scraped: list[str], seconds: float) -> float:
    """Microseconds of processor time that a request takes in core and facade."""
    url = f"{gateway.url}/v1/chat/completions"
    request = render(url, json.dumps(JSON_BODY).encode(), secret)
    before_ns = spent_ns(gateway)
    async with AsyncExitStack() as ending:
        scraping = asyncio.ensure_future(scrape(scraped))
        ending.callback(scraping.cancel)
        sample = await load(url, request, clients=CLIENTS, seconds=seconds)
    with suppress(asyncio.CancelledError):
        await scraping
    assert not sample.failures
    return (spent_ns(gateway) - before_ns) / len(sample.latencies_ms) / 1_000


async def scrape(pages: list[str]) -> None:
    """Ask for every page once an interval, as Prometheus would."""
    async with httpx.AsyncClient() as client:
        while True:
            for page in pages:
                (await client.get(page)).raise_for_status()
            await asyncio.sleep(SCRAPE_INTERVAL_S)


def spent_ns(gateway: Installation) -> int:
    """Processor time so far."""
    return sum(processor_ns(gateway.pid(name)) for name in PROCESSES)


async def compare(off: Installation, on: Installation, port: int, rounds: int) -> list[float]:
    """Ratios, on to off, of one round after the other."""
    secrets = [gateway.mint(None)[1] for gateway in (off, on)]
    pages = [f"http://127.0.0.1:{each}/metrics" for each in (port, port + 1)]
    for gateway, secret in zip((off, on), secrets, strict=True):
        await cost_us(gateway, secret, [], WARM_UP_S)
    ratios = []
    for _ in range(rounds):
        without = await cost_us(off, secrets[0], [], SECONDS)
        scraped = await cost_us(on, secrets[1], pages, SECONDS)
        ratios.append(scraped / without)
        print(f"off {without:,.0f} us, on {scraped:,.0f} us a request: {ratios[-1]:.3f}")
    return ratios


def main() -> None:
    """Run both installations and print the ratios' median and spread."""
    parser = argparse.ArgumentParser(prog="python -m bench.metrics", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    port = free_port(consecutive=2)
    with (
        tempfile.TemporaryDirectory(prefix="mintgate-bench-") as one,
        tempfile.TemporaryDirectory(prefix="mintgate-bench-") as other,
        installation(Path(one), MINTGATE_LOG_LEVEL="warning", MINTGATE_WORKERS="1") as off,
        installation(
            Path(other),
            MINTGATE_LOG_LEVEL="warning",
            MINTGATE_WORKERS="1",
            MINTGATE_METRICS_PORT=str(port),
        ) as on,
    ):
        ratios = uvloop.run(compare(off, on, port, rounds))
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"on / off: median {middle:.3f}, half of the rounds from {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
