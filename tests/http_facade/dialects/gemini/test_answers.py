"""What Gemini's answers are read as: exact usage, or an honest count."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE, Bound
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_READ_AUDIO_TOKENS,
    UNIT_CACHE_READ_TOKENS,
    UNIT_GROUNDED_REQUESTS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_IMAGE_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_IMAGE_TOKENS,
    UNIT_OUTPUT_TOKENS,
    UNIT_WEB_SEARCHES,
    Unit,
)
from mintgate_facade.dialects.base import Ask, Meter
from mintgate_facade.dialects.gemini.usage import grounding_fees, read_usage

Read = Callable[..., Ask]
MeterFor = Callable[..., Meter]
Run = Callable[[Meter, Iterable[bytes]], tuple[bytes, bytes]]

SSE = "text/event-stream"
JSON = "application/json; charset=UTF-8"
MODEL = "gemini-2.5-flash"
REQUEST = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def ask_for(
    input_units: Iterable[Unit.ValueType] = (), output_units: Iterable[Unit.ValueType] = ()
) -> Ask:
    bound = Bound(input_units=input_units, output_units=output_units)
    return Ask(model=MODEL, bound=bound, body=b"{}")


def details(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": number} for name, number in counts.items()]


@pytest.mark.parametrize(
    ("usage", "ask", "units", "thoughts"),
    [
        (
            {
                "promptTokenCount": 1500,
                "cachedContentTokenCount": 1000,
                "candidatesTokenCount": 200,
                "thoughtsTokenCount": 400,
                "toolUsePromptTokenCount": 50,
                "totalTokenCount": 2150,
                "promptTokensDetails": details(TEXT=1242, IMAGE=258),
                "cacheTokensDetails": details(TEXT=1000),
                "candidatesTokensDetails": details(TEXT=200),
                "toolUsePromptTokensDetails": details(TEXT=50),
            },
            ask_for(),
            {
                UNIT_INPUT_TOKENS: 292,
                UNIT_CACHE_READ_TOKENS: 1000,
                UNIT_INPUT_IMAGE_TOKENS: 258,
                UNIT_OUTPUT_TOKENS: 600,
            },
            400,
        ),
        # A blocked prompt has nothing but its prompt.
        ({"promptTokenCount": 7}, ask_for(), {UNIT_INPUT_TOKENS: 7}, 0),
        # What the parts leave unexplained is output.
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 40},
            ask_for(),
            {UNIT_INPUT_TOKENS: 10, UNIT_OUTPUT_TOKENS: 30},
            0,
        ),
        # Without lists, tokens are the dearest kind that was asked for.
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 2},
            ask_for([UNIT_INPUT_AUDIO_TOKENS], [UNIT_OUTPUT_TOKENS, UNIT_OUTPUT_IMAGE_TOKENS]),
            {
                UNIT_INPUT_AUDIO_TOKENS: 10,
                UNIT_OUTPUT_IMAGE_TOKENS: 5,
                UNIT_OUTPUT_TOKENS: 2,
            },
            2,
        ),
        (
            {"promptTokenCount": 1, "candidatesTokenCount": 5},
            ask_for((), [UNIT_OUTPUT_TOKENS, UNIT_OUTPUT_AUDIO_TOKENS]),
            {UNIT_INPUT_TOKENS: 1, UNIT_OUTPUT_AUDIO_TOKENS: 5},
            0,
        ),
        # A short list: the rest is text.
        (
            {
                "promptTokenCount": 10,
                "candidatesTokenCount": 1300,
                "promptTokensDetails": details(AUDIO=4),
                "candidatesTokensDetails": details(IMAGE=1290),
            },
            ask_for([UNIT_INPUT_AUDIO_TOKENS], [UNIT_OUTPUT_TOKENS, UNIT_OUTPUT_IMAGE_TOKENS]),
            {
                UNIT_INPUT_TOKENS: 6,
                UNIT_INPUT_AUDIO_TOKENS: 4,
                UNIT_OUTPUT_TOKENS: 10,
                UNIT_OUTPUT_IMAGE_TOKENS: 1290,
            },
            0,
        ),
        # Audio prompt, text cache: the audio was not cached.
        (
            {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 60,
                "promptTokensDetails": details(AUDIO=80, TEXT=20),
                "cacheTokensDetails": details(TEXT=60),
            },
            ask_for(),
            {
                UNIT_CACHE_READ_TOKENS: 20,
                UNIT_CACHE_READ_AUDIO_TOKENS: 40,
                UNIT_INPUT_AUDIO_TOKENS: 40,
            },
            0,
        ),
    ],
)
def test_usage_becomes_disjoint_units(
    usage: dict[str, Any], ask: Ask, units: dict[int, int], thoughts: int
) -> None:
    """Prompt, tools, candidates and thoughts add up; modalities are taken out of each."""
    assert read_usage(usage, ask) == (units, thoughts)


@pytest.mark.parametrize("usage", [None, {}, [], {"trafficType": "x"}])
def test_usage_that_says_nothing_is_none(usage: Any) -> None:
    """An empty usage object is not a usage of zero."""
    assert read_usage(usage, ask_for()) is None


@pytest.mark.parametrize(
    ("queries", "model", "fees"),
    [
        (0, MODEL, {}),
        (3, MODEL, {UNIT_GROUNDED_REQUESTS: 1}),
        (3, "gemini-3-pro", {UNIT_WEB_SEARCHES: 3}),
    ],
)
def test_grounding_pays_by_generation(queries: int, model: str, fees: dict[int, int]) -> None:
    """One fee a request up to generation two, one a query from then on."""
    assert grounding_fees(queries, model) == fees


def chunk(words: str = "", finish: str = "", **fields: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": words}], "role": "model"}}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "modelVersion": "gemini-2.5-flash-001",
        "responseId": "r1",
        **fields,
    }


def data(event: Any) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\r\n\r\n"


USAGE = {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}


@pytest.fixture
def ask(read: Read) -> Ask:
    """A streamed request."""
    return read("gemini", "stream", REQUEST, path_model=MODEL)


def test_the_last_chunk_waits_for_the_end(ask: Ask, meter_for: MeterFor) -> None:
    """Content passes at once; only the chunk with the finish reason is kept back."""
    meter = meter_for("gemini", "stream", ask, SSE)
    first = data(chunk("Hi", usageMetadata={"promptTokenCount": 5}))
    last = data(chunk("", "STOP", usageMetadata={**USAGE, "serviceTier": "flex"}))

    assert meter.feed(first) == first
    assert meter.feed(last) == b""
    assert (meter.final, meter.complete) == (False, False)
    assert meter.close() == last
    assert (meter.final, meter.complete) == (True, True)
    reading = meter.reading()
    assert reading.basis == SETTLED_BY_USAGE
    assert reading.units == {UNIT_INPUT_TOKENS: 5, UNIT_OUTPUT_TOKENS: 2}
    assert reading.variants == ("service_tier=flex",)
    assert reading.model == "gemini-2.5-flash-001"
    assert reading.provider_request_id == "r1"


def test_a_later_chunk_releases_a_kept_one(ask: Ask, meter_for: MeterFor) -> None:
    """A finish reason that was not the last keeps its place; the later usage wins."""
    meter = meter_for("gemini", "stream", ask, SSE)
    early = data(chunk("a", "STOP", usageMetadata={"promptTokenCount": 5}))
    late = data(chunk("", "STOP", usageMetadata=USAGE))

    assert meter.feed(early) == b""
    assert meter.feed(late) == early
    assert meter.close() == late
    assert meter.reading().units[UNIT_OUTPUT_TOKENS] == 2


def test_a_stream_without_a_finish_is_broken(ask: Ask, meter_for: MeterFor, run: Run) -> None:
    """A clean close without a finish reason is a break; the larger output counts."""
    meter = meter_for("gemini", "stream", ask, SSE)
    run(meter, [data(chunk("x" * 30, usageMetadata=USAGE))])

    assert not meter.complete
    assert not meter.final
    reading = meter.reading()
    assert reading.basis == SETTLED_BY_COUNTED
    assert reading.units == {UNIT_INPUT_TOKENS: 5, UNIT_OUTPUT_TOKENS: 10}


def test_every_candidate_must_finish(ask: Ask, meter_for: MeterFor, run: Run) -> None:
    """With two candidates, one that finished does not make the answer whole."""
    meter = meter_for("gemini", "stream", ask, SSE)
    both = {"candidates": [{"index": 0, "finishReason": "STOP"}, {"index": 1}]}
    run(meter, [data({**both, "usageMetadata": USAGE})])

    assert not meter.complete


def test_a_blocked_prompt_is_a_whole_answer(ask: Ask, meter_for: MeterFor, run: Run) -> None:
    """It has no candidate, only feedback; its prompt is billed."""
    meter = meter_for("gemini", "stream", ask, SSE)
    event = data(
        {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5}}
    )

    assert run(meter, [event]) == (b"", event)
    assert meter.complete
    assert meter.reading().units == {UNIT_INPUT_TOKENS: 5}


def test_partial_media_is_counted(ask: Ask, meter_for: MeterFor) -> None:
    """Pictures count by the piece, speech by its length, calls by their text."""
    meter = meter_for("gemini", "stream", ask, SSE)
    parts = [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "A" * 5120}},
        {"functionCall": {"name": "f", "args": {"city": "Paris"}}},
    ]
    meter.feed(data({"candidates": [{"content": {"parts": parts}}]}))
    units = meter.reading().units

    assert units[UNIT_OUTPUT_IMAGE_TOKENS] == 1290
    assert units[UNIT_OUTPUT_AUDIO_TOKENS] == 2
    assert units[UNIT_OUTPUT_TOKENS] == 2
    assert units[UNIT_INPUT_TOKENS] == ask.delivered_input_tokens


def test_an_array_passes_its_elements_at_once(ask: Ask, meter_for: MeterFor) -> None:
    """Without alt=sse only the closing bracket is kept back."""
    meter = meter_for("gemini", "stream", ask, JSON)
    first = b"[" + json.dumps(chunk("Hi")).encode()
    last = b"\n,\r\n" + json.dumps(chunk("", "STOP", usageMetadata=USAGE)).encode()

    assert meter.feed(first) == first
    assert meter.feed(last + b"\n]") == last
    assert (meter.final, meter.complete) == (False, False)
    assert meter.close() == b"\n]"
    assert (meter.final, meter.complete) == (True, True)
    assert meter.reading().units == {UNIT_INPUT_TOKENS: 5, UNIT_OUTPUT_TOKENS: 2}


def test_a_cut_array_is_not_complete(ask: Ask, meter_for: MeterFor, run: Run) -> None:
    """Even after the finishing element, an array without its bracket is a break."""
    meter = meter_for("gemini", "stream", ask, JSON)
    run(meter, [b"[" + json.dumps(chunk("", "STOP", usageMetadata=USAGE)).encode()])

    assert not meter.complete


def test_a_grounded_json_answer_costs_its_fee(read: Read, meter_for: MeterFor, run: Run) -> None:
    """The queries in the grounding show that a search was run."""
    ask = read("gemini", "generate", REQUEST, path_model=MODEL)
    meter = meter_for("gemini", "generate", ask, JSON)
    document = chunk("Hi", "STOP", usageMetadata=USAGE)
    document["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["a", "b"]}
    run(meter, [json.dumps(document).encode()])

    assert meter.reading().units == {
        UNIT_INPUT_TOKENS: 5,
        UNIT_OUTPUT_TOKENS: 2,
        UNIT_GROUNDED_REQUESTS: 1,
    }


def test_embeddings_charge_their_counted_input(read: Read, meter_for: MeterFor, run: Run) -> None:
    """No usage, no output: what is charged is our count of the text."""
    ask = read("gemini", "embed", {"content": {"parts": [{"text": "x" * 30}]}}, path_model=MODEL)
    meter = meter_for("gemini", "embed", ask, JSON)
    run(meter, [b'{"embedding":{"values":[0.1]}}'])

    assert meter.complete
    assert meter.reading().basis == SETTLED_BY_COUNTED
    assert meter.reading().units == {UNIT_INPUT_TOKENS: 10}
