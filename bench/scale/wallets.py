"""Wallets: one that all spend from, many, and one hot among many cold; one worker and two.

Requests go through the whole gateway on PostgreSQL, from keys that the load generator takes
in turn. Half of the requests of the mixed load are of the hot wallet's key.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mintgate import Client

from bench import page, wrk
from bench.contenders.mintgate import start_postgres
from bench.measure import settle_down
from bench.memory import processor_s
from bench.upstream import upstream
from bench.workload import CASE_BY_NAME, PATH

CASE = CASE_BY_NAME["json-32"]
CLIENTS = 64
COLD = 500
WORKERS = (1, 2)
GRANT_USD = "1000"
WARM_UP_S = 1.0


@dataclass(frozen=True)
class Figures:
    """What one load came to."""

    workers: int
    load: str
    wallets: int
    per_second: float
    p50_ms: float
    p99_ms: float
    processor_s_per_1000: float


def measure(cold: int, workers: Sequence[int], seconds: float) -> list[Figures]:
    """A fresh gateway for each number of workers; every load on each."""
    found = []
    for count in workers:
        with (
            upstream() as address,
            start_postgres(address, MINTGATE_WORKERS=str(count)) as running,
        ):
            secrets = wallets(running.target, running.operator, cold)
            hot = running.headers["authorization"].removeprefix("Bearer ")
            loads = {
                "one wallet": [hot],
                "many wallets": secrets,
                "one hot, many cold": [part for each in secrets for part in (hot, each)],
            }
            for name, keys in loads.items():
                run(running.url, keys, WARM_UP_S)
                before_s = processor_s(running.roots)
                figures = run(running.url, keys, seconds)
                spent_s = processor_s(running.roots) - before_s
                settle_down(running.roots)
                assert not figures.failures, f"{name}: {figures.failures} requests failed"
                found.append(
                    Figures(
                        workers=count,
                        load=name,
                        wallets=len(set(keys)),
                        per_second=figures.per_second,
                        p50_ms=figures.p50_ms,
                        p99_ms=figures.p99_ms,
                        processor_s_per_1000=1_000 * spent_s / max(1, figures.requests),
                    )
                )
                print(found[-1], file=sys.stderr)
    return found


def run(url: str, secrets: Sequence[str], seconds: float) -> wrk.Figures:
    """One load, each request of the next key."""
    headers = {"authorization": f"Bearer {secrets[0]}"}
    return wrk.run(
        url + PATH, CASE.body, headers, clients=CLIENTS, seconds=seconds, secrets=secrets
    )


def wallets(target: str, operator: str, count: int) -> list[str]:
    """So many accounts with money; returns a key of each."""
    with Client(target, operator) as client:
        return [
            client.accounts.create(f"cold {number}", grant_usd=GRANT_USD).master_secret
            for number in range(count)
        ]


def text(rows: Sequence[dict[str, Any]]) -> str:
    """The part of the page."""
    return page.table(
        (
            "load",
            "facade workers",
            "wallets",
            "requests/s",
            "p50, ms",
            "p99, ms",
            "processor s / 1,000",
        ),
        [
            [
                row["load"],
                row["workers"],
                page.number(row["wallets"]),
                page.number(row["per_second"]),
                page.number(row["p50_ms"], 1),
                page.number(row["p99_ms"], 1),
                page.number(row["processor_s_per_1000"], 2),
            ]
            for row in rows
        ],
    )
