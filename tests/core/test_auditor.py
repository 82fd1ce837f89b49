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
from mintgate_core.ledger.types import Line, LineKind
from mintgate_core.stores.base import Check
from mintgate_core.stores.conformance import SettableClock
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

    async def audit(self, *, full: bool = False) -> list[Check]:
        self.running += 1
        self.running_max = max(self.running, self.running_max)
        await asyncio.sleep(0)
        self.running -= 1
        outcome = self.outcomes.pop(0) if self.outcomes else [CLEAN]
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome


class Told:
    """What an auditor tells; time goes on by as much after each audit."""

    def __init__(self, clock: SettableClock, step_ms: int = 0) -> None:
        self.checks: list[Sequence[Check] | None] = []
        self.full: list[bool] = []
        self._clock = clock
        self._step_ms = step_ms
        self._heard = asyncio.Semaphore(0)

    def __call__(self, checks: Sequence[Check] | None, seconds: float, *, full: bool) -> None:
        assert seconds >= 0
        self.checks.append(checks)
        self.full.append(full)
        self._clock.advance(self._step_ms)
        self._heard.release()

    async def hear(self, store: MemoryStore, count: int, full_interval_s: float = 0.0) -> None:
        """Let the continuous audit run for so many audits."""
        task = asyncio.ensure_future(run(store, 0.0, full_interval_s, self, self._clock))
        async with asyncio.timeout(10):
            for _ in range(count):
                await self._heard.acquire()
        task.cancel()


async def test_the_continuous_audit_logs_a_line_a_finding(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each finding is an error of its own in the log, up to the bound, with its check."""
    many = Check(3, "x", 99, tuple(f"row {i}" for i in range(FINDINGS_SHOWN_MAX + 5)))
    told = Told(SettableClock())
    await audit_once(AuditedStore([CLEAN, BROKEN, many]), told)

    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "audit finding against 2 (journal has no gap): wallet 5 counts 3"
    assert len(lines) == 2 + FINDINGS_SHOWN_MAX + 1
    assert lines[-1] == "audit: 5 more findings against 3"
    assert told.checks == [[CLEAN, BROKEN, many]]


async def test_the_continuous_audit_outlives_a_store_that_is_away() -> None:
    """An audit that cannot be made is told as such, the next one runs, never two at once."""
    store = AuditedStore(Unavailable("away"))
    told = Told(SettableClock())
    await told.hear(store, 3)
    assert told.checks[:3] == [None, [CLEAN], [CLEAN]]
    assert store.running_max == 1


async def test_everything_is_audited_now_and_then() -> None:
    """The first audit of a store and one an interval read everything, the others what is new."""
    clock = SettableClock()
    told = Told(clock, step_ms=10_000)
    await told.hear(MemoryStore(clock), 7, full_interval_s=30.0)
    assert told.full[:7] == [True, False, False, True, False, False, True]


async def test_an_audit_of_everything_may_be_turned_off() -> None:
    """With 0 there is none, not even the first."""
    clock = SettableClock()
    told = Told(clock, step_ms=10**9)
    await told.hear(MemoryStore(clock), 3)
    assert told.full[:3] == [False] * 3


async def test_what_another_core_audited_counts() -> None:
    """Of several cores on one store, one audits everything; a restart begins no new one."""
    clock = SettableClock()
    store = MemoryStore(clock)
    await store.audit(full=True)
    told = Told(clock, step_ms=10_000)
    await told.hear(store, 4, full_interval_s=30.0)
    assert told.full[:4] == [False, False, False, True]


async def test_broken_books_are_read_whole_once_an_interval() -> None:
    """A finding keeps no core busy, and is told again by the next core that starts."""
    clock = SettableClock()
    store = MemoryStore(clock)
    store.line_by_id[1] = Line(1, 1, LineKind.KEY_CAP, 5, 5, held=3)
    for _ in range(2):
        told = Told(clock, step_ms=10_000)
        await told.hear(store, 4, full_interval_s=30.0)
        assert told.full[:4] == [True, False, False, True]
        assert all(any(check.findings for check in checks or ()) for checks in told.checks)
