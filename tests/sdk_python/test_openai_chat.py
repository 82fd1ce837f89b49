"""The unmodified OpenAI SDK: chat and legacy completions, each charged to the nano-dollar."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.buyer import Buyer, Charge
from tests.http_facade.uploads.sounds import silence
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

MODEL = "gpt-4o-mini"
LONG = "word " * 1_000
"""Long enough that every claimed count of input tokens could be true."""
QUESTION: list[Any] = [{"role": "user", "content": LONG}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
USED = simulate(input=1_200, cached=1_024, output=100, reasoning=200)
"""300 output tokens, 200 of which are reasoning."""


def used(model: str = MODEL, card: str = "") -> Charge:
    """What `USED` costs."""
    cost = nano_usd(card or model, input=176, cached=1_024, output=300)
    return Charge("openai", model, cost, 1_200, 300, reasoning_tokens=200)


@pytest.fixture
def sdk(buyer: Buyer) -> Iterator[openai.OpenAI]:
    """The SDK with another base URL and another key."""
    with openai.OpenAI(base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret) as client:
        yield client


def test_plain(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """A plain answer is charged by its usage: fresh, cached and output tokens apart."""
    answer = sdk.chat.completions.create(
        model=MODEL, messages=QUESTION, max_tokens=400, extra_headers=USED
    )
    assert (answer.choices[0].message.content or "").startswith("Hello from the simulator")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (1_200, 300)
    (event,) = buyer.charged(used())
    assert event.requested_model == MODEL
    assert event.route == "chat"
    assert event.http_status == 200
    assert event.provider_request_id == answer.id


def test_stream(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """A stream that did not ask for usage shows none, has choices in every chunk, and is charged.

    Code in the field reads `chunk.choices[0]` without looking.
    """
    stream = sdk.chat.completions.create(
        model=MODEL, messages=QUESTION, max_tokens=400, stream=True, extra_headers=USED
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks).startswith("Hello from the")
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    (event,) = buyer.charged(used())
    assert event.provider_request_id == chunks[0].id


def test_stream_with_usage(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """A stream that asked for usage gets the provider's own chunk of it."""
    stream = sdk.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        max_tokens=400,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers=USED,
    )
    *_, last = stream
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (1_200, 300)
    buyer.charged(used())


def test_tool_loop(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """A tool call and the turn with its result are two charges."""
    asked = sdk.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        tools=[WEATHER],
        max_tokens=400,
        extra_headers=simulate(tool=True, input=1_000, output=20),
    )
    (call,) = asked.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "weather"
    assert "city" in json.loads(call.function.arguments)
    turns = [
        *QUESTION,
        asked.choices[0].message,
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    answer = sdk.chat.completions.create(
        model=MODEL,
        messages=turns,
        tools=[WEATHER],
        max_tokens=400,
        extra_headers=simulate(tool=True, input=1_100, output=30),
    )
    assert answer.choices[0].message.content
    buyer.charged(
        Charge("openai", MODEL, nano_usd(MODEL, input=1_000, output=20), 1_000, 20),
        Charge("openai", MODEL, nano_usd(MODEL, input=1_100, output=30), 1_100, 30),
    )


def test_tool_stream(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """The SDK's own stream helper puts a streamed tool call together."""
    with sdk.chat.completions.stream(
        model=MODEL,
        messages=QUESTION,
        tools=[WEATHER],
        max_tokens=400,
        extra_headers=simulate(tool=True, input=1_000, output=20),
    ) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or []
    assert "city" in json.loads(call.function.arguments)
    buyer.charged(Charge("openai", MODEL, nano_usd(MODEL, input=1_000, output=20), 1_000, 20))


async def test_async(buyer: Buyer) -> None:
    """The asynchronous client, plain and streaming."""
    async with openai.AsyncOpenAI(
        base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret
    ) as client:
        answer = await client.chat.completions.create(
            model=MODEL, messages=QUESTION, max_tokens=400, extra_headers=USED
        )
        assert answer.choices[0].message.content
        stream = await client.chat.completions.create(
            model=MODEL, messages=QUESTION, max_tokens=400, stream=True, extra_headers=USED
        )
        text = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(text) == answer.choices[0].message.content
    buyer.charged(used(), used())


def test_choices(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """All of `n` answers are held and charged."""
    answer = sdk.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        n=3,
        max_completion_tokens=50,
        extra_headers=simulate(input=1_000, output=40),
    )
    assert len(answer.choices) == 3
    cost = nano_usd(MODEL, input=1_000, output=120)
    (event,) = buyer.charged(Charge("openai", MODEL, cost, 1_000, 120))
    assert event.held_nano_usd >= nano_usd(MODEL, input=1_000, output=150)


@pytest.mark.parametrize(
    ("asked", "answered", "card"),
    [
        ("flex", "flex", "gpt-5 flex"),
        ("priority", "priority", "gpt-5 priority"),
        # The provider may fall back to another tier: the answer decides.
        ("priority", "default", "gpt-5"),
        ("auto", "default", "gpt-5"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_service_tier(
    sdk: openai.OpenAI, buyer: Buyer, asked: Any, answered: str, card: str, *, stream: bool
) -> None:
    """The tier that the answer states is the price that is charged."""
    answer = sdk.chat.completions.create(
        model="gpt-5",
        messages=QUESTION,
        max_completion_tokens=400,
        service_tier=asked,
        stream=stream,
        extra_headers={
            "x-simulate": f"input=1200; cached=1024; output=100; reasoning=200; tier={answered}"
        },
    )
    if stream:
        list(answer)
    buyer.charged(used("gpt-5", card))


@pytest.mark.parametrize("stream", [False, True])
def test_cache_write(sdk: openai.OpenAI, buyer: Buyer, *, stream: bool) -> None:
    """Models that charge cache writes are charged for them; the tokens are part of the input."""
    model = "gpt-6-luna"
    answer = sdk.chat.completions.create(
        model=model,
        messages=QUESTION,
        max_completion_tokens=400,
        stream=stream,
        extra_headers=simulate(input=1_200, cached=256, cache_write=512, output=100),
    )
    if stream:
        list(answer)
    cost = nano_usd(model, input=432, cached=256, written=512, output=100)
    buyer.charged(Charge("openai", model, cost, 1_200, 100))


def test_audio(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """Audio tokens have prices of their own, in and out."""
    sound = base64.b64encode(silence("wav", 0.1)).decode()
    answer = sdk.chat.completions.create(
        model="gpt-4o-audio-preview",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": LONG},
                    {
                        "type": "input_audio",
                        "input_audio": {"data": sound, "format": "wav"},
                    },
                ],
            }
        ],
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "pcm16"},
        max_completion_tokens=400,
        extra_headers=simulate(input=1_000, audio_input=300, output=100, audio_output=80),
    )
    assert answer.usage is not None
    cost = nano_usd("gpt-4o-audio-preview", input=700, audio_input=300, output=20, audio_output=80)
    buyer.charged(Charge("openai", "gpt-4o-audio-preview", cost, 1_000, 100))


def test_dated_model(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """An answer under the model's dated name is charged at the model's price."""
    sdk.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        max_tokens=400,
        extra_headers=simulate(input=1_000, output=10, model="gpt-4o-mini-2024-07-18"),
    )
    buyer.charged(Charge("openai", MODEL, nano_usd(MODEL, input=1_000, output=10), 1_000, 10))


def test_cut_at_the_limit(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """An answer that reaches its limit costs no more than that limit."""
    answer = sdk.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        max_tokens=50,
        extra_headers=simulate(input=1_000, output=5_000),
    )
    assert answer.choices[0].finish_reason == "length"
    buyer.charged(Charge("openai", MODEL, nano_usd(MODEL, input=1_000, output=50), 1_000, 50))


@pytest.mark.parametrize("stream", [False, True])
def test_legacy_completion(sdk: openai.OpenAI, buyer: Buyer, *, stream: bool) -> None:
    """Legacy completions: 16 tokens unless stated, and every prompt is charged."""
    model = "gpt-3.5-turbo-instruct"
    answer: Any = sdk.completions.create(
        model=model,
        prompt=["one " * 400, "two " * 400],
        stream=stream,
        extra_headers=simulate(input=800, output=100),
    )
    chunks = list(answer) if stream else [answer]
    assert all(chunk.choices for chunk in chunks)
    assert "".join(c.choices[0].text for c in chunks if c.choices[0].index == 0)
    cost = nano_usd(model, input=800, output=32)
    buyer.charged(Charge("openai", model, cost, 800, 32))


def test_best_of(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """Candidates that are never shown are held and charged."""
    model = "gpt-3.5-turbo-instruct"
    answer = sdk.completions.create(
        model=model,
        prompt=LONG,
        best_of=4,
        n=1,
        max_tokens=30,
        extra_headers=simulate(input=1_000, output=30),
    )
    assert len(answer.choices) == 1
    cost = nano_usd(model, input=1_000, output=120)
    buyer.charged(Charge("openai", model, cost, 1_000, 120))


def test_body_is_what_the_sdk_sent(sdk: openai.OpenAI, buyer: Buyer, upstream: Upstream) -> None:
    """A request that states its limit reaches the provider unchanged."""
    sent: list[bytes] = []
    with openai.OpenAI(
        base_url=f"{buyer.gateway.url}/v1",
        api_key=buyer.secret,
        http_client=openai.DefaultHttpxClient(
            event_hooks={"request": [lambda request: sent.append(request.content)]}
        ),
    ) as client:
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Zürich ✓"}], max_tokens=5
        )
    assert upstream.only()["body"].encode() == sent[0]
