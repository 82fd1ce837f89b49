"""Whether what was measured is what docs/performance.md says, by multiples of each other one."""

from __future__ import annotations

from typing import Any

from bench.contenders import BY_NAME, OURS
from bench.page import number, table
from bench.summary import DIRECT, NGINX, ratio

CASES = ("json-32", "stream-32")
COMPILED = {DIRECT, NGINX}
"""A ratio of Python to compiled code is the machine's, not a version's."""


def beside(found: dict[str, Any], kept: dict[str, Any]) -> str:
    """Ours as a multiple of each other contender: in the page, and now."""
    rows = [
        [BY_NAME[ours].title, BY_NAME[other].title]
        + [times(figures, ours, other, case) for case in CASES for figures in (kept, found)]
        for ours in found
        for other in found
        if ours in OURS and other not in OURS | COMPILED
    ]
    head = ["", "times", *(f"{case}, {when}" for case in CASES for when in ("page", "now"))]
    return table(head, rows)


def times(figures: dict[str, Any], ours: str, other: str, case: str) -> str:
    """Answers a second, ours to another's; a dash where either was not measured or did nothing."""
    mine, theirs = (figures.get(name, {}).get("cases", {}).get(case) for name in (ours, other))
    return number(ratio(mine, theirs) if mine and theirs else None, 2)
