"""Which table has which part of the usage of a span.

Every charge adds to the row of its hour in the open rollup, in its own transaction. Later,
folds move rows of hours that are over: each is added to its closed hour and to its day, and
deleted from the open rollup, in one transaction. A charge that comes to an hour that was
moved makes a new row in the open rollup, and is moved as well, the next time.
"""

from __future__ import annotations

from enum import Enum

from mintgate_core.stores.base import DAY_MS, HOUR_MS


class UsageTable(Enum):
    """Where the sums of a part of a span are read."""

    DETAILS = "charge_detail"
    HOURS = "usage_hour"
    """What no fold has moved yet: the newest hours, and what came late to older ones."""
    CLOSED_HOURS = "usage_closed_hour"
    DAYS = "usage_day"
    """What was moved to the closed hours, added up by days."""


Span = tuple[int, int]


def usage_parts(from_ms: int, to_ms: int) -> list[tuple[UsageTable, Span]]:
    """A span cut into what each table has: whole days, whole hours beside them, and edges.

    A charge is in the open hours until it is moved, and then in a closed hour and in a day,
    of which exactly one is read. So every charge counts once, whatever was moved already.
    """
    first_hour, last_hour = _whole(from_ms, to_ms, HOUR_MS)
    if first_hour >= last_hour:
        return [(UsageTable.DETAILS, (from_ms, to_ms))] if from_ms < to_ms else []
    first_day, last_day = _whole(first_hour, last_hour, DAY_MS)
    if first_day >= last_day:
        first_day = last_day = last_hour
    parts = [
        (UsageTable.DETAILS, (from_ms, first_hour)),
        (UsageTable.HOURS, (first_hour, last_hour)),
        (UsageTable.CLOSED_HOURS, (first_hour, first_day)),
        (UsageTable.DAYS, (first_day, last_day)),
        (UsageTable.CLOSED_HOURS, (last_day, last_hour)),
        (UsageTable.DETAILS, (last_hour, to_ms)),
    ]
    return [(table, span) for table, span in parts if span[0] < span[1]]


def _whole(from_ms: int, to_ms: int, unit_ms: int) -> Span:
    """The whole units within a span; empty or turned around when there are none."""
    return -(-from_ms // unit_ms) * unit_ms, to_ms // unit_ms * unit_ms
