"""docs/performance.md: its text is written by hand, its tables between markers are not.

What the tables are made of is kept in docs/performance.json, one part a bench, so that a
page can be made again without measuring.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/performance.md"
KEPT = ROOT / "docs/performance.json"
PLOT = ROOT / "docs/performance.svg"
RESULTS = ROOT / "bench/results"
DASH = "-"


def marked(part: str) -> tuple[str, str]:
    """The lines between which a part stands."""
    return f"<!-- bench:{part} -->", f"<!-- /bench:{part} -->"


def replaced(page: str, part: str, text: str) -> str:
    """The page with another text between the markers of a part. Raises without markers."""
    begin, end = marked(part)
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no part {part!r}")
    return f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}"


def write(part: str, text: str, data: Any) -> None:
    """Keep what was measured and put its text into the page."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept[part] = data
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), part, text))


def kept(part: str) -> Any:
    """What was kept of a part; None when nothing was."""
    return json.loads(KEPT.read_text()).get(part) if KEPT.exists() else None


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of Markdown that reads well as text too: columns are as wide as they must be."""
    cells = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(cells[0]), line(rule), *map(line, cells[1:])])


def number(value: float | None, digits: int = 0) -> str:
    """A figure for people; a dash where there is none."""
    return DASH if value is None else f"{value:,.{digits}f}"


def percent(value: float | None) -> str:
    """A ratio as percent, with a digit where it is small."""
    if value is None:
        return DASH
    return f"{100 * value:.1f} %" if value < 0.1 else f"{100 * value:.0f} %"


def save(name: str, data: Any) -> Path:
    """Keep everything of a run in the folder that git ignores."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(data, indent=1) + "\n")
    return path
