"""How the auditor says what it found, on demand and by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest
from mintgate_core.auditor import (
    FINDINGS_SHOWN_MAX,
    audit_once,
    report_json,
    report_text,
    run,
)
from mintgate_core.ledger.errors import Unavailable
from mintgate_core.stores.base import Check
from mintgate_core.stores.memory import MemoryStore

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


class AuditedStore(MemoryStore):
    """A store whose audits find what a test says; counts those that run at once."""

    def __init__(self, *outcomes: list[Check] | Unavailable) -> None:
        super().__init__(lambda: 1)
        self.outcomes = list(outcomes)
        self.running = self.running_max = 0

    async def audit(self) -> list[Check]:
        self.running += 1
        self.running_max = max(self.running, self.running_max)
        await asyncio.sleep(0)
        self.running -= 1
        outcome = self.outcomes.pop(0) if self.outcomes else [CLEAN]
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome


async def test_the_continuous_audit_logs_a_line_a_finding(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each finding is an error of its own in the log, up to the bound, with its check."""
    many = Check(3, "x", 99, tuple(f"row {i}" for i in range(FINDINGS_SHOWN_MAX + 5)))
    told: list[Sequence[Check] | None] = []
    await audit_once(AuditedStore([CLEAN, BROKEN, many]), lambda checks, _: told.append(checks))

    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "audit finding against 2 (journal has no gap): wallet 5 counts 3"
    assert len(lines) == 2 + FINDINGS_SHOWN_MAX + 1
    assert lines[-1] == "audit: 5 more findings against 3"
    assert told == [[CLEAN, BROKEN, many]]


async def test_the_continuous_audit_outlives_a_store_that_is_away() -> None:
    """An audit that cannot be made is told as such, the next one runs, never two at once."""
    store = AuditedStore(Unavailable("away"))
    told: list[Sequence[Check] | None] = []
    heard = asyncio.Event()

    def observe(checks: Sequence[Check] | None, _seconds: float) -> None:
        told.append(checks)
        if len(told) == 3:
            heard.set()

    task = asyncio.ensure_future(run(store, 0.0, observe))
    async with asyncio.timeout(10):
        await heard.wait()
    task.cancel()
    assert told[:3] == [None, [CLEAN], [CLEAN]]
    assert store.running_max == 1
