"""The sweeper: resolves holds that nobody settled in time, and forgets objects that are over.

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

SWEEP_OBJECTS_INTERVAL_S = 60.0
SWEEP_OBJECTS_MAX = 500
"""Rows of one transaction, which locks the counts of as many keys."""

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


async def sweep_objects(store: Store) -> int:
    """Let go of objects whose time is over, at most one round, and return how many."""
    return await store.objects.sweep(SWEEP_OBJECTS_MAX)


async def run_objects(store: Store) -> None:
    """Sweep objects until cancelled. Nobody waits for it: what is over is nobody's already."""
    while True:
        try:
            swept = await sweep_objects(store)
        except LedgerError as error:
            log.warning("sweep of objects failed: %s", error)
            swept = 0
        if swept < SWEEP_OBJECTS_MAX:
            await asyncio.sleep(SWEEP_OBJECTS_INTERVAL_S)


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
