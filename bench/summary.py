"""Rounds into figures: medians, ratios to the direct call and plain proxies, latency.

A ratio and a difference are taken within a round, and the median over rounds is of them:
what slows a whole round down then cancels out.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

Turn = dict[str, Any]
"""What `measure.Turn.as_json` gives."""
Round = dict[str, Turn]
"""The turns of one round, by contender."""

DIRECT = "direct"
NGINX = "nginx"
PYTHON = "python"


def summarise(rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    """Medians of every contender that had at least one turn, in the order of the rounds."""
    names = dict.fromkeys(name for each in rounds for name in each)
    return {name: _contender(name, [each for each in rounds if name in each]) for name in names}


def _contender(name: str, rounds: Sequence[Round]) -> dict[str, Any]:
    turns = [each[name] for each in rounds]
    return {
        "cases": {case: _case(name, case, rounds) for case in turns[0]["cases"]},
        "memory_mb": round(statistics.median(turn["memory_mb"] for turn in turns), 1),
        # The worst of all rounds: a cap that is passed once is passed.
        "answered": max(turn["overspend"]["answered"] for turn in turns),
        "over_nano_usd": max(turn["overspend"]["over_nano_usd"] for turn in turns),
    }


def _case(name: str, case: str, rounds: Sequence[Round]) -> dict[str, float | None]:
    def mine(field: str) -> float:
        return median([each[name]["cases"][case][field] for each in rounds])

    def against(other: str, combine: Callable[[Turn, Turn], float | None]) -> float | None:
        values = [
            combine(each[name]["cases"][case], each[other]["cases"][case])
            for each in rounds
            if other in each
        ]
        known = [value for value in values if value is not None]
        return median(known) if known else None

    return {
        "per_second": mine("per_second"),
        "p50_ms": mine("p50_ms"),
        "p99_ms": mine("p99_ms"),
        "processor_s_per_1000": mine("processor_s_per_1000"),
        "failures": sum(each[name]["cases"][case]["failures"] for each in rounds),
        "of_direct": against(DIRECT, ratio),
        "of_nginx": against(NGINX, ratio),
        "of_python": against(PYTHON, ratio),
        "added_p50_ms": against(DIRECT, lambda a, b: added(a, b, "p50_ms")),
        "added_p99_ms": against(DIRECT, lambda a, b: added(a, b, "p99_ms")),
    }


def median(values: Sequence[float]) -> float:
    """The middle one, short enough to read."""
    return round(statistics.median(values), 4)


def ratio(mine: Turn, other: Turn) -> float | None:
    """Answers a second, mine to another's; unknown where the other had none."""
    return mine["per_second"] / other["per_second"] if other["per_second"] else None


def added(mine: Turn, other: Turn, field: str) -> float | None:
    """How much longer mine took; unknown where nothing was answered."""
    if not mine["per_second"] or not other["per_second"]:
        return None
    return float(mine[field] - other[field])
