"""The auditor: checks every invariant of the books and says what it found."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mintgate_core.stores.base import Check

FINDINGS_SHOWN_MAX = 20
"""Enough to see a pattern; the count is always whole."""


def report_text(checks: Sequence[Check]) -> str:
    """One line a check with its number, and the findings below it."""
    lines = []
    for check in checks:
        mark = "ok  " if not check.findings else "FAIL"
        lines.append(
            f"{check.number:>2} {mark} {len(check.findings)} findings in {check.rows} rows:"
            f" {check.title}"
        )
        lines.extend(f"       {finding}" for finding in check.findings[:FINDINGS_SHOWN_MAX])
    total = sum(len(check.findings) for check in checks)
    lines.append(f"audit: {total} findings")
    return "\n".join(lines)


def report_json(checks: Sequence[Check]) -> str:
    """The same for scripts."""
    return json.dumps(
        {
            "findings": sum(len(check.findings) for check in checks),
            "checks": [
                {
                    "number": check.number,
                    "title": check.title,
                    "rows": check.rows,
                    "findings": list(check.findings),
                }
                for check in checks
            ],
        }
    )
