"""The auditor: checks every invariant of the books and says what it found.

On demand it prints a report; a running core audits by itself at intervals, logs
a line a finding, and tells its observer.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence

from mintgate_core.ledger.errors import LedgerError
from mintgate_core.stores.base import Check, Store

FINDINGS_SHOWN_MAX = 20
"""Enough to see a pattern; the count is always whole."""


Observer = Callable[[Sequence[Check] | None, float], None]
"""Told what an audit found, or None when it could not be made, and how many seconds it took."""

log = logging.getLogger(__name__)


async def run(store: Store, interval_s: float, observe: Observer) -> None:
    """Audit until cancelled, a pause of `interval_s` before each; never two at a time."""
    while True:
        await asyncio.sleep(interval_s)
        await audit_once(store, observe)


async def audit_once(store: Store, observe: Observer) -> None:
    """Audit, log a line a finding, and tell the observer; a store that is away is no finding."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    try:
        checks = await store.audit()
    except LedgerError as error:
        log.warning("the audit could not be made: %s", error)
        observe(None, loop.time() - started_s)
        return
    for check in checks:
        for finding in check.findings[:FINDINGS_SHOWN_MAX]:
            log.error("audit finding against %d (%s): %s", check.number, check.title, finding)
        if (more := len(check.findings) - FINDINGS_SHOWN_MAX) > 0:
            log.error("audit: %d more findings against %d", more, check.number)
    observe(checks, loop.time() - started_s)


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
