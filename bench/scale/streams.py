"""Open streams on one worker: memory of each, and how long the first byte takes.

Streams are opened at an even pace and stay open until all of them are; every one must end
whole. Memory is what core and facade have more than before the first of them.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import uvloop

from bench import page
from bench.client import TERMINATOR, render
from bench.contenders.base import Running
from bench.contenders.mintgate import start_sqlite
from bench.memory import resident_mb
from bench.upstream import upstream
from bench.workload import PATH, events, paused_body

STEPS = (100, 1_000, 2_500, 5_000)
OPENED_A_SECOND = 200
HOLD_S = 8.0
"""How long all of them are open together, at least."""
SETTLE_S = 2.0
"""Before memory is read."""
WARM_UP = 50
"""Streams before memory is read the first time: what starts lazily has started then."""
FILES_A_STREAM = 3


@dataclass
class Opened:
    """What the clients of one step saw."""

    first_byte_ms: list[float] = field(default_factory=list)
    whole: int = 0
    broken: int = 0


@dataclass(frozen=True)
class Figures:
    """What one number of streams came to."""

    streams: int
    facade_mb: float
    core_mb: float
    facade_kb_a_stream: float
    core_kb_a_stream: float
    first_byte_p50_ms: float
    first_byte_p99_ms: float
    broken: int


def measure(steps: Sequence[int]) -> list[Figures]:
    """A fresh gateway for each number, so that no step has the memory of another."""
    room_for_files(max(steps) * FILES_A_STREAM)
    found = []
    for count in steps:
        with upstream() as address, start_sqlite(address, MINTGATE_WORKERS="1") as running:
            found.append(uvloop.run(step(running, count)))
            print(f"{count:,} streams: {found[-1]}", file=sys.stderr)
    return found


def room_for_files(count: int) -> None:
    """Let this process and those that it starts have so many sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else max(count, 65_536)
    assert wanted >= count, f"{count:,} open files are needed, the system allows {hard:,}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def step(running: Running, count: int) -> Figures:
    """Open, read memory while all are open, and wait for every end."""
    await asyncio.gather(*(one(running, 0.0, Opened(), pause_s=0.0) for _ in range(WARM_UP)))
    await asyncio.sleep(SETTLE_S)
    before = memory_mb(running)
    opened = Opened()
    opening_s = count / OPENED_A_SECOND
    pause_s = (opening_s + HOLD_S) / len(events())
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(one(running, number / OPENED_A_SECOND, opened, pause_s=pause_s))
        await asyncio.sleep(opening_s + SETTLE_S)
        during = memory_mb(running)
    ordered = sorted(opened.first_byte_ms)
    cuts = statistics.quantiles(ordered, n=100) if len(ordered) > 1 else [0.0] * 99
    return Figures(
        streams=count,
        facade_mb=during["facade-0"],
        core_mb=during["core"],
        facade_kb_a_stream=1_024 * (during["facade-0"] - before["facade-0"]) / count,
        core_kb_a_stream=1_024 * (during["core"] - before["core"]) / count,
        first_byte_p50_ms=cuts[49],
        first_byte_p99_ms=cuts[98],
        broken=opened.broken,
    )


def memory_mb(running: Running) -> dict[str, float]:
    """Resident memory by process."""
    return {name: resident_mb(pid) for name, pid in running.children.items()}


async def one(running: Running, wait_s: float, opened: Opened, *, pause_s: float) -> None:
    """One stream, from its request to its end."""
    await asyncio.sleep(wait_s)
    address = urlsplit(running.url)
    credential = running.headers["authorization"].removeprefix("Bearer ")
    try:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        started = time.perf_counter()
        writer.write(render(running.url + PATH, paused_body(pause_s), credential))
        head = await reader.readuntil(b"data: ")
        opened.first_byte_ms.append(1_000 * (time.perf_counter() - started))
        rest = await reader.readuntil(TERMINATOR)
        writer.close()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        opened.broken += 1
        return
    whole = head.startswith(b"HTTP/1.1 200") and b"[DONE]" in rest
    opened.whole += whole
    opened.broken += not whole


def text(rows: Sequence[dict[str, Any]]) -> str:
    """The part of the page."""
    return page.table(
        (
            "open streams",
            "facade, MB",
            "core, MB",
            "facade, KB a stream",
            "core, KB a stream",
            "first byte p50, ms",
            "p99, ms",
            "refused or broken",
        ),
        [
            [
                page.number(row["streams"]),
                page.number(row["facade_mb"]),
                page.number(row["core_mb"]),
                page.number(row["facade_kb_a_stream"], 1),
                page.number(row["core_kb_a_stream"], 1),
                page.number(row["first_byte_p50_ms"], 1),
                page.number(row["first_byte_p99_ms"], 1),
                row["broken"],
            ]
            for row in rows
        ],
    )
