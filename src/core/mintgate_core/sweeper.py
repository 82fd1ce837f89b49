"""The sweeper: resolves holds that nobody settled in time.

It reads without a lock and then submits ordinary `expire` operations, so any
number of sweepers may race: the hold's id decides, and the store's clock says
again, under the lock, whether the hold is due.
"""

from __future__ import annotations

import asyncio
import logging

from mintgate_core.lane import Lanes
from mintgate_core.ledger.errors import LedgerError
from mintgate_core.ledger.operations import Expire, Expired
from mintgate_core.stores.base import Store

SWEEP_INTERVAL_S = 1.0
"""How long an expired hold may stay; tests call `sweep` themselves."""

SWEEP_HOLDS_MAX = 200
"""Holds a round, so that a sweep never delays reservations for long."""

START_GRACE_S = 5.0
"""A core that was away sweeps only after facades had time to send what waits in their outboxes:
the exact charge is better than the last estimate."""

log = logging.getLogger(__name__)


async def sweep(store: Store, lanes: Lanes) -> int:
    """Expire what is due, at most one round, and return how many holds were resolved."""
    due = await store.due_holds(SWEEP_HOLDS_MAX)
    if not due:
        return 0
    answers = await lanes.submit([Expire(hold_id, wallet_id) for hold_id, wallet_id in due])
    return sum(isinstance(answer, Expired) for answer in answers)


async def run(store: Store, lanes: Lanes) -> None:
    """Sweep until cancelled; a store that is away is tried again the next time."""
    await asyncio.sleep(START_GRACE_S)
    while True:
        try:
            swept = await sweep(store, lanes)
        except LedgerError as error:
            log.warning("sweep failed: %s", error)
            swept = 0
        if swept:
            log.info("expired %d holds", swept)
        if swept < SWEEP_HOLDS_MAX:
            await asyncio.sleep(SWEEP_INTERVAL_S)
