"""`python -m bench`: the gateway against a direct call, then the ledger on each store.

Direct and through the gateway are measured in one run, alternating, with the same load
generator, the same simulated provider and the same two cores; so are the stores. The
figures are medians of the rounds. Absolute numbers are this machine's, the ratios travel.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.client import Sample, load, render
from bench.memory import resident_mb
from bench.stores import rows as ledger_rows
from tests.harness import Installation, installation

ROUNDS = 3
SECONDS = 5.0
WARM_UP_S = 1.0
CLIENTS = 32
OPEN_STREAMS = 1_000
OPEN_STREAMS_S = 10

MESSAGES = [
    {"role": "system", "content": "You are terse."},
    {"role": "user", "content": "Say something about the sea. " * 8},
]
JSON_BODY = {"model": "gpt-4o-mini", "messages": MESSAGES, "max_tokens": 200}
STREAM_BODY = JSON_BODY | {"stream": True, "stream_options": {"include_usage": True}}


@dataclass(frozen=True)
class Case:
    """One thing to measure."""

    name: str
    body: bytes
    clients: int
    simulate: str = ""


CASES = (
    Case("json, 1 client", json.dumps(JSON_BODY).encode(), 1),
    Case(f"json, {CLIENTS} clients", json.dumps(JSON_BODY).encode(), CLIENTS),
    Case("stream of 20, 1 client", json.dumps(STREAM_BODY).encode(), 1, "chunks=20"),
    Case(
        f"stream of 20, {CLIENTS} clients", json.dumps(STREAM_BODY).encode(), CLIENTS, "chunks=20"
    ),
)


def main() -> int:
    """Measure every case and print the tables; exits 1 when a request or the books failed."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="mintgate-bench-") as name,
        installation(Path(name), MINTGATE_LOG_LEVEL="warning") as gateway,
    ):
        _, secret = gateway.mint(None)
        rows = [
            uvloop.run(measure(gateway, secret, case, options.rounds, options.seconds))
            for case in CASES
        ]
        memory = uvloop.run(memory_mb(gateway, secret))
        gateway.audit()
    ledger = ledger_rows(options.rounds, options.seconds)
    report = {
        "machine": platform.platform(),
        "cases": rows,
        "memory_mb": memory,
        "ledger": ledger,
    }
    print(json.dumps(report, indent=1) if options.json else text(rows, memory, ledger))
    failed = any(row["failures"] for row in rows) or any(row["audit_findings"] for row in ledger)
    return int(failed)


async def measure(
    gateway: Installation, secret: str, case: Case, rounds: int, seconds: float
) -> dict[str, object]:
    """Alternate between direct and through the gateway."""
    targets = {
        "direct": (f"{gateway.simulator_url}/openai/v1/chat/completions", "sk-direct"),
        "gateway": (f"{gateway.url}/v1/chat/completions", secret),
    }
    samples: dict[str, list[Sample]] = {"direct": [], "gateway": []}
    for side, (url, credential) in targets.items():
        request = render(url, case.body, credential, case.simulate)
        await load(url, request, clients=case.clients, seconds=WARM_UP_S)
        samples[side] = []
    for _ in range(rounds):
        for side, (url, credential) in targets.items():
            request = render(url, case.body, credential, case.simulate)
            samples[side].append(await load(url, request, clients=case.clients, seconds=seconds))
    direct, through = samples["direct"], samples["gateway"]
    return {
        "case": case.name,
        "failures": sum(sample.failures for sample in direct + through),
        "direct_per_second": median(direct, lambda s: s.per_second),
        "gateway_per_second": median(through, lambda s: s.per_second),
        "added_p50_ms": round(median(through, p50) - median(direct, p50), 3),
        "added_p99_ms": round(median(through, p99) - median(direct, p99), 3),
        "direct_p50_ms": median(direct, p50),
        "gateway_p50_ms": median(through, p50),
        "gateway_p99_ms": median(through, p99),
    }


async def memory_mb(gateway: Installation, secret: str) -> dict[str, float]:
    """Resident memory of core and facade while a thousand streams are open."""
    url = f"{gateway.url}/v1/chat/completions"
    slow = f"chunks=20; chunk_delay_ms={OPEN_STREAMS_S * 1_000 // 20}"
    request = render(url, json.dumps(STREAM_BODY).encode(), secret, slow)
    async with asyncio.TaskGroup() as tasks:
        # One request each: the next would begin after the time is over.
        tasks.create_task(load(url, request, clients=OPEN_STREAMS, seconds=1.0))
        await asyncio.sleep(OPEN_STREAMS_S * 0.8)
        return {child: resident_mb(gateway.pid(child)) for child in ("core", "facade-0")}


def p50(sample: Sample) -> float:
    """Median latency of one round."""
    return sample.percentile_ms(50)


def p99(sample: Sample) -> float:
    """99th percentile of one round."""
    return sample.percentile_ms(99)


def median(samples: list[Sample], figure: Callable[[Sample], float]) -> float:
    """Median over rounds."""
    return round(statistics.median(figure(sample) for sample in samples), 3)


def text(
    rows: list[dict[str, object]], memory: dict[str, float], ledger: list[dict[str, object]]
) -> str:
    """The figures for a terminal."""
    held = ", ".join(f"{child} {value:.0f} MB" for child, value in memory.items())
    return "\n".join(
        [
            table(rows),
            f"memory with {OPEN_STREAMS:,} open streams: {held}",
            "",
            "reserve and settle pairs through lanes and store:",
            table(ledger),
        ]
    )


def table(rows: list[dict[str, object]]) -> str:
    """Rows of equal columns, a line each."""
    columns = list(rows[0])
    lines = ["  ".join(f"{name:>22}" for name in columns)]
    lines += ["  ".join(f"{row[name]!s:>22}" for name in columns) for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
