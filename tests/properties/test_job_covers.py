"""Whatever work that goes on after its answer costs in the end is no more than what was held."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mintgate.v1.jobs_pb2 import Job
from mintgate_core.pricing import Unit, Unpriced, quote, rate
from mintgate_core.service.requests import bound as bound_of
from mintgate_facade.dialects.base import RefusedRequest
from mintgate_facade.dialects.jobs import Done, Failed
from mintgate_facade.jobs.readers import READERS

from tests.properties.worst.case import Target
from tests.properties.worst.playing import LATER, answer, told, view_of
from tests.properties.worst.table import JOB_TARGETS, JOBS


def test_every_such_route_has_a_strategy() -> None:
    """What test_reserve_covers.py leaves to this file is here."""
    assert {target.route.operation for target in JOB_TARGETS} >= LATER


@pytest.mark.parametrize("target", JOB_TARGETS, ids=str)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_hold_covers_the_end_of_a_job(target: Target, data: st.DataObject) -> None:
    """What its reader makes of the provider's last word fits, and so does what is never told."""
    case = data.draw(JOBS[target.surface.dialect.name, target.route.operation](target))
    dialect = target.surface.dialect
    try:
        ask = dialect.read(target.route, view_of(target, case))
        held = quote(case.card, bound_of(ask.bound)).amount_nano_usd
    except (RefusedRequest, Unpriced):
        assume(False)
        raise
    assert ask.later is not None
    written, headers = answer(target, case, ask)
    meter = dialect.meter(target.route, ask, headers["content-type"])
    meter.feed(written)
    meter.close()
    begun = meter.reading()
    reader = READERS[dialect.name, ask.later.operation]
    job = Job(object_id=begun.provider_request_id, state=ask.later.state)
    outcome = reader.read(job, told(target, case, "GET", reader.poll(job).path)[0])
    if not isinstance(outcome, Failed):
        assert isinstance(outcome, Done)
        units, variants = known(outcome.reading.units), outcome.reading.variants
        assert rate(case.card, units, variants).amount_nano_usd <= held
    for estimate in (begun.units, ask.later.units):
        assert rate(case.card, known(estimate), ask.bound.variants).amount_nano_usd <= held


def known(units: Mapping[int, int]) -> dict[Unit, int]:
    """Units as core knows them."""
    return {Unit(unit): count for unit, count in units.items()}
