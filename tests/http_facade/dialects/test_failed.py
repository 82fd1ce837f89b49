"""An error that the provider sends within its stream marks the answer as failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mintgate_facade.dialects.base import Meter

from tests.http_facade.dialects.conftest import Read

HELLO = [{"role": "user", "content": "hi"}]
CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": HELLO, "max_tokens": 9, "stream": True}
RESPONSES: dict[str, Any] = {"model": "gpt-4o-mini", "input": "hi", "stream": True}
GEMINI: dict[str, Any] = {"contents": [{"parts": [{"text": "hi"}]}]}

EVENT_STREAM = "text/event-stream"
CASES = [
    ("openai", "chat", CHAT, EVENT_STREAM, b'data: {"error":{"message":"no"}}\n\n'),
    ("openai", "responses", RESPONSES, EVENT_STREAM, b'data: {"type":"error","code":"x"}\n\n'),
    (
        "anthropic",
        "messages",
        CHAT | {"model": "claude-haiku-4-5"},
        EVENT_STREAM,
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"no"}}\n\n',
    ),
    (
        "mistral",
        "chat",
        CHAT | {"model": "mistral-small-2603"},
        EVENT_STREAM,
        b'data: {"object":"error","message":"no","type":"unreachable_backend","code":"1100"}\n\n',
    ),
    ("gemini", "stream", GEMINI, EVENT_STREAM, b'data: {"error":{"code":503}}\r\n\r\n'),
    ("gemini", "stream", GEMINI, "application/json", b'[{"error":{"code":503}}\n'),
]


@pytest.mark.parametrize(("provider", "operation", "document", "content_type", "event"), CASES)
def test_an_error_event_is_the_provider_s_own_end(
    read: Read,
    meter_for: Callable[..., Meter],
    provider: str,
    operation: str,
    document: dict[str, Any],
    content_type: str,
    event: bytes,
) -> None:
    """The meter tells a failure that the provider sent from a client that just left."""
    view = {"path_model": "gemini-2.5-flash"} if provider == "gemini" else {}
    meter = meter_for(
        provider, operation, read(provider, operation, document, **view), content_type
    )
    assert not meter.failed
    meter.feed(event)
    assert meter.failed
