"""How the auditor says what it found."""

from __future__ import annotations

import json

import pytest
from mintgate_core.auditor import FINDINGS_SHOWN_MAX, report_json, report_text
from mintgate_core.stores.base import Check

CLEAN = Check(1, "lines add up", 12, ())
BROKEN = Check(2, "journal has no gap", 7, ("wallet 5 counts 3", "wallet 6 counts 1"))


def test_each_check_is_a_line_with_its_number() -> None:
    """Number, verdict, findings, rows and title stand on one line a check."""
    assert report_text([CLEAN, BROKEN]).splitlines() == [
        " 1 ok   0 findings in 12 rows: lines add up",
        " 2 FAIL 2 findings in 7 rows: journal has no gap",
        "       wallet 5 counts 3",
        "       wallet 6 counts 1",
        "audit: 2 findings",
    ]


def test_a_clean_audit_says_so_in_its_last_line() -> None:
    """Scripts and people look at the end."""
    assert report_text([CLEAN]).splitlines()[-1] == "audit: 0 findings"


def test_many_findings_are_counted_whole_and_shown_in_part() -> None:
    """A disaster does not scroll its own count away."""
    many = Check(3, "x", 99, tuple(f"row {i}" for i in range(FINDINGS_SHOWN_MAX + 5)))
    lines = report_text([many]).splitlines()
    assert len(lines) == FINDINGS_SHOWN_MAX + 2
    assert lines[0].startswith(" 3 FAIL 25 findings")
    assert lines[-1] == "audit: 25 findings"


@pytest.mark.parametrize("checks", [[], [CLEAN], [CLEAN, BROKEN]])
def test_the_document_says_the_same(checks: list[Check]) -> None:
    """One JSON document with the total and every check, nothing left out."""
    document = json.loads(report_json(checks))
    assert document["findings"] == sum(len(check.findings) for check in checks)
    assert document["checks"] == [
        {"number": c.number, "title": c.title, "rows": c.rows, "findings": list(c.findings)}
        for c in checks
    ]
