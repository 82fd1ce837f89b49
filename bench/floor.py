"""The regression guard: a ratio to nginx against a stored one, never absolute time.

nginx in front of the same upstream, under the same load, in the same minute says how much
the machine could do just now. It is no exact measure of what Python can do there: of one
version 24 % were found on one processor and 11 % on another that runs Python at a third of
the speed and nginx at half. So the lower ratios are stored, and only a fall below half of
them fails: a guard that cries wolf is switched off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FLOOR = Path(__file__).with_name("floor.json")
LEAST_SHARE = 0.5
"""Of the stored ratio."""

Ratios = Mapping[str, Mapping[str, float]]
"""Answers a second to nginx's, by contender and case."""


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
