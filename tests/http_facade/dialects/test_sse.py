"""The event splitter: events, names, data and raw bytes, however the stream is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mintgate_facade.dialects import sse
from mintgate_facade.dialects.base import BrokenAnswer
from mintgate_facade.dialects.sse import SseEvent, SseSplitter

RELAXED = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Pure functions on a machine that other suites share: its load is no finding."""

_PIECES = st.sampled_from(
    [b"data: a", b"data:b", b"data", b"event: e", b": c", b"id: 1", b"\n", b"\r\n", b"\r", b"x"]
)


def _split(stream: bytes, cuts: list[int]) -> tuple[list[SseEvent], SseEvent | None]:
    splitter = SseSplitter()
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    events = []
    for start, end in pairwise(edges):
        events += splitter.feed(stream[start:end])
    return events, splitter.flush()


@RELAXED
@given(st.lists(_PIECES, max_size=24).map(b"".join), st.lists(st.integers(0, 10**6), max_size=8))
def test_cutting_never_changes_the_events(stream: bytes, cuts: list[int]) -> None:
    """Any cut of any stream gives the same events, and their raw bytes add up to it."""
    whole = _split(stream, [])

    assert _split(stream, cuts) == whole
    assert _split(stream, list(range(len(stream)))) == whole
    events, rest = whole
    assert b"".join([event[0] for event in events] + [rest[0] if rest else b""]) == stream


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_reads_every_line_end(end: bytes) -> None:
    """LF, CRLF and CR end lines; data lines are joined by LF; one leading space is cut."""
    lines = [b"event: ping", b": comment", b"data: one", b"data:two", b"data:  three", b"", b""]
    events, rest = _split(end.join(lines), [])

    assert events == [(end.join(lines), "ping", b"one\ntwo\n three")]
    assert rest is None


def test_an_event_is_there_as_soon_as_its_blank_line_is() -> None:
    """No content waits for bytes of the next event, whichever the line end."""
    for end in (b"\n", b"\r\n", b"\r"):
        splitter = SseSplitter()
        assert [event[2] for event in splitter.feed(b"data: a" + end + end)] == [b"a"]


def test_ignores_a_byte_order_mark() -> None:
    """A byte order mark at the start is passed on, but is no part of the first field."""
    events, _ = _split(b"\xef\xbb\xbfdata: a\n\ndata: b\n\n", [])

    assert events == [(b"\xef\xbb\xbfdata: a\n\n", "", b"a"), (b"data: b\n\n", "", b"b")]


def test_flushes_an_event_without_its_blank_line() -> None:
    """What stands at the end without a blank line is returned once."""
    splitter = SseSplitter()
    splitter.feed(b"data: [DONE]\n")

    assert splitter.flush() == (b"data: [DONE]\n", "", b"[DONE]")
    assert splitter.flush() is None


def test_bounds_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that never ends is refused before it fills the memory."""
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 100)
    splitter = SseSplitter()
    splitter.feed(b"data: " + b"a" * 90)

    with pytest.raises(BrokenAnswer):
        splitter.feed(b"a" * 10)
