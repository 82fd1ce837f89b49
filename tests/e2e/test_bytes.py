"""The bytes that a client gets are the bytes that the provider sent."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.buyer import Buyer
from tests.harness import Installation
from tests.upstream import Upstream
from tests.wire import Answer, RawConnection, send

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
PARTS: list[Any] = [{"role": "user", "parts": [{"text": "hello"}]}]
GEMINI = "/gemini/v1beta/models/gemini-2.5-flash"

CHAT = {"model": "gpt-4o-mini", "messages": HELLO, "max_tokens": 60}
STREAMED_CHAT = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
COMPLETION = {"model": "gpt-3.5-turbo-instruct", "prompt": "hello", "max_tokens": 60}
STREAMED_COMPLETION = {
    **COMPLETION,
    "stream": True,
    "stream_options": {"include_usage": True},
}
RESPONSE = {"model": "gpt-4o-mini", "input": "hello", "max_output_tokens": 60}
MESSAGE = {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 60}
CONTENT = {"contents": PARTS, "generationConfig": {"maxOutputTokens": 60}}
IMAGE = {"model": "gpt-image-1", "prompt": "a cat", "quality": "low", "size": "1024x1024"}

WHOLE: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", CHAT),
    "completion": ("/v1/completions", COMPLETION),
    "response": ("/v1/responses", RESPONSE),
    "embedding": ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "hello"}),
    "image": ("/v1/images/generations", IMAGE),
    "moderation": ("/v1/moderations", {"input": "hello"}),
    "message": ("/v1/messages", MESSAGE),
    "count": ("/v1/messages/count_tokens", {"model": "claude-haiku-4-5", "messages": HELLO}),
    "gemini": (f"{GEMINI}:generateContent", CONTENT),
    "gemini count": (f"{GEMINI}:countTokens", {"contents": PARTS}),
}
STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", STREAMED_CHAT),
    "completion": ("/v1/completions", STREAMED_COMPLETION),
    "response": ("/v1/responses", {**RESPONSE, "stream": True}),
    "image": ("/v1/images/generations", {**IMAGE, "stream": True, "partial_images": 1}),
    "message": ("/v1/messages", {**MESSAGE, "stream": True}),
    "gemini": (f"{GEMINI}:streamGenerateContent?alt=sse", CONTENT),
    "gemini array": (f"{GEMINI}:streamGenerateContent", CONTENT),
}
SHAPES = [
    "output=20",
    "output=0",
    "output=20; split=1",
    "output=20; split=7",
    "output=20; split=4096",
    "output=20; crlf",
    "output=20; crlf; split=3",
    "output=20; pings",
    "output=20; pings; crlf; split=1",
    "output=20; chunks=1",
    "reasoning=30; output=20",
    "searches=2; output=20",
]


def ask(
    gateway: Installation, path: str, body: dict[str, Any], shape: str, **options: Any
) -> tuple[Buyer, Answer]:
    """One request of a new key, steered by the simulator's header."""
    buyer = Buyer.mint(gateway, **options)
    headers = {
        "authorization": f"Bearer {buyer.secret}",
        "anthropic-version": "2023-06-01",
        "x-simulate": shape,
        # Clients ask for this; the meter could not read it.
        "accept-encoding": "gzip, deflate, br, zstd",
    }
    return buyer, send(gateway.url, "POST", path, headers=headers, body=body)


@pytest.mark.parametrize("shape", ["output=20", "output=20; split=1", "output=20; split=100"])
@pytest.mark.parametrize("route", WHOLE)
def test_whole_answers(gateway: Installation, route: str, shape: str) -> None:
    """A JSON answer is relayed byte for byte, with its length."""
    upstream = Upstream(gateway)
    buyer, answer = ask(gateway, *WHOLE[route], shape)
    assert answer.status == 200
    assert answer.body == upstream.answer()
    assert answer.headers["content-length"] == str(len(answer.body))
    assert upstream.only()["headers"]["accept-encoding"] == "identity"
    charged = route not in {"moderation", "count", "gemini count"}
    assert len(buyer.events()) == charged


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("route", STREAMS)
def test_streams(gateway: Installation, route: str, shape: str) -> None:
    """A stream is relayed byte for byte however it is cut, and is charged once."""
    upstream = Upstream(gateway)
    buyer, answer = ask(gateway, *STREAMS[route], shape)
    assert answer.status == 200
    assert answer.body == upstream.answer()
    (event,) = buyer.events()
    assert event.charged_nano_usd > 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("route", ["chat", "completion"])
def test_hidden_usage(gateway: Installation, route: str, shape: str) -> None:
    """Where usage was asked for by the gateway, exactly that one event is missing."""
    upstream = Upstream(gateway)
    path, body = STREAMS[route]
    body = {name: value for name, value in body.items() if name != "stream_options"}
    buyer, answer = ask(gateway, path, body, shape)
    sent = upstream.answer()
    line_end = b"\r\n" if "crlf" in shape else b"\n"
    events = sent.split(line_end * 2)
    hidden = [event for event in events if b'"choices":[]' in event and b'"prompt_tokens"' in event]
    assert len(hidden) == 1
    kept = [event for event in events if event not in hidden]
    assert answer.body == (line_end * 2).join(kept)
    assert answer.body.endswith(b"data: [DONE]" + line_end * 2)
    # What was asked for was spliced in; every other byte is the client's.
    received = upstream.only()["body"]
    assert json.loads(received) == {**body, "stream_options": {"include_usage": True}}
    spliced = '"stream_options":{"include_usage":true},'
    assert received.replace(spliced, "", 1) == json.dumps(body)
    assert buyer.events()[0].charged_nano_usd > 0


@pytest.mark.parametrize("options", [{"include_usage": False}, {}, None])
def test_hidden_usage_with_options(gateway: Installation, options: Any) -> None:
    """Asking for usage inside options that are there leaves the client's view as it asked."""
    upstream = Upstream(gateway)
    body = {**STREAMED_CHAT, "stream_options": options}
    _, answer = ask(gateway, "/v1/chat/completions", body, "output=5")
    assert answer.status == 200
    assert b'"prompt_tokens"' not in answer.body
    assert json.loads(upstream.only()["body"])["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 500, 503, 529])
@pytest.mark.parametrize("route", ["chat", "message", "gemini"])
def test_errors_of_the_provider(gateway: Installation, route: str, status: int) -> None:
    """The provider's own error passes unchanged, with its status."""
    upstream = Upstream(gateway)
    buyer, answer = ask(gateway, *WHOLE[route], f"status={status}")
    assert answer.status == status
    assert answer.body == upstream.answer()
    buyer.untouched()


@pytest.mark.parametrize("route", ["chat", "response", "message", "gemini"])
def test_compressed_answers(gateway: Installation, route: str) -> None:
    """An answer that is compressed although nobody asked is decoded, metered and passed on."""
    upstream = Upstream(gateway)
    buyer, answer = ask(gateway, *WHOLE[route], "output=20; gzip")
    assert answer.status == 200
    assert "content-encoding" not in answer.headers
    assert answer.body == gzip.decompress(upstream.answer())
    assert buyer.events()[0].output_tokens == 20


@pytest.mark.parametrize("split", ["", "; split=1"])
@pytest.mark.parametrize("route", ["chat", "response", "message", "gemini", "gemini array"])
def test_compressed_streams(gateway: Installation, route: str, split: str) -> None:
    """The same for streams."""
    upstream = Upstream(gateway)
    buyer, answer = ask(gateway, *STREAMS[route], f"output=20; gzip{split}")
    assert answer.status == 200
    assert "content-encoding" not in answer.headers
    assert answer.body == gzip.decompress(upstream.answer())
    assert buyer.events()[0].output_tokens == 20


@pytest.mark.parametrize("route", ["chat", "message", "gemini"])
def test_answer_without_usage(gateway: Installation, route: str) -> None:
    """An answer that states no usage passes all the same, and is charged by what was counted."""
    upstream = Upstream(gateway)
    buyer, answer = ask(gateway, *WHOLE[route], "output=20; usage=none")
    assert answer.body == upstream.answer()
    (event,) = buyer.events()
    # Twenty tokens of the simulator are eighty bytes; three bytes count as one.
    assert event.output_tokens == 27
    assert event.input_tokens > 0
    assert event.charged_nano_usd <= event.held_nano_usd


@pytest.mark.parametrize("route", ["chat", "message", "gemini", "gemini array"])
def test_content_is_not_held_back(gateway: Installation, route: str) -> None:
    """Content reaches the client while the provider is still silent before its end."""
    upstream = Upstream(gateway)
    buyer = Buyer.mint(gateway)
    path, body = STREAMS[route]
    sent = json.dumps(body).encode()
    headers = buyer.bearer | {
        "anthropic-version": "2023-06-01",
        "content-type": "application/json",
        "x-simulate": "output=4; chunks=4; break=hang; break_after=4",
    }
    with RawConnection(gateway.url) as connection:
        connection.request("POST", path, headers, sent)
        # The fourth and last piece of the text; what follows it never comes.
        connection.read_until(b"he s")
        assert not upstream.only()["completed"]
