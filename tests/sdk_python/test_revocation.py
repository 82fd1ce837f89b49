"""A key is revoked while the providers' own SDKs stream: they raise their typed error, soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
import pytest
from mintgate.v1.ledger_pb2 import EVENT_STATUS_ENDED_BY_GATEWAY, SETTLED_BY_COUNTED

from tests.buyer import Buyer
from tests.harness import MASTER_KEY, Installation
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream

ENDED_WITHIN_S = 2.0
HANGS = "input=250; break=hang; break_after=3"


def revoke(gateway: Installation, buyer: Buyer) -> float:
    """Revoke through REST on a connection of its own; returns the moment of the answer."""
    answer = httpx.delete(
        f"{gateway.url}/v1/keys/{buyer.key_id}",
        headers={"authorization": f"Bearer {MASTER_KEY}"},
    )
    assert answer.status_code == 200, answer.text
    return time.monotonic()


def openai_stream(buyer: Buyer, revoked: Callable[[], None]) -> None:
    client = openai.OpenAI(
        base_url=f"{buyer.gateway.url}/openai/v1", api_key=buyer.secret, max_retries=0
    )
    stream: Any = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "hello"}],
        max_tokens=200,
        stream=True,
        extra_headers={"x-simulate": HANGS},
    )
    for seen, _ in enumerate(stream):
        if seen == 2:
            revoked()


def responses_stream(buyer: Buyer, revoked: Callable[[], None]) -> None:
    client = openai.OpenAI(
        base_url=f"{buyer.gateway.url}/openai/v1", api_key=buyer.secret, max_retries=0
    )
    stream: Any = client.responses.create(
        model="gpt-4o-mini",
        input="hello",
        max_output_tokens=200,
        stream=True,
        extra_headers={"x-simulate": HANGS},
    )
    for event in stream:
        if event.type == "response.output_text.delta":
            revoked()


def anthropic_stream(buyer: Buyer, revoked: Callable[[], None]) -> None:
    client = anthropic.Anthropic(
        base_url=f"{buyer.gateway.url}/anthropic", api_key=buyer.secret, max_retries=0
    )
    stream: Any = client.messages.create(
        model="claude-haiku-4-5",
        messages=[{"role": "user", "content": "hello"}],
        max_tokens=200,
        stream=True,
        extra_headers={"x-simulate": HANGS},
    )
    for event in stream:
        if event.type == "content_block_delta":
            revoked()


STREAMS: dict[str, tuple[Callable[..., None], type[Exception], str]] = {
    "openai chat": (openai_stream, openai.APIError, "gpt-4o-mini"),
    "openai responses": (responses_stream, openai.APIError, "gpt-4o-mini"),
    "anthropic": (anthropic_stream, anthropic.APIStatusError, "claude-haiku-4-5"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_sdk_raises_its_typed_error(gateway: Installation, name: str) -> None:
    """Within two seconds of the revocation; the charge is what was delivered, and no hold stays."""
    stream, error, model = STREAMS[name]
    buyer, upstream = Buyer.mint(gateway), Upstream(gateway)
    revoked_at_s: list[float] = []

    def once() -> None:
        if not revoked_at_s:
            revoked_at_s.append(revoke(gateway, buyer))

    with pytest.raises(error, match="revoked"):
        stream(buyer, once)
    assert time.monotonic() - revoked_at_s[0] < ENDED_WITHIN_S
    upstream.once(lambda r: r["client_left"], "the provider seeing its client leave")
    event = buyer.settled()
    assert event.settled_by == SETTLED_BY_COUNTED
    assert event.status == EVENT_STATUS_ENDED_BY_GATEWAY
    assert 0 < event.output_tokens < 50
    assert event.charged_nano_usd == nano_usd(
        model, input=event.input_tokens, output=event.output_tokens
    )


def test_the_next_request_is_refused(gateway: Installation) -> None:
    """A revoked key opens nothing any more, with the status that SDKs raise for."""
    buyer = Buyer.mint(gateway)
    revoke(gateway, buyer)
    client = openai.OpenAI(base_url=f"{gateway.url}/openai/v1", api_key=buyer.secret, max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}]
        )


def test_a_pause_or_a_rotation_lets_requests_end(gateway: Installation) -> None:
    """Paused and rotated keys start nothing new, but what runs goes on to its exact charge."""
    for paused in (True, False):
        buyer = Buyer.mint(gateway)
        client = openai.OpenAI(
            base_url=f"{gateway.url}/openai/v1", api_key=buyer.secret, max_retries=0
        )
        stream: Any = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "hello"}],
            max_tokens=200,
            stream=True,
            extra_headers={"x-simulate": "input=9; output=40; chunk_delay_ms=40"},
        )
        next(iter(stream))
        headers = {"authorization": f"Bearer {MASTER_KEY}"}
        url = f"{gateway.url}/v1/keys/{buyer.key_id}"
        changed = (
            httpx.patch(url, headers=headers, json={"status": "paused"})
            if paused
            else httpx.post(f"{url}/rotate", headers=headers)
        )
        assert changed.status_code == 200, changed.text
        assert len(list(stream)) > 30
        assert buyer.settled().output_tokens == 40
