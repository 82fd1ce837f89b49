"""The regression guard: a ratio against a stored one, never absolute time.

The ratio is to a plain proxy in Python (`bench.forwarder`) in front of the same upstream,
loaded in turns of a second with ours. nginx is no yardstick for Python: of one version 24 %
of its throughput were found on one processor and 11 % on another, which runs Python at a
third of the speed and nginx at half, and 3.3 to 9.6 % on one machine within a quarter of an
hour. The ratio to Python was 37 to 56 % then. A fall below two thirds fails.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FLOOR = Path(__file__).with_name("floor.json")
LEAST_SHARE = 2 / 3
"""Of the stored ratio."""

Ratios = Mapping[str, Mapping[str, float]]
"""Answers a second to the plain proxy's, by contender and case."""


def stored() -> Ratios:
    """What was kept."""
    ratios: Ratios = json.loads(FLOOR.read_text())
    return ratios


def least(floor: Ratios, contender: str, case: str) -> float:
    """The lowest ratio that passes; 0 for what nothing was stored of."""
    return LEAST_SHARE * floor.get(contender, {}).get(case, 0.0)


def fallen(floor: Ratios, found: Ratios) -> list[tuple[str, str]]:
    """Contenders and cases that are below what passes."""
    return [
        (contender, case)
        for contender, cases in found.items()
        for case, ratio in cases.items()
        if ratio < least(floor, contender, case)
    ]
