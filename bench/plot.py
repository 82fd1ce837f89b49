"""The comparison as a picture: throughput of each contender, on a scale of tens.

Drawn by hand, since what draws in Python brings image libraries with it, whose presence
changes what the SDKs of the tests take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from bench.contenders import BY_NAME, OURS

PANELS = {"json-32": "JSON requests/s, 32 clients", "stream-32": "20-event streams/s, 32 clients"}
COLOUR_OF_OURS = "#1f6f8b"
COLOUR_OF_OTHERS = "#9aa5ab"
TEXT = "#5b6570"
"""Legible on white and on black."""

ROW, BAR, LABEL, WIDTH, VALUE, TOP = 26, 17, 180, 230, 70, 34
"""Pixels: of a row, its bar's height, the names, the longest bar, its figure, the title."""


def draw(figures: Mapping[str, Any]) -> str:
    """An SVG with one panel a case; the same figures give the same picture."""
    panels = [
        panel(
            title,
            {name: each["cases"][case]["per_second"] for name, each in figures.items()},
            left=LABEL + number * (WIDTH + VALUE),
        )
        for number, (case, title) in enumerate(PANELS.items())
        if all(case in each["cases"] for each in figures.values())
    ]
    names = [
        text(LABEL - 8, middle(row), BY_NAME[name].title, "end") for row, name in enumerate(figures)
    ]
    width = LABEL + len(panels) * (WIDTH + VALUE)
    height = TOP + ROW * len(figures) + 8
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" font-family="sans-serif" font-size="12">'
    )
    title = "<title>Throughput of gateways, logarithmic</title>"
    return "\n".join([head, title, *names, *panels, "</svg>\n"])


def panel(title: str, values: Mapping[str, float], left: int) -> str:
    """Bars of one case. An empty one is of a contender that answered nothing."""
    most = max(values.values())
    parts = [text(left, 18, title, "start")]
    for row, (name, value) in enumerate(values.items()):
        length = bar_length(value, most)
        colour = COLOUR_OF_OURS if name in OURS else COLOUR_OF_OTHERS
        y = middle(row) - BAR / 2
        parts.append(
            f'<rect x="{left}" y="{y:g}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>'
        )
        parts.append(text(left + length + 5, middle(row), f"{value:,.0f}", "start"))
    return "\n".join(parts)


def bar_length(value: float, most: float) -> float:
    """Pixels on a logarithmic scale from one answer a second to the most of all."""
    if value <= 1 or most <= 1:
        return 0.0
    return WIDTH * math.log10(value) / math.log10(most)


def middle(row: int) -> float:
    """Where a row's bar has its middle."""
    return TOP + ROW * (row + 0.5)


def text(x: float, y: float, words: str, anchor: str) -> str:
    """Words at a place."""
    return (
        f'<text x="{x:.1f}" y="{y:g}" text-anchor="{anchor}" dominant-baseline="middle"'
        f' fill="{TEXT}">{escape(words)}</text>'
    )
