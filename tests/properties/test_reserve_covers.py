"""Whatever a vendor's twin can answer at its worst costs no more than what was held for it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mintgate_core.pricing import Unit, Unpriced, quote, rate
from mintgate_core.service.requests import bound as bound_of
from mintgate_facade.dialects.base import RefusedRequest

from tests.properties.worst.case import Target
from tests.properties.worst.playing import TARGETS, answer, view_of
from tests.properties.worst.table import strategy_of


def test_every_metered_route_has_a_strategy() -> None:
    """A route that is metered has a strategy, in tests/properties/worst/table.py."""
    assert [str(target) for target in TARGETS if strategy_of(target) is None] == []


@pytest.mark.parametrize("target", TARGETS, ids=str)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_hold_covers_the_worst_answer(target: Target, data: st.DataObject) -> None:
    """Limits, reasoning beyond them, choices, passes, caches, tiers, media, fees, stated costs."""
    strategy = strategy_of(target)
    assert strategy is not None
    case = data.draw(strategy(target))
    dialect = target.surface.dialect
    try:
        ask = dialect.read(target.route, view_of(target, case))
        held = quote(case.card, bound_of(ask.bound)).amount_nano_usd
    except (RefusedRequest, Unpriced):
        # It is never forwarded. Too many of them fail the test.
        assume(False)
        raise
    written, headers = answer(target, case, ask)
    ask = ask.answered(headers)
    meter = dialect.meter(target.route, ask, headers["content-type"])
    meter.feed(written)
    meter.close()
    reading = meter.reading()
    assert meter.complete
    assert not meter.refused
    units = {Unit(unit): count for unit, count in reading.units.items()}
    assert rate(case.card, units, reading.variants).amount_nano_usd <= held
