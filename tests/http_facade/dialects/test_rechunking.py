"""The promise of every meter: how an answer is cut into chunks changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mintgate.v1.ledger_pb2 import SETTLED_BY_USAGE, Bound
from mintgate.v1.unit_pb2 import UNIT_CACHE_WRITE_1H_TOKENS
from mintgate_facade.dialects.base import Ask, Meter, Policy, Reading, Route
from mintgate_facade.dialects.streams import EVENT_STREAM
from mintgate_facade.providers.registry import REGISTRY

RELAXED = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Pure functions on a machine that other suites share: its load is no finding."""

JSON = "application/json; charset=utf-8"

_CHAT_USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 300,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 128},
    "completion_tokens_details": {"reasoning_tokens": 200},
}
_RESPONSE = {
    "id": "resp_1",
    "model": "gpt-x",
    "service_tier": "priority",
    "output": [],
    "usage": {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15},
    "tool_usage": {"web_search": {"num_requests": 2}},
}
_MESSAGE_USAGE = {
    "input_tokens": 20,
    "cache_creation_input_tokens": 2048,
    "cache_read_input_tokens": 10000,
    "cache_creation": {"ephemeral_5m_input_tokens": 1024, "ephemeral_1h_input_tokens": 1024},
    "output_tokens": 1,
    "inference_geo": "us",
}
_GEMINI_USAGE = {"promptTokenCount": 15, "thoughtsTokenCount": 4, "totalTokenCount": 26}


def _data(*events: Any) -> list[str]:
    return [f"data: {json.dumps(event, ensure_ascii=False)}" for event in events]


def _named(*events: Any) -> list[str]:
    return [f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}" for e in events]


def _chunk(text: str, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"text": text}]}, **more}]}


_CHAT = [
    ": keep-alive",
    *_data(
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hé"}}]},
        {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"id": "c", "choices": [], "usage": _CHAT_USAGE},
    ),
    "data: [DONE]",
]
_RESPONSES = _named(
    {"type": "response.created", "response": {"id": "resp_1", "usage": None}},
    {"type": "response.output_text.delta", "delta": "Hi\n\nthere"},
    {"type": "response.completed", "response": _RESPONSE},
)
_MESSAGES = _named(
    {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": _MESSAGE_USAGE}},
    {"type": "ping"},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 300},
    },
    {"type": "message_stop"},
)
_CHUNKS = [
    {**_chunk("a\u2028b"), "usageMetadata": {"promptTokenCount": 15}},
    {**_chunk("", finishReason="STOP"), "responseId": "r1", "usageMetadata": _GEMINI_USAGE},
]
_IMAGES = _named(
    {"type": "image_generation.partial_image", "b64_json": "AAAA"},
    {
        "type": "image_generation.completed",
        "b64_json": "BBBB",
        "usage": {"input_tokens": 5, "output_tokens": 1056, "total_tokens": 1061},
    },
)


def _sse(events: list[str], end: str) -> bytes:
    return "".join(event.replace("\n", end) + end + end for event in events).encode()


_CASES: dict[str, tuple[str, str, str, bytes]] = {
    **{
        f"{name}-{label}": (provider, operation, EVENT_STREAM, _sse(events, end))
        for name, provider, operation, events in (
            ("chat", "openai", "chat", _CHAT),
            ("responses", "openai", "responses", _RESPONSES),
            ("images", "openai", "images", _IMAGES),
            ("messages", "anthropic", "messages", _MESSAGES),
            ("gemini", "gemini", "stream", _data(*_CHUNKS)),
        )
        for label, end in (("lf", "\n"), ("crlf", "\r\n"), ("cr", "\r"))
    },
    "gemini-array": ("gemini", "stream", JSON, json.dumps(_CHUNKS, indent=1).encode()),
    "chat-json": ("openai", "chat", JSON, json.dumps({"id": "c", "usage": _CHAT_USAGE}).encode()),
    "responses-json": ("openai", "responses", JSON, json.dumps(_RESPONSE).encode()),
    "messages-json": (
        "anthropic",
        "messages",
        JSON,
        json.dumps({"usage": _MESSAGE_USAGE}).encode(),
    ),
    "gemini-json": ("gemini", "generate", JSON, json.dumps(_CHUNKS[1]).encode()),
}

Outcome = tuple[bytes, Reading, bool, bool]


def _meter(provider: str, operation: str, content_type: str, *, hide: bool) -> Meter:
    ask = Ask(
        model="gemini-2.5-flash",
        bound=Bound(output_tokens=5000, input_units=[UNIT_CACHE_WRITE_1H_TOKENS]),
        body=b"{}",
        hide_usage=hide,
        delivered_input_tokens=11,
    )
    route = Route("POST", "/test", Policy.METERED, operation)
    return REGISTRY.provider(provider).dialect.meter(route, ask, content_type)


def _run(make: Callable[[], Meter], stream: bytes, cuts: list[int]) -> Outcome:
    meter = make()
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    passed = b"".join([meter.feed(stream[start:end]) for start, end in pairwise(edges)])
    kept = meter.close()
    return passed + kept, meter.reading(), meter.final, meter.complete


@pytest.mark.parametrize("name", _CASES)
@pytest.mark.parametrize("hide", [False, True])
@RELAXED
@given(
    cuts=st.lists(st.integers(0, 10**6), max_size=10), broken_at=st.none() | st.integers(1, 10**6)
)
def test_cutting_changes_neither_usage_nor_output(
    *, name: str, hide: bool, cuts: list[int], broken_at: int | None
) -> None:
    """Any cut of any answer, whole or broken off anywhere, reads and passes the same."""
    provider, operation, content_type, stream = _CASES[name]
    if broken_at is not None:
        stream = stream[: broken_at % len(stream)]

    def make() -> Meter:
        return _meter(provider, operation, content_type, hide=hide)

    whole = _run(make, stream, [])
    assert _run(make, stream, cuts) == whole
    assert _run(make, stream, list(range(len(stream)))) == whole


@pytest.mark.parametrize("name", _CASES)
def test_a_whole_answer_passes_unchanged_with_its_exact_usage(name: str) -> None:
    """Fed byte by byte, every byte comes out, the end last, and the usage is the provider's."""
    provider, operation, content_type, stream = _CASES[name]

    def make() -> Meter:
        return _meter(provider, operation, content_type, hide=False)

    output, reading, final, complete = _run(make, stream, list(range(len(stream))))

    assert output == stream
    assert reading.basis == SETTLED_BY_USAGE
    assert final
    assert complete


@pytest.mark.parametrize("name", _CASES)
def test_the_end_is_kept_back_and_nothing_else(name: str) -> None:
    """Before close the answer's closing bytes have not passed, but all before them have."""
    provider, operation, content_type, stream = _CASES[name]
    meter = _meter(provider, operation, content_type, hide=False)

    passed = meter.feed(stream)
    kept = meter.close()

    assert passed + kept == stream
    marks = {
        "chat": b"[DONE]",
        "responses": b"response.completed",
        "images": b"image_generation.completed",
        "messages": b"message_stop",
        "gemini": b"finishReason",
    }
    if content_type == EVENT_STREAM:
        mark = marks[name.partition("-")[0]]
        assert mark not in passed
        assert mark in kept
    elif name == "gemini-array":
        assert kept.strip() == b"]"
    else:
        assert kept == b"}"
