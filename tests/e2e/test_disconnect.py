"""Either side leaves in the middle of an answer: nobody is fooled, and the charge is right."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import (
    EVENT_STATUS_CLIENT_GONE,
    EVENT_STATUS_UPSTREAM_BROKEN,
    SETTLED_BY_COUNTED,
    SETTLED_BY_HOLD,
    SETTLED_BY_USAGE,
)

from tests.buyer import Buyer
from tests.harness import Installation, eventually
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream
from tests.wire import CHUNKED_END, RawConnection, send

HELLO: list[Any] = [{"role": "user", "content": "word " * 200}]
PARTS: list[Any] = [{"role": "user", "parts": [{"text": "word " * 200}]}]
GEMINI = "/gemini/v1beta/models/gemini-2.5-flash"
CHAT = {"model": "gpt-4o-mini", "messages": HELLO, "max_tokens": 200}
RESPONSE = {"model": "gpt-4o-mini", "input": "word " * 200, "max_output_tokens": 200}
MESSAGE = {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 200}
CONTENT = {"contents": PARTS, "generationConfig": {"maxOutputTokens": 200}}

STREAMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "chat": ("gpt-4o-mini", "/v1/chat/completions", {**CHAT, "stream": True}),
    "response": ("gpt-4o-mini", "/v1/responses", {**RESPONSE, "stream": True}),
    "message": ("claude-haiku-4-5", "/v1/messages", {**MESSAGE, "stream": True}),
    "gemini": ("gemini-2.5-flash", f"{GEMINI}:streamGenerateContent?alt=sse", CONTENT),
    "gemini array": ("gemini-2.5-flash", f"{GEMINI}:streamGenerateContent", CONTENT),
}
WHOLE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "chat": ("gpt-4o-mini", "/v1/chat/completions", CHAT),
    "message": ("claude-haiku-4-5", "/v1/messages", MESSAGE),
    "gemini": ("gemini-2.5-flash", f"{GEMINI}:generateContent", CONTENT),
}
SLOWLY = "input=250; chunk_delay_ms=20"
"""What arrives together with a reset may be lost with it, so nothing does."""
NOTICED_WAIT_S = 2.0
"""How soon the provider must see that nobody listens any more."""
NATIVE_ERROR = {
    "chat": b'data: {"error":{"message":',
    "response": b"event: error\ndata: ",
    "message": b'event: error\ndata: {"type":"error","error":{"type":"api_error"',
    "gemini": b'data: {"error":{"code":502,',
}


def ask(
    connection: RawConnection, buyer: Buyer, path: str, body: dict[str, Any], simulate: str
) -> None:
    """Send one request on a connection of the test's own."""
    headers = buyer.bearer | {
        "anthropic-version": "2023-06-01",
        "content-type": "application/json",
        "x-simulate": simulate,
    }
    connection.request("POST", path, headers, json.dumps(body).encode())


@pytest.mark.parametrize("route", STREAMS)
def test_client_leaves_a_stream(gateway: Installation, route: str) -> None:
    """The provider is stopped at once, and what was delivered is charged.

    Where the provider states its input early, that is charged; else its bytes are counted.
    """
    model, path, body = STREAMS[route]
    buyer, upstream = Buyer.mint(gateway), Upstream(gateway)
    with RawConnection(gateway.url) as connection:
        ask(connection, buyer, path, body, "input=250; break=hang; break_after=3")
        connection.read_until(b"om t")
    left_s = time.monotonic()
    record = upstream.once(lambda r: r["client_left"], "the provider seeing its client leave")
    assert time.monotonic() - left_s < NOTICED_WAIT_S
    assert not record["completed"]
    event = buyer.settled()
    assert event.status == EVENT_STATUS_CLIENT_GONE
    assert event.settled_by == SETTLED_BY_COUNTED
    # Three content events, "Hello from t": twelve bytes count as four tokens.
    assert event.output_tokens == 4
    if route in {"chat", "response"}:
        # Three bytes count as one token.
        assert event.input_tokens == -(-len(json.dumps(body).encode()) // 3)
    else:
        assert event.input_tokens == 250
    assert event.charged_nano_usd == nano_usd(model, input=event.input_tokens, output=4)


@pytest.mark.parametrize("route", [*STREAMS, "whole chat", "whole message", "whole gemini"])
def test_client_leaves_before_the_first_byte(gateway: Installation, route: str) -> None:
    """The provider is stopped at once; it had the input, so the input is charged."""
    model, path, body = (STREAMS | {f"whole {name}": row for name, row in WHOLE.items()})[route]
    buyer, upstream = Buyer.mint(gateway), Upstream(gateway)
    with RawConnection(gateway.url) as connection:
        ask(connection, buyer, path, body, "delay_ms=60000")
        upstream.once(lambda _: True, "the request arriving at the provider")
    upstream.once(lambda r: r["client_left"], "the provider seeing its client leave")
    event = buyer.settled()
    assert event.status == EVENT_STATUS_CLIENT_GONE
    assert event.settled_by == SETTLED_BY_COUNTED
    assert event.output_tokens == 0
    assert event.input_tokens > 0
    assert event.charged_nano_usd == nano_usd(model, input=event.input_tokens)


@pytest.mark.parametrize("route", STREAMS)
def test_drain_of_a_stream(gateway: Installation, route: str) -> None:
    """With `on_disconnect=drain` the answer is read to its end, and charged exactly."""
    model, path, body = STREAMS[route]
    buyer, upstream = Buyer.mint(gateway, on_disconnect="drain"), Upstream(gateway)
    with RawConnection(gateway.url) as connection:
        ask(connection, buyer, path, body, "input=250; output=30; chunk_delay_ms=10")
        connection.read_until(b"om t")
    event = buyer.settled()
    assert event.status == EVENT_STATUS_CLIENT_GONE
    assert event.settled_by == SETTLED_BY_USAGE
    assert (event.input_tokens, event.output_tokens) == (250, 30)
    assert event.charged_nano_usd == nano_usd(model, input=250, output=30)
    record = upstream.once(lambda r: r["completed"], "the provider's end of the answer")
    assert not record["client_left"]


@pytest.mark.parametrize("route", WHOLE)
def test_drain_of_a_whole_answer(gateway: Installation, route: str) -> None:
    """The same for an answer that had not begun when the client left."""
    model, path, body = WHOLE[route]
    buyer, upstream = Buyer.mint(gateway, on_disconnect="drain"), Upstream(gateway)
    with RawConnection(gateway.url) as connection:
        ask(connection, buyer, path, body, "input=250; output=30; delay_ms=300")
        upstream.once(lambda _: True, "the request arriving at the provider")
    event = buyer.settled()
    assert event.settled_by == SETTLED_BY_USAGE
    assert event.charged_nano_usd == nano_usd(model, input=250, output=30)
    upstream.once(lambda r: r["completed"], "the provider's end of the answer")


@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
@pytest.mark.parametrize("route", STREAMS)
def test_provider_breaks_a_stream(gateway: Installation, route: str, fault: str) -> None:
    """A broken stream never ends cleanly for the client, and says why where it can.

    A clean end would be read as a complete answer.
    """
    model, path, body = STREAMS[route]
    buyer, upstream = Buyer.mint(gateway), Upstream(gateway)
    with RawConnection(gateway.url) as connection:
        ask(connection, buyer, path, body, f"{SLOWLY}; break={fault}; break_after=3")
        received = connection.read_to_end()
    head, _, content = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding: chunked" in head.lower()
    assert b"om t" in content
    assert not content.endswith(CHUNKED_END)
    for sign in (b"[DONE]", b"response.completed", b"message_stop", b'"STOP"'):
        assert sign not in content
    if fault != "error" and route in NATIVE_ERROR:
        assert NATIVE_ERROR[route] in content
        assert b"broke its answer off" in content
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_COUNTED
    assert event.output_tokens == 4
    assert event.charged_nano_usd == nano_usd(model, input=event.input_tokens, output=4)
    assert not upstream.only()["client_left"]


@pytest.mark.parametrize("route", STREAMS)
def test_provider_breaks_before_the_first_event(gateway: Installation, route: str) -> None:
    """A stream that breaks before any content costs its input at most."""
    _, path, body = STREAMS[route]
    buyer = Buyer.mint(gateway)
    with RawConnection(gateway.url) as connection:
        ask(connection, buyer, path, body, "input=250; break=reset; break_after=0")
        received = connection.read_to_end()
    assert not received.endswith(CHUNKED_END)
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_COUNTED
    # Anthropic states one token at the start, whatever comes.
    assert event.output_tokens <= 1


@pytest.mark.parametrize("route", WHOLE)
def test_provider_breaks_a_whole_answer(gateway: Installation, route: str) -> None:
    """Half a JSON document with a length is a 502; what arrived is charged."""
    _, path, body = WHOLE[route]
    buyer = Buyer.mint(gateway)
    answer = send(
        gateway.url,
        "POST",
        path,
        headers=buyer.bearer | {"anthropic-version": "2023-06-01", "x-simulate": "break=reset"},
        body=body,
    )
    assert answer.status == 502
    assert "broke its answer off" in answer.json()["error"]["message"]
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_COUNTED


@pytest.mark.parametrize("route", WHOLE)
def test_provider_ends_a_whole_answer_early(gateway: Installation, route: str) -> None:
    """Half a JSON document without a length never ends cleanly for the client."""
    _, path, body = WHOLE[route]
    buyer = Buyer.mint(gateway)
    with RawConnection(gateway.url) as connection:
        ask(connection, buyer, path, body, "break=eof")
        received = connection.read_to_end()
    assert not received.endswith(CHUNKED_END)
    assert buyer.settled().status == EVENT_STATUS_UPSTREAM_BROKEN


def test_picture_that_breaks_off(gateway: Installation) -> None:
    """A picture was drawn before its first byte, so the whole hold is charged for half of one."""
    buyer = Buyer.mint(gateway)
    body = {"model": "gpt-image-1", "prompt": "a cat", "quality": "low", "size": "1024x1024"}
    with RawConnection(gateway.url) as connection:
        ask(connection, buyer, "/v1/images/generations", body, "break=eof")
        received = connection.read_to_end()
    assert not received.endswith(CHUNKED_END)
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_HOLD
    assert event.charged_nano_usd == event.held_nano_usd
    assert event.charged_nano_usd >= nano_usd("gpt-image-1", image_output=272)


def test_client_leaves_while_sending(gateway: Installation) -> None:
    """A request whose body never came in full is neither held nor forwarded."""
    buyer, upstream = Buyer.mint(gateway), Upstream(gateway)
    with RawConnection(gateway.url) as connection:
        connection.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n"
            b"content-type: application/json\r\ncontent-length: 5000\r\n"
            + f"authorization: Bearer {buyer.secret}\r\n\r\n".encode()
            + b'{"model": "gpt-4o-mini",'
        )
    _, path, body = WHOLE["chat"]
    assert send(gateway.url, "POST", path, headers=buyer.bearer, body=body).status == 200
    upstream.only()
    assert len(buyer.events()) == 1
    assert buyer.key().held_nano_usd == 0


def test_key_works_on_after_all_of_this(gateway: Installation) -> None:
    """Many clients that leave at once leave no hold behind."""
    buyer = Buyer.mint(gateway)
    _, path, body = STREAMS["chat"]
    connections = [RawConnection(gateway.url) for _ in range(20)]
    for connection in connections:
        ask(connection, buyer, path, body, "break=hang; break_after=1")
    for connection in connections:
        connection.read_until(b"Hell")
    for connection in connections:
        connection.leave()
    upstream = Upstream(gateway)
    answer = send(gateway.url, "POST", path, headers=buyer.bearer, body=body)
    assert answer.status == 200
    assert upstream.only()["completed"]
    eventually(lambda: buyer.key().held_nano_usd == 0, 10.0, "the end of all holds")
    assert len(buyer.events()) == 21
