"""Whether what was measured is what docs/performance.md says, by ratios, which travel."""

from __future__ import annotations

from typing import Any

from bench.contenders import BY_NAME
from bench.page import DASH, number, table
from bench.summary import DIRECT, NGINX

CASES = ("json-32", "stream-32")
OURS = "mintgate"
COMPILED = {DIRECT, NGINX}
"""A ratio of Python to compiled code is the machine's, not a version's."""


def beside(found: dict[str, Any], kept: dict[str, Any]) -> str:
    """Ours as a multiple of each other contender: in the page, and now."""
    rows = [
        [BY_NAME[ours].title, BY_NAME[other].title]
        + [times(figures, ours, other, case) for case in CASES for figures in (kept, found)]
        for ours in found
        for other in found
        if ours.startswith(OURS) and not other.startswith(OURS) and other not in COMPILED
    ]
    head = ["", "times", *(f"{case}, {when}" for case in CASES for when in ("page", "now"))]
    return table(head, rows)


def times(figures: dict[str, Any], ours: str, other: str, case: str) -> str:
    """Answers a second, ours to another's; a dash where either has none."""
    both = [figures.get(name, {}).get("cases", {}).get(case) for name in (ours, other)]
    if not all(each and each["per_second"] for each in both):
        return DASH
    mine, theirs = (each["per_second"] for each in both)
    return number(mine / theirs, 2)
