"""Folding: usage of hours that are over is moved to the closed hours and to their days.

The open rollup, which every charge writes to, stays as small as what happened lately, and
a month is read as thirty days. A fold changes no answer, so nobody waits for it, and any
number of cores may fold at once.
"""

from __future__ import annotations

import asyncio
import logging

from mintgate_core.ledger.errors import LedgerError
from mintgate_core.stores.base import HOUR_MS, Store

FOLD_ROWS_MAX = 200
"""Rows of one transaction: ten milliseconds, for which charges wait on the embedded store. On
PostgreSQL they do not wait."""

FOLD_INTERVAL_S = 60.0

FOLD_PAUSE_S = 0.05
"""Between two full rounds, so that charges pass; a million rows still take a few minutes."""

FOLD_START_S = 3_600.0
"""A release before reads the open hours alone: by then a rolling upgrade has replaced it, or
was taken back."""

log = logging.getLogger(__name__)


async def fold(store: Store) -> int:
    """Move what is due, at most one round, and return how many rows were moved.

    The hour before this one stays open, too: nobody writes to the rows that are moved.
    """
    hour_ms = await store.now_ms() // HOUR_MS * HOUR_MS
    return await store.fold_usage(hour_ms - HOUR_MS, FOLD_ROWS_MAX)


async def run(store: Store) -> None:
    """Fold until cancelled; a store that is away is tried again the next time."""
    await asyncio.sleep(FOLD_START_S)
    while True:
        try:
            folded = await fold(store)
        except LedgerError as error:
            log.warning("fold of usage failed: %s", error)
            folded = 0
        await asyncio.sleep(FOLD_PAUSE_S if folded == FOLD_ROWS_MAX else FOLD_INTERVAL_S)
