"""One contender, once: started, checked, loaded case by case, and stopped."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from bench import wrk
from bench.contenders.base import Contender, Running
from bench.memory import processor_s, proportional_mb
from bench.overspend import Overspend, burst
from bench.workload import (
    JSON_BODY,
    PATH,
    STREAM_BODY,
    Case,
    check_json,
    check_stream,
)

WARM_UP_S = 1.0
WARM_UP_CLIENTS = 32
IDLE_SHARE = 0.1
"""Of one processor: a contender that takes less has finished what a load left behind."""
IDLE_STEP_S = 0.25
IDLE_WAIT_S = 20.0
"""Some go on with the requests of clients that are gone."""
LONGEST_S = 20.0
ANSWERS_EACH = 2
"""How many answers every client should get in a run."""
PROBE_WAIT_S = 30.0


@dataclass(frozen=True)
class Measured:
    """What a contender did in one case."""

    per_second: float
    p50_ms: float
    p99_ms: float
    processor_s_per_1000: float
    failures: int


@dataclass(frozen=True)
class Turn:
    """What a contender did in one round."""

    cases: dict[str, Measured]
    memory_mb: float
    overspend: Overspend

    def as_json(self) -> dict[str, Any]:
        """For the file of results."""
        return asdict(self)


def probe(running: Running) -> None:
    """Fail unless both answers come back right: content, usage, and the stream's end."""
    for body, check in ((JSON_BODY, check_json), (STREAM_BODY, check_stream)):
        answer = httpx.post(
            running.url + PATH, json=body, headers=dict(running.headers), timeout=PROBE_WAIT_S
        )
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:400]}"
        check(answer.text)


def turn(contender: Contender, upstream: str, cases: Iterable[Case], seconds: float) -> Turn:
    """Start a contender, measure every case, and stop it. Raises when its answers are wrong."""
    with contender.start(upstream) as running:
        probe(running)
        warm_up(running, cases)
        measured: dict[str, Measured] = {}
        per_second = 0.0
        for case in cases:
            measured[case.name] = measure(running, case, duration_s(case, seconds, per_second))
            per_second = measured[case.name].per_second
        memory_mb = proportional_mb(running.roots)
        return Turn(measured, memory_mb, burst(running))


def duration_s(case: Case, seconds: float, per_second: float) -> float:
    """As long as was asked for, or longer where so many clients would wait for one answer.

    `per_second` is what this contender did in the case before.
    """
    if not per_second:
        return seconds
    return min(LONGEST_S, max(seconds, ANSWERS_EACH * case.clients / per_second))


def warm_up(running: Running, cases: Iterable[Case]) -> None:
    """Let caches fill and connections open, for each kind of answer."""
    for stream in sorted({case.stream for case in cases}):
        measure(running, Case(stream, WARM_UP_CLIENTS), WARM_UP_S)


def measure(running: Running, case: Case, seconds: float) -> Measured:
    """One load."""
    before_s = processor_s(running.roots)
    figures = wrk.run(
        running.url + PATH, case.body, running.headers, clients=case.clients, seconds=seconds
    )
    spent_s = processor_s(running.roots) - before_s
    settle_down(running.roots)
    return Measured(
        per_second=round(figures.per_second, 1),
        p50_ms=figures.p50_ms,
        p99_ms=figures.p99_ms,
        processor_s_per_1000=round(1_000 * spent_s / max(1, figures.requests), 3),
        failures=figures.failures,
    )


def settle_down(roots: tuple[int, ...]) -> None:
    """Wait until a contender has nothing left to do, or for as long as that may take."""
    deadline = time.monotonic() + IDLE_WAIT_S
    while time.monotonic() < deadline:
        before_s = processor_s(roots)
        time.sleep(IDLE_STEP_S)
        if processor_s(roots) - before_s < IDLE_SHARE * IDLE_STEP_S:
            return
