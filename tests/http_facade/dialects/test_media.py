"""Lengths and switches, as providers state them and callers write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_CHARACTERS
from mintgate_facade.dialects.base import Ask, Reading
from mintgate_facade.dialects.media import bound_of, charge_of, is_true, media_meter, whole_ms
from mintgate_facade.dialects.split import COUNT_MAX, Units


@pytest.mark.parametrize(
    ("seconds", "ms"),
    [(9.2, 9_200), (0.0005, 1), (7, 7_000), (0, 0), (1e9, 1_000_000_000_000), (12.000625, 12_001)],
)
def test_a_length_is_whole_milliseconds(seconds: float, ms: int) -> None:
    """Rounded up from what was written, not from its binary fraction."""
    assert whole_ms(seconds) == ms


@pytest.mark.parametrize("value", [None, True, "9.2", -1, float("nan"), float("inf"), [], {}])
def test_what_is_no_length(value: Any) -> None:
    """An answer that states nonsense states nothing."""
    assert whole_ms(value) is None


@given(st.floats(0, 10**9))
def test_a_length_is_never_too_short(seconds: float) -> None:
    """The provider's figure is what it bills: never less is charged."""
    ms = whole_ms(seconds)
    assert ms is not None
    assert seconds * 1_000 <= ms + 1e-3
    assert ms <= min(seconds * 1_000 + 1 + 1e-3, COUNT_MAX)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("true", True),
        ("True", True),
        ("1", True),
        ("pii", True),
        ("false", False),
        ("", False),
        ("null", False),
        (" No ", False),
        ("0", False),
    ],
)
def test_switches(value: str, expected: bool) -> None:  # noqa: FBT001 - an expectation
    """What is not plainly off is on, and is paid for."""
    assert is_true(value) is expected


def ask(**changed: Any) -> Ask:
    units: Units = {UNIT_INPUT_CHARACTERS: 10}
    return Ask(model="m", bound=bound_of(units), body=b"", counted=charge_of("m", units), **changed)


def stated(units: int) -> Reading:
    return charge_of("m", {UNIT_INPUT_CHARACTERS: units}, basis=SETTLED_BY_USAGE)


def read(asked: Ask, body: bytes) -> tuple[int, Any]:
    meter = media_meter(asked, one_document=True)
    meter.feed(body)
    meter.close()
    reading = meter.reading()
    return reading.units[UNIT_INPUT_CHARACTERS], reading.basis


def test_headers_go_before_the_document() -> None:
    """What the headers state is the charge; then what the document states; then our own count."""
    both = ask(in_headers=lambda _headers: stated(7), in_document=lambda _document: stated(8))
    assert read(both.answered({}), b"{}") == (7, SETTLED_BY_USAGE)
    assert read(ask(in_document=lambda _document: stated(8)), b"{}") == (8, SETTLED_BY_USAGE)
    assert read(ask(in_document=lambda _document: None), b"{}") == (10, SETTLED_BY_COUNTED)
    assert read(ask(), b'{"half": ') == (10, SETTLED_BY_COUNTED)


def test_headers_are_read_by_lower_case_names() -> None:
    """Headers of an answer have no case."""
    seen: list[dict[str, str]] = []
    asked = ask(in_headers=lambda headers: seen.append(dict(headers)))
    assert asked.answered({"Character-Cost": "3"}).counted == asked.counted
    assert seen == [{"character-cost": "3"}]


def test_half_a_document_is_not_complete() -> None:
    """An answer that ends within its document is broken, however cleanly it ends."""
    meter = media_meter(ask(), one_document=True)
    meter.feed(b'{"half": ')
    meter.close()
    assert not meter.complete
