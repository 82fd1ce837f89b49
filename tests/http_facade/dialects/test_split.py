"""Disjoint units out of overlapping counts: nothing negative, nothing lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_READ_AUDIO_TOKENS,
    UNIT_CACHE_READ_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_TOKENS,
)
from mintgate_facade.dialects.split import COUNT_MAX, Modalities, count, split_input, split_output

RELAXED = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Pure functions on a machine that other suites share: its load is no finding."""

_COUNTS = st.integers(0, 200)
_PARTS = st.builds(Modalities, audio=_COUNTS, image=_COUNTS, video=_COUNTS)


@RELAXED
@given(_COUNTS, _COUNTS, _COUNTS, _PARTS, _PARTS)
def test_an_input_always_sums_to_its_total(
    total: int, cached: int, written: int, parts: Modalities, cached_parts: Modalities
) -> None:
    """However a provider contradicts itself, units are positive and sum to the total."""
    units = split_input(
        total, cached=cached, written=written, parts=parts, cached_parts=cached_parts
    )

    assert all(number > 0 for number in units.values())
    assert sum(units.values()) == total


@RELAXED
@given(_COUNTS, _PARTS)
def test_an_output_always_sums_to_its_total(total: int, parts: Modalities) -> None:
    """The same for the output."""
    units = split_output(total, parts)

    assert all(number > 0 for number in units.values())
    assert sum(units.values()) == total


def test_cached_tokens_of_unknown_kind_come_from_text_first() -> None:
    """Audio stays at its full price until all text is known to be cached."""
    assert split_input(100, cached=60, parts=Modalities(audio=30)) == {
        UNIT_INPUT_TOKENS: 10,
        UNIT_CACHE_READ_TOKENS: 60,
        UNIT_INPUT_AUDIO_TOKENS: 30,
    }
    assert split_input(100, cached=80, parts=Modalities(audio=30)) == {
        UNIT_CACHE_READ_TOKENS: 70,
        UNIT_CACHE_READ_AUDIO_TOKENS: 10,
        UNIT_INPUT_AUDIO_TOKENS: 20,
    }


def test_a_stated_cache_split_is_followed() -> None:
    """Where the provider says which tokens were cached, that is what is billed."""
    units = split_input(
        100, cached=50, written=20, parts=Modalities(audio=40), cached_parts=Modalities(audio=30)
    )

    assert units == {
        UNIT_INPUT_TOKENS: 20,
        UNIT_CACHE_READ_TOKENS: 20,
        UNIT_CACHE_WRITE_5M_TOKENS: 20,
        UNIT_INPUT_AUDIO_TOKENS: 10,
        UNIT_CACHE_READ_AUDIO_TOKENS: 30,
    }


def test_output_modalities_are_taken_out_of_the_text() -> None:
    """Audio output is billed as audio, the rest as text."""
    assert split_output(121, Modalities(audio=91)) == {
        UNIT_OUTPUT_TOKENS: 30,
        UNIT_OUTPUT_AUDIO_TOKENS: 91,
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (5.0, 5),
        (-1, 0),
        (None, 0),
        ("7", 0),
        (True, 0),
        (float("nan"), 0),
        (float("inf"), COUNT_MAX),
        (2**60, COUNT_MAX),
    ],
)
def test_a_count_is_brought_into_range(value: Any, expected: int) -> None:
    """Whatever a provider writes where a count belongs, the core can store it."""
    assert count(value) == expected
