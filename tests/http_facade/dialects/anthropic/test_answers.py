"""What Anthropic's answers are read as: exact usage, or an honest count."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_READ_TOKENS,
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
    UNIT_WEB_SEARCHES,
)
from mintgate_facade.dialects.anthropic.usage import MessageUsage
from mintgate_facade.dialects.base import Ask, Meter

Read = Callable[..., Ask]
MeterFor = Callable[..., Meter]
Run = Callable[[Meter, Iterable[bytes]], tuple[bytes, bytes]]

SSE = "text/event-stream; charset=utf-8"
REQUEST = {
    "model": "claude-x",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "Hello"}],
}
START_USAGE = {
    "input_tokens": 20,
    "cache_creation_input_tokens": 2048,
    "cache_read_input_tokens": 10000,
    "cache_creation": {"ephemeral_5m_input_tokens": 1024, "ephemeral_1h_input_tokens": 1024},
    "output_tokens": 1,
    "service_tier": "standard",
    "inference_geo": "us",
}


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def start(usage: dict[str, Any] | None = None) -> bytes:
    return event(
        "message_start",
        message={"id": "msg_1", "model": "claude-x-1", "usage": usage or START_USAGE},
    )


def text(words: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": words})


def stop(**usage: Any) -> bytes:
    return event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage)


END = event("message_stop")


@pytest.fixture
def meter(read: Read, meter_for: MeterFor) -> Meter:
    """Meter a streamed message without cache writes for an hour."""
    ask = read("anthropic", "messages", {**REQUEST, "stream": True})
    return meter_for("anthropic", "messages", ask, SSE)


def test_a_stream_ends_with_exact_usage(meter: Meter, run: Run) -> None:
    """Start states the input and its split, delta the totals; all but the stop passes."""
    pieces = [start(), event("ping"), text("Hi"), stop(output_tokens=300)]

    assert run(meter, [*pieces, END]) == (b"".join(pieces), END)
    reading = meter.reading()
    assert meter.final
    assert meter.complete
    assert reading.basis == SETTLED_BY_USAGE
    assert reading.units == {
        UNIT_INPUT_TOKENS: 20,
        UNIT_CACHE_READ_TOKENS: 10000,
        UNIT_CACHE_WRITE_5M_TOKENS: 1024,
        UNIT_CACHE_WRITE_1H_TOKENS: 1024,
        UNIT_OUTPUT_TOKENS: 300,
    }
    assert reading.variants == ("inference_geo=us",)
    assert reading.model == "claude-x-1"
    assert reading.provider_request_id == "msg_1"


def test_later_totals_overwrite_earlier_ones(meter: Meter) -> None:
    """Deltas are running totals; with server tools even the input grows."""
    meter.feed(start())
    meter.feed(event("message_delta", delta={}, usage={"output_tokens": 10, "input_tokens": 25}))
    meter.feed(stop(output_tokens=50, input_tokens=900, server_tool_use={"web_search_requests": 2}))
    assert (meter.final, meter.complete) == (False, False)
    meter.feed(END)

    units = meter.reading().units
    assert (meter.final, meter.complete) == (True, True)
    assert units[UNIT_INPUT_TOKENS] == 900
    assert units[UNIT_OUTPUT_TOKENS] == 50
    assert units[UNIT_WEB_SEARCHES] == 2


def test_a_broken_stream_keeps_its_exact_input(meter: Meter) -> None:
    """The input was stated at the start; text, thinking and tool input are counted."""
    meter.feed(start())
    meter.feed(text("x" * 30))
    for delta in (
        {"type": "thinking_delta", "thinking": "x" * 30},
        {"type": "input_json_delta", "partial_json": "x" * 30},
        {"type": "signature_delta", "signature": "x" * 300},
    ):
        meter.feed(event("content_block_delta", index=0, delta=delta))
    block = {"type": "server_tool_use", "name": "web_search"}
    meter.feed(event("content_block_start", index=1, content_block=block))
    reading = meter.reading()

    assert reading.basis == SETTLED_BY_COUNTED
    assert reading.units[UNIT_INPUT_TOKENS] == 20
    assert reading.units[UNIT_CACHE_READ_TOKENS] == 10000
    assert reading.units[UNIT_OUTPUT_TOKENS] == 30
    assert reading.units[UNIT_WEB_SEARCHES] == 1
    assert not meter.final


def test_an_input_that_was_not_stated_is_counted(meter: Meter) -> None:
    """Vendors that state zero at the start leave us with our own count."""
    meter.feed(start({"input_tokens": 0, "output_tokens": 0}))

    assert meter.reading().units[UNIT_INPUT_TOKENS] > 0


def test_usage_is_exact_once_the_message_has_stopped(meter: Meter) -> None:
    """A break between the last delta and the stop event loses nothing."""
    meter.feed(start())
    meter.feed(stop(output_tokens=300))

    assert meter.reading().basis == SETTLED_BY_USAGE
    assert not meter.complete


def test_an_error_event_is_not_an_end(meter: Meter, run: Run) -> None:
    """The provider's own error passes at once, and the answer is not complete."""
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})

    assert run(meter, [start(), text("Hi"), error]) == (start() + text("Hi") + error, b"")
    assert not meter.complete


@pytest.mark.parametrize(
    ("usage", "cached_1h", "written"),
    [
        ({"cache_creation_input_tokens": 100}, False, (100, 0)),
        ({"cache_creation_input_tokens": 100}, True, (0, 100)),
        (
            {
                "cache_creation_input_tokens": 100,
                "cache_creation": {"ephemeral_5m_input_tokens": 30},
            },
            True,
            (30, 70),
        ),
        (
            {
                "cache_creation_input_tokens": 10,
                "cache_creation": {"ephemeral_1h_input_tokens": 30},
            },
            False,
            (0, 30),
        ),
    ],
)
def test_cache_writes_without_a_split(
    usage: dict[str, Any], written: tuple[int, int], *, cached_1h: bool
) -> None:
    """Unsplit writes are for an hour if the request asked for that, else for five minutes."""
    message = MessageUsage(cached_1h=cached_1h)
    message.merge(usage)
    units = message.units()

    assert (units[UNIT_CACHE_WRITE_5M_TOKENS], units[UNIT_CACHE_WRITE_1H_TOKENS]) == written


def test_iterations_are_billed_as_their_sum() -> None:
    """Compaction is missing from the totals, so the sum over the passes counts."""
    usage = MessageUsage(cached_1h=False)
    usage.merge(
        {
            "input_tokens": 100,
            "output_tokens": 20,
            "iterations": [
                {"type": "compaction", "input_tokens": 500, "output_tokens": 30},
                {
                    "type": "message",
                    "input_tokens": 100,
                    "output_tokens": 20,
                    "cache_creation_input_tokens": 40,
                    "cache_creation": {"ephemeral_1h_input_tokens": 40},
                },
            ],
        }
    )
    units = usage.units()

    assert units[UNIT_INPUT_TOKENS] == 600
    assert units[UNIT_OUTPUT_TOKENS] == 50
    assert units[UNIT_CACHE_WRITE_1H_TOKENS] == 40


def test_iterations_never_lower_the_totals() -> None:
    """Where they sum to less, the totals stand."""
    usage = MessageUsage(cached_1h=False)
    usage.merge({"input_tokens": 100, "output_tokens": 20, "iterations": [{"input_tokens": 1}]})

    assert usage.units()[UNIT_INPUT_TOKENS] == 100


def test_a_json_message_is_read_whole(read: Read, meter_for: MeterFor, run: Run) -> None:
    """Usage, speed, thinking and ids come from the document."""
    meter = meter_for(
        "anthropic", "messages", read("anthropic", "messages", REQUEST), "application/json"
    )
    usage = {
        "input_tokens": 20,
        "output_tokens": 300,
        "output_tokens_details": {"thinking_tokens": 180},
        "speed": "fast",
        "service_tier": "priority",
    }
    body = json.dumps({"id": "msg_1", "model": "claude-x-1", "usage": usage}).encode()

    assert run(meter, [body]) == (body[:-1], b"}")
    reading = meter.reading()
    assert reading.units == {UNIT_INPUT_TOKENS: 20, UNIT_OUTPUT_TOKENS: 300}
    assert reading.reasoning_tokens == 180
    assert reading.variants == ("service_tier=priority", "speed=fast")


def test_a_json_message_without_usage_is_counted(read: Read, meter_for: MeterFor, run: Run) -> None:
    """What the model wrote is counted; the document around it is not."""
    ask = read("anthropic", "messages", REQUEST)
    meter = meter_for("anthropic", "messages", ask, "application/json")
    content = [{"type": "text", "text": "x" * 30}]
    run(meter, [json.dumps({"id": "msg_1", "content": content}).encode()])

    assert meter.complete
    assert meter.reading().units == {
        UNIT_INPUT_TOKENS: ask.delivered_input_tokens,
        UNIT_OUTPUT_TOKENS: 10,
    }
