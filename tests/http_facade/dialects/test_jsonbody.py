"""The meter of one JSON document: the last byte waits, the rest passes at once."""

from __future__ import annotations

from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate_facade.dialects import jsonbody
from mintgate_facade.dialects.base import Reading
from mintgate_facade.dialects.jsonbody import JsonMeter


def _exact(document: dict[str, Any]) -> Reading | None:
    return Reading(units={1: document["n"]}, basis=SETTLED_BY_USAGE) if "n" in document else None


def _counted(document: dict[str, Any] | None, size_bytes: int) -> Reading:
    return Reading(units={5: size_bytes}, basis=SETTLED_BY_COUNTED, model=str(document))


def _meter() -> JsonMeter:
    return JsonMeter(_exact, _counted)


def test_keeps_exactly_the_last_byte() -> None:
    """All bytes but the last pass as they arrive; the last comes with close."""
    meter = _meter()

    assert meter.feed(b'{"n":') == b'{"n"'
    assert meter.feed(b"") == b""
    assert meter.feed(b"7}") == b":7"
    assert (meter.final, meter.complete) == (False, False)
    assert meter.close() == b"}"
    assert (meter.final, meter.complete) == (True, True)
    assert meter.reading().units == {1: 7}


def test_a_document_without_usage_is_counted_and_complete() -> None:
    """The answer is whole, so the client gets it; the charge rests on our count."""
    meter = _meter()
    meter.feed(b'{"a":1}')
    meter.close()

    assert meter.complete
    assert not meter.final
    assert meter.reading().basis == SETTLED_BY_COUNTED


@pytest.mark.parametrize("body", [b'{"n":7', b"<html></html>", b"[7]", b'"n"'])
def test_what_is_no_document_is_not_complete(body: bytes) -> None:
    """A body that is cut, or no object, is charged by size and marked as broken."""
    meter = _meter()
    assert meter.feed(body) + meter.close() == body

    assert not meter.complete
    assert meter.reading().units == {5: len(body)}


def test_nothing_read_is_nothing_charged() -> None:
    """Before the first byte there is no basis, so the relay may release the hold."""
    assert _meter().reading() == Reading()
    empty = _meter()
    assert empty.close() == b""
    assert empty.reading() == Reading()
    assert not empty.complete


def test_a_longer_answer_passes_and_is_settled_by_its_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond the bound nothing is kept in memory, and nothing is free."""
    monkeypatch.setattr(jsonbody, "ANSWER_BYTES_MAX", 10)
    meter = _meter()

    passed = meter.feed(b'{"n":7,"a"') + meter.feed(b':"long"}')
    assert meter.reading().basis == SETTLED_BY_HOLD
    assert passed + meter.close() == b'{"n":7,"a":"long"}'
    assert meter.complete
    assert meter.reading().basis == SETTLED_BY_HOLD
