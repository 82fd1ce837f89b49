"""Requests of every metered route, and what the twins answer: what fuzzing begins with."""

from __future__ import annotations

from functools import cache

from hypothesis import Phase, given, settings
from mintgate_facade.dialects.base import RefusedRequest

from tests.fuzz.harness import Seed
from tests.properties.worst.case import Case, Target
from tests.properties.worst.playing import answer, view_of
from tests.properties.worst.table import JOBS, strategy_of

EXAMPLES = 6


@cache
def seeds_of(target: Target) -> tuple[Seed, ...]:
    """A few requests that are served, the same in every run."""
    found: list[Seed] = []
    key = (target.surface.dialect.name, target.route.operation)
    strategy = JOBS.get(key) or strategy_of(target)
    if strategy is None:
        raise LookupError(f"{target} has no strategy in tests/properties/worst/table.py")

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, phases=[Phase.generate])
    @given(strategy(target))
    def collect(case: Case) -> None:
        try:
            ask = target.surface.dialect.read(target.route, view_of(target, case))
        except RefusedRequest:
            return
        written, headers = answer(target, case, ask)
        kind = headers["content-type"]
        query = case.query
        model = case.card.model
        ask = ask.answered(headers)
        head = case.headers
        found.append(
            Seed(
                target,
                model,
                case.body,
                case.content_type,
                query,
                written[:65_536],
                kind,
                ask,
                head,
            )
        )

    collect()
    return tuple(found)
