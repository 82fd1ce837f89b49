"""Spans of usage: cut so that each charge is read once."""

from __future__ import annotations

import random
from itertools import pairwise

from mintgate_core.stores.base import DAY_MS, HOUR_MS
from mintgate_core.stores.usage_parts import UsageTable, usage_parts

WHOLE = (UsageTable.CLOSED_HOURS, UsageTable.DAYS)
UNITS_MS = {
    UsageTable.DETAILS: 1,
    UsageTable.HOURS: HOUR_MS,
    UsageTable.CLOSED_HOURS: HOUR_MS,
    UsageTable.DAYS: DAY_MS,
}
LONGEST_MS = {UsageTable.DETAILS: 2 * HOUR_MS, UsageTable.CLOSED_HOURS: 2 * DAY_MS}


def test_parts_of_a_span_are_read_once() -> None:
    """Closed hours, days and edges join without a gap or an overlap; open hours cover them all."""
    dice = random.Random(20_271_125)  # noqa: S311 - spans, not a secret.
    for _ in range(500):
        unit_ms = dice.choice([1, HOUR_MS, DAY_MS])
        from_ms, to_ms = (dice.randrange(3 * DAY_MS) // unit_ms * unit_ms for _ in range(2))
        parts = usage_parts(from_ms, to_ms)
        once = [span for table, span in parts if table is not UsageTable.HOURS]
        opened = [span for table, span in parts if table is UsageTable.HOURS]
        whole = [span for table, span in parts if table in WHOLE]
        if from_ms >= to_ms:
            assert parts == []
            continue
        assert [once[0][0], once[-1][1]] == [from_ms, to_ms]
        assert all(a[1] == b[0] for a, b in pairwise(once))
        assert opened == ([(whole[0][0], whole[-1][1])] if whole else [])
        for table, span in parts:
            assert all(edge % UNITS_MS[table] == 0 for edge in span)
            # An edge is shorter than the unit above it.
            assert span[1] - span[0] < LONGEST_MS.get(table, 4 * DAY_MS)
