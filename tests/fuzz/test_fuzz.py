"""Whatever a client or a provider sends is read or refused: nothing breaks, hangs or grows."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import harness
from tests.fuzz.inputs import PROPERTIES, WHOLE, form
from tests.fuzz.mutations import change
from tests.fuzz.seeds import seeds_of
from tests.properties.worst.playing import TARGETS
from tests.properties.worst.table import JOB_TARGETS

NUMBERS = st.integers(0, 2**64 - 1)
"""A number makes an example: chance is repeated from it."""
EDGES = st.lists(st.integers(0, 70_000), max_size=6)
SHORT = settings(max_examples=25, deadline=None)


@pytest.fixture(params=(*TARGETS, *JOB_TARGETS), ids=str, scope="module")
def seeds(request: pytest.FixtureRequest) -> tuple[harness.Seed, ...]:
    """Requests of one metered route that are served, and their answers."""
    return seeds_of(request.param)


@SHORT
@given(number=NUMBERS)
def test_requests(seeds: tuple[harness.Seed, ...], number: int) -> None:
    """Every request of every metered route is bounded or refused."""
    chance = Random(number)  # noqa: S311 - no secret
    seed = chance.choice(seeds)
    query = chance.choice((seed.query, change(seed.query.encode(), chance).decode("latin-1")))
    harness.request(seed, change(seed.body, chance), query)


@SHORT
@given(number=NUMBERS)
def test_answers(seeds: tuple[harness.Seed, ...], number: int) -> None:
    """Every answer is metered in any pieces, with counts that the ledger can hold."""
    chance = Random(number)  # noqa: S311 - no secret
    seed = chance.choice(seeds)
    kind = chance.choice((seed.answer_type, "text/event-stream", "application/json", "audio/mpeg"))
    edges = [chance.randrange(70_000) for _ in range(chance.randrange(6))]
    harness.answer(seed, harness.cut(change(seed.answer, chance), edges), kind)


@settings(max_examples=300, deadline=None)
@given(number=NUMBERS, edges=EDGES)
def test_forms(number: int, edges: list[int]) -> None:
    """A form is read the same in any pieces, or refused."""
    form(tuple(edges), change(WHOLE, Random(number)))  # noqa: S311 - no secret


@pytest.mark.parametrize("name", PROPERTIES)
def test_inputs_of_the_guided_run(name: str) -> None:
    """Every input that the guided run begins with is one, and is changed within its bound."""
    tried = PROPERTIES[name]
    for number, data in enumerate(tried.corpus()):
        tried.run(data)
        chance = Random(number)  # noqa: S311 - no secret
        changed = tried.mutated(data, len(data) + 1, chance, lambda rest: rest[::-1])
        assert len(changed) <= len(data) + 1
        tried.run(changed)
    tried.run(b"")
