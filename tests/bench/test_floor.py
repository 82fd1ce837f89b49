from __future__ import annotations

from bench.contenders import BY_NAME
from bench.floor import fallen, stored
from bench.workload import CASE_BY_NAME

FLOOR = {"mintgate-sqlite": {"json-32": 0.6}}


def test_only_a_fall_below_two_thirds_is_one() -> None:
    """Two thirds of the stored ratio pass, a hair less does not."""
    assert fallen(FLOOR, {"mintgate-sqlite": {"json-32": 0.4}}) == []
    assert fallen(FLOOR, {"mintgate-sqlite": {"json-32": 0.3999}}) == [
        ("mintgate-sqlite", "json-32")
    ]


def test_what_was_never_stored_cannot_fall() -> None:
    """A new case passes until its ratio is kept."""
    assert fallen(FLOOR, {"mintgate-sqlite": {"stream-32": 0.0}}) == []


def test_the_stored_ratios_are_of_cases_that_exist() -> None:
    """Every stored ratio is above nothing and has a contender and a case of that name."""
    for contender, cases in stored().items():
        assert contender in BY_NAME
        assert all(case in CASE_BY_NAME and 0 < ratio < 10 for case, ratio in cases.items())
