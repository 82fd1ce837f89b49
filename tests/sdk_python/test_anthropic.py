"""The unmodified Anthropic SDK: messages of every kind, each charged to the nano-dollar."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.buyer import Buyer, Charge
from tests.sdk_python.prices import fee_nano_usd, nano_usd
from tests.upstream import Upstream, simulate

MODEL = "claude-haiku-4-5"
LONG = "word " * 2_000
"""Long enough that every claimed count of input tokens could be true."""
QUESTION: list[Any] = [{"role": "user", "content": LONG}]
CACHED_QUESTION: list[Any] = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}},
        ],
    }
]
WEATHER: Any = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
SEARCH: Any = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}


@pytest.fixture
def sdk(buyer: Buyer) -> Iterator[anthropic.Anthropic]:
    """The SDK with another base URL and another key."""
    with anthropic.Anthropic(base_url=buyer.gateway.url, api_key=buyer.secret) as client:
        yield client


def plain(input_tokens: int = 1_000, output_tokens: int = 300) -> Charge:
    """What an answer without any cache costs."""
    cost = nano_usd(MODEL, input=input_tokens, output=output_tokens)
    return Charge("anthropic", MODEL, cost, input_tokens, output_tokens)


def test_plain(sdk: anthropic.Anthropic, buyer: Buyer) -> None:
    """A plain message is charged by its usage."""
    answer = sdk.messages.create(
        model=MODEL,
        max_tokens=400,
        messages=QUESTION,
        extra_headers=simulate(input=1_000, output=300),
    )
    assert answer.content[0].type == "text"
    assert answer.content[0].text.startswith("Hello from the simulator")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (1_000, 300)
    (event,) = buyer.charged(plain())
    assert event.requested_model == MODEL
    assert event.route == "messages"
    assert event.provider_request_id == answer.id


def test_stream(sdk: anthropic.Anthropic, buyer: Buyer) -> None:
    """The SDK's stream helper gets all of the text and the final message."""
    with sdk.messages.stream(
        model=MODEL,
        max_tokens=400,
        messages=QUESTION,
        extra_headers=simulate(input=1_000, output=300),
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text.startswith("Hello from the simulator")
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 300
    buyer.charged(plain())


def test_raw_stream(sdk: anthropic.Anthropic, buyer: Buyer) -> None:
    """Every event arrives, the last one too."""
    events = list(
        sdk.messages.create(
            model=MODEL,
            max_tokens=400,
            messages=QUESTION,
            stream=True,
            extra_headers=simulate(input=1_000, output=300, pings=True),
        )
    )
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")
    buyer.charged(plain())


async def test_async(buyer: Buyer) -> None:
    """The asynchronous client, plain and streaming."""
    used = simulate(input=1_000, output=300)
    async with anthropic.AsyncAnthropic(base_url=buyer.gateway.url, api_key=buyer.secret) as client:
        answer = await client.messages.create(
            model=MODEL, max_tokens=400, messages=QUESTION, extra_headers=used
        )
        async with client.messages.stream(
            model=MODEL, max_tokens=400, messages=QUESTION, extra_headers=used
        ) as stream:
            text = "".join([piece async for piece in stream.text_stream])
    assert answer.content[0].type == "text"
    assert text == answer.content[0].text
    buyer.charged(plain(), plain())


def test_tool_loop(sdk: anthropic.Anthropic, buyer: Buyer) -> None:
    """A tool call and the turn with its result are two charges."""
    asked = sdk.messages.create(
        model=MODEL,
        max_tokens=400,
        messages=QUESTION,
        tools=[WEATHER],
        extra_headers=simulate(tool=True, input=1_000, output=20),
    )
    assert asked.stop_reason == "tool_use"
    (call,) = [block for block in asked.content if block.type == "tool_use"]
    assert call.input == {"city": "sample"}
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    turns: Any = [
        *QUESTION,
        {"role": "assistant", "content": asked.content},
        {"role": "user", "content": [result]},
    ]
    answer = sdk.messages.create(
        model=MODEL,
        max_tokens=400,
        messages=turns,
        tools=[WEATHER],
        extra_headers=simulate(tool=True, input=1_100, output=30),
    )
    assert answer.stop_reason == "end_turn"
    buyer.charged(plain(1_000, 20), plain(1_100, 30))


def test_tool_stream(sdk: anthropic.Anthropic, buyer: Buyer) -> None:
    """A streamed tool call is put together by the SDK."""
    with sdk.messages.stream(
        model=MODEL,
        max_tokens=400,
        messages=QUESTION,
        tools=[WEATHER],
        extra_headers=simulate(tool=True, input=1_000, output=20),
    ) as stream:
        final = stream.get_final_message()
    (call,) = [block for block in final.content if block.type == "tool_use"]
    assert call.input == {"city": "sample"}
    buyer.charged(plain(1_000, 20))


@pytest.mark.parametrize("stream", [False, True])
def test_cache(sdk: anthropic.Anthropic, buyer: Buyer, *, stream: bool) -> None:
    """Reads, five-minute writes and one-hour writes have a price each, beside fresh input.

    In a stream the split stands only in the first event.
    """
    answer: Any = sdk.messages.create(
        model=MODEL,
        max_tokens=400,
        messages=CACHED_QUESTION,
        stream=stream,
        extra_headers=simulate(
            input=20, cached=10_000, cache_write_5m=1_024, cache_write_1h=2_048, output=300
        ),
    )
    if stream:
        list(answer)
    cost = nano_usd(MODEL, input=20, cached=10_000, write_5m=1_024, write_1h=2_048, output=300)
    (event,) = buyer.charged(Charge("anthropic", MODEL, cost, 13_092, 300))
    assert event.input_tokens == 20 + 10_000 + 1_024 + 2_048


@pytest.mark.parametrize("stream", [False, True])
def test_thinking(sdk: anthropic.Anthropic, buyer: Buyer, *, stream: bool) -> None:
    """Thinking is inside the output, shown apart on the event, and charged once."""
    answer: Any = sdk.messages.create(
        model=MODEL,
        max_tokens=2_000,
        thinking={"type": "enabled", "budget_tokens": 1_024},
        messages=QUESTION,
        stream=stream,
        extra_headers=simulate(input=1_000, output=100, reasoning=700),
    )
    if stream:
        kinds = [e.delta.type for e in answer if e.type == "content_block_delta"]
        assert kinds[0] == "thinking_delta"
        assert kinds[-1] == "text_delta"
    else:
        assert [block.type for block in answer.content] == ["thinking", "text"]
    cost = nano_usd(MODEL, input=1_000, output=800)
    buyer.charged(Charge("anthropic", MODEL, cost, 1_000, 800, reasoning_tokens=700))


@pytest.mark.parametrize("stream", [False, True])
def test_web_search(sdk: anthropic.Anthropic, buyer: Buyer, *, stream: bool) -> None:
    """Searches of the server tool cost a fee each, and all that `max_uses` allows are held."""
    answer: Any = sdk.messages.create(
        model=MODEL,
        max_tokens=400,
        tools=[SEARCH],
        messages=QUESTION,
        stream=stream,
        extra_headers=simulate(input=9_000, output=300, searches=2),
    )
    if stream:
        list(answer)
    cost = nano_usd(MODEL, input=9_000, output=300) + fee_nano_usd("anthropic search", 2)
    (event,) = buyer.charged(Charge("anthropic", MODEL, cost, 9_000, 300))
    # Four passes over a window of 200,000 tokens, and three searches.
    passes = nano_usd(MODEL, input=4 * 200_000, output=4 * 400)
    assert event.held_nano_usd == passes + fee_nano_usd("anthropic search", 3)


def test_web_search_without_a_limit(sdk: anthropic.Anthropic, buyer: Buyer) -> None:
    """A server tool without `max_uses` could not be held, and is refused naming the field."""
    with pytest.raises(anthropic.BadRequestError, match=r"tools\[0\]\.max_uses"):
        sdk.messages.create(
            model=MODEL,
            max_tokens=400,
            tools=[{"type": "web_search_20250305", "name": "web_search"}],
            messages=QUESTION,
        )
    buyer.untouched()


@pytest.mark.parametrize(
    ("input_tokens", "card"),
    [(40_000, "claude-haiku-5-5"), (40_001, "claude-haiku-5-5 long")],
)
def test_long_context(sdk: anthropic.Anthropic, buyer: Buyer, input_tokens: int, card: str) -> None:
    """Above 100,000 input tokens, cached ones included, the whole request has the higher price.

    Up to there the usual price holds, although the dearer one was held.
    """
    sdk.messages.create(
        model="claude-haiku-5-5",
        max_tokens=400,
        messages=[{"role": "user", "content": "word " * 21_000}],
        extra_headers=simulate(input=input_tokens, cached=60_000, output=300),
    )
    cost = nano_usd(card, input=input_tokens, cached=60_000, output=300)
    charge = Charge("anthropic", "claude-haiku-5-5", cost, 60_000 + input_tokens, 300)
    (event,) = buyer.charged(charge)
    assert event.held_nano_usd > nano_usd("claude-haiku-5-5 long", input=105_000, output=400)


def test_us_inference(sdk: anthropic.Anthropic, buyer: Buyer) -> None:
    """Inference in the United States costs 1.1 times all token prices."""
    sdk.messages.create(
        model=MODEL,
        max_tokens=400,
        messages=QUESTION,
        inference_geo="us",
        extra_headers=simulate(input=1_001, output=301),
    )
    cost = nano_usd(MODEL, times="1.1", input=1_001, output=301)
    buyer.charged(Charge("anthropic", MODEL, cost, 1_001, 301))


def test_beta_passes_untouched(sdk: anthropic.Anthropic, buyer: Buyer, upstream: Upstream) -> None:
    """Beta headers, the version and the query of the beta client reach the provider as sent."""
    sdk.beta.messages.create(
        model=MODEL,
        max_tokens=50,
        messages=[{"role": "user", "content": "hello"}],
        betas=["interleaved-thinking-2025-05-14", "made-up-beta-2026-01-01"],
    )
    record = upstream.only()
    betas = record["headers"]["anthropic-beta"].replace(" ", "").split(",")
    assert {"interleaved-thinking-2025-05-14", "made-up-beta-2026-01-01"} <= set(betas)
    assert record["headers"]["anthropic-version"] == "2026-10-21"
    assert record["path"] == "/anthropic/v1/messages"
    assert len(buyer.events()) == 1


def test_prewarming_the_cache(sdk: anthropic.Anthropic, buyer: Buyer) -> None:
    """`max_tokens` 0 only writes the cache; the write is charged."""
    sdk.messages.create(
        model=MODEL,
        max_tokens=0,
        messages=CACHED_QUESTION,
        extra_headers=simulate(input=3, cache_write_1h=2_000),
    )
    cost = nano_usd(MODEL, input=3, write_1h=2_000)
    buyer.charged(Charge("anthropic", MODEL, cost, 2_003, 0))


def test_count_tokens_is_free(sdk: anthropic.Anthropic, buyer: Buyer, upstream: Upstream) -> None:
    """Counting tokens asks the provider and costs nothing."""
    counted = sdk.messages.count_tokens(
        model=MODEL, messages=QUESTION, extra_headers=simulate(input=123)
    )
    assert counted.input_tokens == 123
    assert upstream.only()["path"] == "/anthropic/v1/messages/count_tokens"
    buyer.untouched()


def test_models(sdk: anthropic.Anthropic, buyer: Buyer, upstream: Upstream) -> None:
    """Models page through the price list, without asking the provider."""
    first = sdk.models.list(limit=5)
    assert len(first.data) == 5
    assert first.has_more
    names = [model.id for model in sdk.models.list(limit=5)]
    assert MODEL in names
    assert len(names) == len(set(names)) > 10
    model = sdk.models.retrieve(MODEL)
    assert (model.id, model.max_input_tokens, model.max_tokens) == (MODEL, 200_000, 64_000)
    with pytest.raises(anthropic.NotFoundError):
        sdk.models.retrieve("claude-none")
    assert upstream.requests() == []
    buyer.untouched()
