"""The array splitter: elements and raw bytes, however the stream is cut."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mintgate_facade.dialects import jsonarray
from mintgate_facade.dialects.base import BrokenAnswer
from mintgate_facade.dialects.jsonarray import JsonArraySplitter

RELAXED = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Pure functions on a machine that other suites share: its load is no finding."""

_TEXTS = st.text(st.sampled_from('ab{}[]",\\\n é'), max_size=8)
_VALUES = st.recursive(
    _TEXTS | st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXTS, inner, max_size=2),
    max_leaves=6,
)
_ELEMENTS = st.lists(st.dictionaries(_TEXTS, _VALUES, max_size=3), max_size=5)


def _stream(elements: list[Any], indent: int | None) -> bytes:
    return b"[" + b"\n,\r\n".join(json.dumps(e, indent=indent).encode() for e in elements) + b"\n]"


@RELAXED
@given(_ELEMENTS, st.sampled_from([None, 2]), st.lists(st.integers(0, 10**6), max_size=8))
def test_cutting_never_changes_the_elements(
    elements: list[Any], indent: int | None, cuts: list[int]
) -> None:
    """Any cut gives the same elements; raw bytes and the rest add up to the stream."""
    stream = _stream(elements, indent)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    splitter = JsonArraySplitter()
    found = []
    for start, end in pairwise(edges):
        found += splitter.feed(stream[start:end])

    assert [json.loads(data) for _, data in found] == elements
    assert splitter.ended
    rest = splitter.flush()
    assert rest.strip() == (b"]" if elements else b"[\n]")
    assert b"".join(raw for raw, _ in found) + rest == stream


def test_an_element_passes_before_the_next_one_begins() -> None:
    """An element is complete with its brace; it does not wait for the comma."""
    splitter = JsonArraySplitter()

    assert splitter.feed(b'[{"a":"}"}') == [(b'[{"a":"}"}', b'{"a":"}"}')]
    assert not splitter.ended


@pytest.mark.parametrize("stream", [b'{"a":1}', b"[1]", b"[{}x", b'["a"]', b"x"])
def test_refuses_what_is_no_array_of_objects(stream: bytes) -> None:
    """Anything else is a broken answer, not a silent nothing."""
    with pytest.raises(BrokenAnswer):
        JsonArraySplitter().feed(stream)


def test_half_an_element_is_not_flushed() -> None:
    """What broke off is of no use to a client, and would spoil an error that follows."""
    splitter = JsonArraySplitter()
    splitter.feed(b'[{"a":1},{"b"')

    assert splitter.flush() == b""


def test_bounds_an_element(monkeypatch: pytest.MonkeyPatch) -> None:
    """An element that never ends is refused before it fills the memory."""
    monkeypatch.setattr(jsonarray, "EVENT_BYTES_MAX", 100)
    splitter = JsonArraySplitter()

    with pytest.raises(BrokenAnswer):
        splitter.feed(b'[{"a":"' + b"x" * 100)
