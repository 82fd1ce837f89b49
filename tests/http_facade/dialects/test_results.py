"""Files of results: an object a line, however the bytes arrive."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate_facade.dialects.base import BrokenAnswer
from mintgate_facade.dialects.batches import LINE_BYTES_MAX
from mintgate_facade.dialects.results import ResultLines

FILE = b'{"a": 1}\n\n {"b": "x"} \r\n{"c": {}}'


@given(cuts=st.lists(st.integers(0, len(FILE)), max_size=8).map(sorted))
def test_every_cut_gives_the_same_objects(cuts: list[int]) -> None:
    """Objects are those of the lines, blank ones left out, wherever the bytes were cut."""
    seen: list[dict[str, Any]] = []
    lines = ResultLines(seen.append)
    for start, end in zip([0, *cuts], [*cuts, len(FILE)], strict=True):
        lines.feed(FILE[start:end])
    lines.end()
    assert seen == [{"a": 1}, {"b": "x"}, {"c": {}}]


@pytest.mark.parametrize("line", [b"[]", b"1", b'{"a"', b"\xff", b"null"])
def test_what_is_no_object_is_broken(line: bytes) -> None:
    """A line of anything but one JSON object cannot be charged by."""
    with pytest.raises(BrokenAnswer):
        ResultLines(lambda _document: None).feed(line + b"\n")
    lines = ResultLines(lambda _document: None)
    lines.feed(line)
    with pytest.raises(BrokenAnswer):
        lines.end()


def test_line_without_an_end_is_bounded() -> None:
    """A line longer than any result is given up before it is kept."""
    lines = ResultLines(lambda _document: None)
    lines.feed(b"x" * LINE_BYTES_MAX)
    with pytest.raises(BrokenAnswer):
        lines.feed(b"x")
