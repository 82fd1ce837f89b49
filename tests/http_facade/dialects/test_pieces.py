"""Answers that are billed by the piece: stated, counted, refused, or broken off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_BILLED_TICKS,
    UNIT_INPUT_CHARACTERS,
    UNIT_INPUT_PAGES,
    UNIT_OUTPUT_IMAGES,
)
from mintgate_facade.dialects.base import Ask, Meter

Read = Callable[..., Ask]
MeterFor = Callable[..., Meter]
Run = Callable[[Meter, Iterable[bytes]], tuple[bytes, bytes]]

SSE = "text/event-stream"
JSON = "application/json"
SPEECH = {"model": "speech-2.6-hd", "text": "Hello 世界", "stream": True}
SPOKEN = {"data": {"audio": "00ff", "status": 1}, "base_resp": {"status_code": 0}}
LAST = {"data": {"audio": "", "status": 2}, "extra_info": {"usage_characters": 10}}


def event(document: Any) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_speech_of_minimax_states_its_characters(
    read: Read, meter_for: MeterFor, run: Run, size: int
) -> None:
    """However the stream is cut up, its last event waits for the charge."""
    ask = read("minimax", "speech", SPEECH)
    assert [(fee.unit, fee.count) for fee in ask.bound.fees] == [(UNIT_INPUT_CHARACTERS, 12)]
    meter = meter_for("minimax", "speech", ask, SSE)
    whole = event(SPOKEN) + event(LAST)
    passed, kept = run(meter, [whole[at : at + size] for at in range(0, len(whole), size)])
    assert (passed, kept) == (event(SPOKEN), event(LAST))
    assert (meter.final, meter.complete, meter.refused) == (True, True, 0)
    reading = meter.reading()
    assert (reading.units, reading.basis) == ({UNIT_INPUT_CHARACTERS: 10}, SETTLED_BY_USAGE)


def test_speech_that_breaks_off_is_charged_whole(read: Read, meter_for: MeterFor) -> None:
    """The text was taken in full before the first sound."""
    meter = meter_for("minimax", "speech", read("minimax", "speech", SPEECH), SSE)
    meter.feed(event(SPOKEN))
    reading = meter.reading()
    assert (reading.units, reading.basis) == ({UNIT_INPUT_CHARACTERS: 12}, SETTLED_BY_COUNTED)
    assert not meter.complete


@pytest.mark.parametrize("stream", [False, True])
def test_speech_that_is_refused(read: Read, meter_for: MeterFor, run: Run, *, stream: bool) -> None:
    """A code in `base_resp` before any sound is a refusal."""
    failure = {"data": None, "base_resp": {"status_code": 1008}}
    ask = read("minimax", "speech", {**SPEECH, "stream": stream})
    meter = meter_for("minimax", "speech", ask, SSE if stream else JSON)
    run(meter, [event(failure) if stream else json.dumps(failure).encode()])
    assert (meter.refused, meter.complete, meter.final) == (402, True, False)


def test_speech_that_fails_after_it_began(read: Read, meter_for: MeterFor, run: Run) -> None:
    """After a sound it is no refusal, but an answer without its end."""
    meter = meter_for("minimax", "speech", read("minimax", "speech", SPEECH), SSE)
    run(meter, [event(SPOKEN), event({"base_resp": {"status_code": 1000}})])
    assert (meter.refused, meter.failed, meter.complete) == (0, True, False)


@pytest.mark.parametrize(
    ("pages", "most"),
    [(None, 1_000), ([0], 1), ([4, 5, 6], 3), ("3", 1), ("0-4, 9", 6), ("0-99999", 1_000)],
)
def test_pages_that_are_named_are_the_bound(read: Read, pages: Any, most: int) -> None:
    """A list, a text of ranges, or all of the longest document."""
    source = {"type": "document_url", "document_url": "data:application/pdf;base64,AA=="}
    ask = read("mistral", "ocr", {"model": "m", "document": source, "pages": pages})
    assert [(fee.unit, fee.count) for fee in ask.bound.fees] == [(UNIT_INPUT_PAGES, most)]
    assert (ask.bound.output_tokens, ask.bound.input_tokens) == (0, 0)


def test_a_document_that_states_no_pages(read: Read, meter_for: MeterFor, run: Run) -> None:
    """The pages were read, and nothing says how many: the whole hold."""
    source = {"type": "image_url", "image_url": {"url": "https://a.example/a.png"}}
    ask = read("mistral", "ocr", {"model": "m", "document": source})
    meter = meter_for("mistral", "ocr", ask, JSON)
    run(meter, [b'{"pages":[]}'])
    assert meter.reading().basis == SETTLED_BY_HOLD


def test_pictures_of_xai(read: Read, meter_for: MeterFor, run: Run) -> None:
    """Ticks are the charge; without them each picture is counted, and none that was not made."""
    ask = read("xai", "images", {"model": "grok-imagine-image", "prompt": "p", "n": 4})
    billed = meter_for("xai", "images", ask, JSON)
    run(billed, [b'{"data":[{},{}],"usage":{"cost_in_usd_ticks":7}}'])
    assert billed.reading().units == {UNIT_OUTPUT_IMAGES: 2, UNIT_BILLED_TICKS: 7}
    counted = meter_for("xai", "images", ask, JSON)
    run(counted, [b'{"data":[{},{}]}'])
    assert counted.reading().units == {UNIT_OUTPUT_IMAGES: 2}
    broken = meter_for("xai", "images", ask, JSON)
    broken.feed(b'{"data":[{')
    assert broken.reading().units == {UNIT_OUTPUT_IMAGES: 4}
