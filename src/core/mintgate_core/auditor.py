"""The auditor: checks every invariant of the books and says what it found.

On demand it prints a report; a running core audits by itself at intervals, logs
a line a finding, and tells its observer. Most audits read what is new since the
checkpoints of the last; now and then one reads everything.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Protocol

from mintgate_core.clock import Clock, monotonic_ms
from mintgate_core.ledger.errors import LedgerError
from mintgate_core.stores.base import Check, Store

FINDINGS_SHOWN_MAX = 20
"""Enough to see a pattern; the count is always whole."""


class Observer(Protocol):
    """Told how each audit ended."""

    def __call__(self, checks: Sequence[Check] | None, seconds: float, *, full: bool) -> None:
        """What was found, None when the audit could not be made, and how long it took."""


log = logging.getLogger(__name__)


async def run(
    store: Store,
    interval_s: float,
    full_interval_s: float,
    observe: Observer,
    ticks: Clock = monotonic_ms,
) -> None:
    """Audit until cancelled, a pause of `interval_s` before each; never two at a time.

    Everything is audited when that last came out clean `full_interval_s` ago, by whichever
    core; 0: never. Books with a finding get no clean audit, and one an interval is enough.
    """
    full_interval_ms = round(full_interval_s * 1_000)
    next_full_ms = ticks()
    while True:
        await asyncio.sleep(interval_s)
        full = bool(
            full_interval_ms
            and ticks() >= next_full_ms
            and await _clean_audit_is_old(store, full_interval_ms)
        )
        if full:
            next_full_ms = ticks() + full_interval_ms
        await audit_once(store, observe, full=full)


async def _clean_audit_is_old(store: Store, age_ms: int) -> bool:
    try:
        return await store.now_ms() - await store.clean_full_audit_ms() >= age_ms
    except LedgerError:
        # The audit itself will say that the store is away.
        return False


async def audit_once(store: Store, observe: Observer, *, full: bool = False) -> None:
    """Audit, log a line a finding, and tell the observer; a store that is away is no finding."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    try:
        checks = await store.audit(full=full)
    except LedgerError as error:
        log.warning("the audit could not be made: %s", error)
        observe(None, loop.time() - started_s, full=full)
        return
    for check in checks:
        for finding in check.findings[:FINDINGS_SHOWN_MAX]:
            log.error("audit finding against %d (%s): %s", check.number, check.title, finding)
        if (more := len(check.findings) - FINDINGS_SHOWN_MAX) > 0:
            log.error("audit: %d more findings against %d", more, check.number)
    observe(checks, loop.time() - started_s, full=full)


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
