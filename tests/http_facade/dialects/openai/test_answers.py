"""What OpenAI's answers are read as: exact usage, or an honest count."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import (
    SETTLED_BY_COUNTED,
    SETTLED_BY_HOLD,
    SETTLED_BY_UNSPECIFIED,
    SETTLED_BY_USAGE,
)
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_READ_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_IMAGE_TOKENS,
    UNIT_OUTPUT_TOKENS,
    UNIT_WEB_SEARCHES,
)
from mintgate_facade.dialects.base import Ask, Meter
from mintgate_facade.dialects.openai.usage import read_usage

Read = Callable[..., Ask]
MeterFor = Callable[..., Meter]
Run = Callable[[Meter, Iterable[bytes]], tuple[bytes, bytes]]

SSE = "text/event-stream; charset=utf-8"
JSON = "application/json"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello there"}]}
USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}


def data(event: Any) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def delta(**fields: Any) -> bytes:
    return data({"id": "c1", "model": "m-1", "choices": [{"index": 0, "delta": fields}]})


DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("usage", "units", "reasoning"),
    [
        (
            {
                "prompt_tokens": 1200,
                "completion_tokens": 300,
                "total_tokens": 1500,
                "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 128},
                "completion_tokens_details": {"reasoning_tokens": 200},
            },
            {
                UNIT_INPUT_TOKENS: 48,
                UNIT_CACHE_READ_TOKENS: 1024,
                UNIT_CACHE_WRITE_5M_TOKENS: 128,
                UNIT_OUTPUT_TOKENS: 300,
            },
            200,
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"audio_tokens": 60},
                "completion_tokens_details": {"audio_tokens": 40},
            },
            {
                UNIT_INPUT_TOKENS: 40,
                UNIT_INPUT_AUDIO_TOKENS: 60,
                UNIT_OUTPUT_TOKENS: 10,
                UNIT_OUTPUT_AUDIO_TOKENS: 40,
            },
            0,
        ),
        # Reasoning beside the output, as xAI reports it: the total has it.
        (
            {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 420},
            {UNIT_INPUT_TOKENS: 100, UNIT_OUTPUT_TOKENS: 320},
            0,
        ),
        # More cached than there was.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 50},
            },
            {UNIT_CACHE_READ_TOKENS: 10, UNIT_OUTPUT_TOKENS: 1},
            0,
        ),
        (
            {"prompt_tokens": 100, "completion_tokens": 1, "prompt_cache_hit_tokens": 64},
            {UNIT_INPUT_TOKENS: 36, UNIT_CACHE_READ_TOKENS: 64, UNIT_OUTPUT_TOKENS: 1},
            0,
        ),
        ({"prompt_tokens": 8, "total_tokens": 8}, {UNIT_INPUT_TOKENS: 8}, 0),
        (
            {"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 5}},
            {UNIT_CACHE_READ_TOKENS: 5, UNIT_OUTPUT_TOKENS: 2},
            0,
        ),
    ],
)
def test_usage_becomes_disjoint_units(
    usage: dict[str, Any], units: dict[int, int], reasoning: int
) -> None:
    """Every vendor's way to say it ends in units that sum to input and output."""
    assert read_usage(usage) == (units, reasoning)


@pytest.mark.parametrize("usage", [None, {}, [], "x", {"seconds": 3}])
def test_usage_that_says_nothing_is_none(usage: Any) -> None:
    """An empty usage object is not a usage of zero."""
    assert read_usage(usage) is None


def test_picture_output_without_a_split_is_image_tokens() -> None:
    """The image routes' output is pictures unless they say otherwise."""
    usage = {"input_tokens": 5, "output_tokens": 1056}
    split = {**usage, "output_tokens_details": {"text_tokens": 56, "image_tokens": 1000}}

    assert read_usage(usage, image_output=True) == (
        {UNIT_INPUT_TOKENS: 5, UNIT_OUTPUT_IMAGE_TOKENS: 1056},
        0,
    )
    assert read_usage(split, image_output=True) == (
        {UNIT_INPUT_TOKENS: 5, UNIT_OUTPUT_TOKENS: 56, UNIT_OUTPUT_IMAGE_TOKENS: 1000},
        0,
    )


def test_a_hidden_usage_chunk_is_dropped_alone(read: Read, meter_for: MeterFor, run: Run) -> None:
    """Only the chunk with empty choices that we asked for goes; all else is byte-identical."""
    ask = read("openai", "chat", {**CHAT, "stream": True})
    meter = meter_for("openai", "chat", ask, SSE)
    first = data({"id": "c1", "choices": [], "prompt_filter_results": []})
    text, usage = delta(content="Hi"), data({"id": "c1", "choices": [], "usage": USAGE})

    assert run(meter, [first, text, usage, DONE]) == (first + text, DONE)
    assert meter.reading().units == {UNIT_INPUT_TOKENS: 12, UNIT_OUTPUT_TOKENS: 3}


def test_usage_is_final_before_the_end_when_it_stands_alone(
    read: Read, meter_for: MeterFor
) -> None:
    """The relay may settle at the usage chunk, while the terminal event is still to come."""
    ask = read(
        "openai", "chat", {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    )
    meter = meter_for("openai", "chat", ask, SSE)
    usage = data({"id": "c1", "choices": [], "usage": USAGE})

    meter.feed(delta(content="Hi"))
    assert (meter.final, meter.complete) == (False, False)
    assert meter.reading().basis == SETTLED_BY_COUNTED
    assert meter.feed(usage) == usage
    assert (meter.final, meter.complete) == (True, False)
    assert meter.feed(DONE) == b""
    assert (meter.final, meter.complete) == (True, True)


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]},
    ],
)
def test_usage_on_the_finish_chunk_is_final_at_the_end(
    read: Read, meter_for: MeterFor, chunk: dict[str, Any]
) -> None:
    """Where a vendor puts usage on the finish chunk, that chunk is content and passes."""
    meter = meter_for("openai", "chat", read("openai", "chat", {**CHAT, "stream": True}), SSE)

    assert meter.feed(data(chunk)) == data(chunk)
    assert (meter.final, meter.complete) == (False, False)
    meter.feed(DONE)
    assert (meter.final, meter.complete) == (True, True)
    assert meter.reading().basis == SETTLED_BY_USAGE


def test_a_broken_stream_is_counted(read: Read, meter_for: MeterFor) -> None:
    """Text, refusals, reasoning and tool arguments count; ids and roles do not."""
    ask = read("openai", "chat", {**CHAT, "stream": True})
    meter = meter_for("openai", "chat", ask, SSE)
    assert meter.reading().basis == SETTLED_BY_UNSPECIFIED

    meter.feed(delta(role="assistant", content="Grüße"))  # 7 bytes
    meter.feed(delta(reasoning_content="1234567890"))
    meter.feed(
        delta(tool_calls=[{"index": 0, "id": "call_123", "function": {"arguments": '{"a":1}'}}])
    )
    meter.feed(delta(audio={"id": "a", "data": "A" * 6400, "transcript": "abc"}))
    meter.feed(b'data: {"id":"c1","cho')
    reading = meter.reading()

    assert reading.basis == SETTLED_BY_COUNTED
    assert reading.units == {
        UNIT_INPUT_TOKENS: ask.delivered_input_tokens,
        UNIT_OUTPUT_TOKENS: 9,
        UNIT_OUTPUT_AUDIO_TOKENS: 2,
    }
    assert reading.model == "m-1"
    assert reading.provider_request_id == "c1"


def test_a_count_never_passes_the_stated_limit(read: Read, meter_for: MeterFor) -> None:
    """The provider stops at the limit, so no more than that can have been made."""
    ask = read("openai", "chat", {**CHAT, "stream": True, "max_tokens": 4, "n": 2})
    meter = meter_for("openai", "chat", ask, SSE)
    meter.feed(delta(content="x" * 300))

    assert meter.reading().units[UNIT_OUTPUT_TOKENS] == 8


def test_an_unreadable_event_passes_and_counts(read: Read, meter_for: MeterFor) -> None:
    """Bytes that we cannot parse still reach the client, and are not free."""
    meter = meter_for("openai", "chat", read("openai", "chat", {**CHAT, "stream": True}), SSE)
    odd = b"data: not json at all\n\n"

    assert meter.feed(odd) == odd
    assert meter.reading().units[UNIT_OUTPUT_TOKENS] == 5


def test_a_cut_stream_is_not_complete(read: Read, meter_for: MeterFor, run: Run) -> None:
    """A clean close without the terminal event is a break; half an event is not passed on."""
    meter = meter_for("openai", "chat", read("openai", "chat", {**CHAT, "stream": True}), SSE)

    assert run(meter, [delta(content="Hi"), b'data: {"id":']) == (delta(content="Hi"), b"")
    assert not meter.complete


def named(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\n".encode() + data({"type": kind, **fields})


RESPONSE = {"id": "resp_1", "model": "gpt-x-1", "service_tier": "flex"}


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete"])
def test_a_terminal_response_event_has_the_usage(
    read: Read, meter_for: MeterFor, run: Run, kind: str
) -> None:
    """Usage, tier, model and searches are read from the event that is kept back."""
    ask = read("openai", "responses", {"model": "m", "input": "hi", "stream": True})
    meter = meter_for("openai", "responses", ask, SSE)
    start = named("response.created", response={**RESPONSE, "usage": None})
    end = named(
        kind,
        response={
            **RESPONSE,
            "usage": {"input_tokens": 9, "output_tokens": 2},
            "output": [
                {"type": "web_search_call", "action": {"type": "search"}},
                {"type": "web_search_call", "action": {"type": "open_page"}},
            ],
        },
    )

    assert run(meter, [start, end]) == (start, end)
    reading = meter.reading()
    assert meter.final
    assert reading.units == {
        UNIT_INPUT_TOKENS: 9,
        UNIT_OUTPUT_TOKENS: 2,
        UNIT_WEB_SEARCHES: 1,
    }
    assert reading.variants == ("service_tier=flex",)
    assert reading.model == "gpt-x-1"
    assert reading.provider_request_id == "resp_1"


def test_a_failed_response_without_usage_is_counted(
    read: Read, meter_for: MeterFor, run: Run
) -> None:
    """The stream is complete, but its usage is null: what was delivered is charged."""
    ask = read("openai", "responses", {"model": "m", "input": "hi", "stream": True})
    meter = meter_for("openai", "responses", ask, SSE)
    search = {"type": "web_search_call", "action": {"type": "search"}}
    run(
        meter,
        [
            named("response.output_text.delta", delta="x" * 30),
            named("response.output_item.done", item=search),
            named("response.failed", response={**RESPONSE, "usage": None}),
        ],
    )

    assert meter.complete
    assert not meter.final
    reading = meter.reading()
    assert reading.basis == SETTLED_BY_COUNTED
    assert reading.units[UNIT_OUTPUT_TOKENS] == 10
    assert reading.units[UNIT_WEB_SEARCHES] == 1


def test_a_json_answer_is_read_whole(read: Read, meter_for: MeterFor, run: Run) -> None:
    """Usage, tier, id and model come from the document; its last byte is kept."""
    meter = meter_for("openai", "chat", read("openai", "chat", CHAT), JSON)
    body = json.dumps({"id": "c1", "model": "m-1", "service_tier": "fast", "usage": USAGE}).encode()

    assert run(meter, [body]) == (body[:-1], b"}")
    reading = meter.reading()
    assert reading.units == {UNIT_INPUT_TOKENS: 12, UNIT_OUTPUT_TOKENS: 3}
    assert reading.variants == ("service_tier=priority",)
    assert reading.provider_request_id == "c1"


def test_a_json_answer_without_usage_is_counted(read: Read, meter_for: MeterFor, run: Run) -> None:
    """What the model wrote is counted; the document around it is not."""
    meter = meter_for("openai", "chat", read("openai", "chat", CHAT), JSON)
    choice = {"index": 0, "message": {"role": "assistant", "content": "x" * 30}}
    run(meter, [json.dumps({"id": "c1", "choices": [choice]}).encode()])

    assert meter.complete
    assert meter.reading().basis == SETTLED_BY_COUNTED
    assert meter.reading().units[UNIT_OUTPUT_TOKENS] == 10


def test_pictures_without_usage_take_the_hold(read: Read, meter_for: MeterFor, run: Run) -> None:
    """A picture was drawn, and nothing says at what cost."""
    ask = read("openai", "images", {"model": "gpt-image-2", "prompt": "a cat"})
    meter = meter_for("openai", "images", ask, JSON)
    run(meter, [b'{"data":[{"b64_json":"AAAA"}]}'])

    assert meter.reading().basis == SETTLED_BY_HOLD


def test_a_picture_that_was_begun_is_charged_in_full(read: Read, meter_for: MeterFor) -> None:
    """A partial picture proves that the whole was being drawn."""
    ask = read("openai", "images", {"model": "gpt-image-2", "prompt": "a", "stream": True})
    meter = meter_for("openai", "images", ask, SSE)
    meter.feed(named("image_generation.partial_image", b64_json="AAAA"))

    assert meter.reading().units[UNIT_OUTPUT_IMAGE_TOKENS] == ask.bound.output_tokens


def test_a_broken_embedding_charges_its_input(read: Read, meter_for: MeterFor, run: Run) -> None:
    """Embeddings have no output to count, however long the numbers are."""
    ask = read("openai", "embeddings", {"model": "m", "input": "a"})
    meter = meter_for("openai", "embeddings", ask, JSON)
    run(meter, [b'{"data":[{"embedding":[0.1,0.2'])

    assert meter.reading().units == {UNIT_INPUT_TOKENS: ask.delivered_input_tokens}
    assert not meter.complete
