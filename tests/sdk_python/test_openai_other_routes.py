"""The unmodified OpenAI SDK: responses, embeddings, images, moderations, models."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.buyer import Buyer, Charge
from tests.sdk_python.prices import fee_nano_usd, nano_usd
from tests.upstream import Upstream, simulate

MODEL = "gpt-5"
LONG = "word " * 1_000
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
USED = simulate(input=1_200, cached=1_024, output=100, reasoning=200)
COST = nano_usd(MODEL, input=176, cached=1_024, output=300)
CHARGE = Charge("openai", MODEL, COST, 1_200, 300, reasoning_tokens=200)


@pytest.fixture
def sdk(buyer: Buyer) -> Iterator[openai.OpenAI]:
    """The SDK with another base URL and another key."""
    with openai.OpenAI(base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret) as client:
        yield client


def test_response(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """A response is charged by its usage."""
    answer = sdk.responses.create(
        model=MODEL, input=LONG, max_output_tokens=400, extra_headers=USED
    )
    assert answer.output_text.startswith("Hello from the simulator")
    (event,) = buyer.charged(CHARGE)
    assert event.route == "responses"
    assert event.provider_request_id == answer.id


def test_response_stream(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """A streamed response reaches the SDK whole: created first, completed last."""
    stream = sdk.responses.create(
        model=MODEL, input=LONG, max_output_tokens=400, stream=True, extra_headers=USED
    )
    events = list(stream)
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == events[-1].response.output_text
    buyer.charged(CHARGE)


def test_response_helper_with_tool(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """The SDK's stream helper puts a function call together."""
    tool: Any = {
        "type": "function",
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": False,
    }
    with sdk.responses.stream(
        model=MODEL,
        input=LONG,
        tools=[tool],
        max_output_tokens=400,
        extra_headers=simulate(tool=True, input=1_000, output=20),
    ) as stream:
        final = stream.get_final_response()
    (call,) = [item for item in final.output if item.type == "function_call"]
    assert json.loads(call.arguments) == {"city": "sample"}
    buyer.charged(Charge("openai", MODEL, nano_usd(MODEL, input=1_000, output=20), 1_000, 20))


def test_response_that_is_cut(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """An incomplete response is an answer like any other, and is charged."""
    answer = sdk.responses.create(
        model=MODEL,
        input=LONG,
        max_output_tokens=64,
        extra_headers=simulate(input=1_000, output=500),
    )
    assert answer.status == "incomplete"
    buyer.charged(Charge("openai", MODEL, nano_usd(MODEL, input=1_000, output=64), 1_000, 64))


@pytest.mark.parametrize("stream", [False, True])
def test_web_search(sdk: openai.OpenAI, buyer: Buyer, *, stream: bool) -> None:
    """Hosted searches cost a fee each beside the tokens, and their limit is held."""
    answer: Any = sdk.responses.create(
        model=MODEL,
        input=LONG,
        tools=[{"type": "web_search"}],
        max_tool_calls=3,
        max_output_tokens=400,
        stream=stream,
        extra_headers=simulate(input=5_000, output=100, searches=2),
    )
    if stream:
        list(answer)
    cost = nano_usd(MODEL, input=5_000, output=100) + fee_nano_usd("openai search", 2)
    (event,) = buyer.charged(Charge("openai", MODEL, cost, 5_000, 100))
    assert event.held_nano_usd >= fee_nano_usd("openai search", 3)


def test_compaction(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """A long input is made short and charged by its usage; a response goes on from it."""
    said: Any = [{"type": "message", "role": "user", "content": LONG}]
    short = sdk.responses.compact(model=MODEL, input=said, extra_headers=USED)
    assert [item.type for item in short.output] == ["message", "compaction"]
    (event,) = buyer.charged(CHARGE)
    assert event.route == "compact"
    # No field limits what is written, so the model's largest output was held.
    assert event.held_nano_usd > nano_usd(MODEL, output=128_000)
    more: Any = [*(item.model_dump(warnings=False) for item in short.output), *said]
    sdk.responses.create(model=MODEL, input=more, max_output_tokens=400, extra_headers=USED)
    buyer.charged(CHARGE, CHARGE)


async def test_async_response(buyer: Buyer) -> None:
    """The asynchronous client, plain and streaming."""
    async with openai.AsyncOpenAI(
        base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret
    ) as client:
        await client.responses.create(
            model=MODEL, input=LONG, max_output_tokens=400, extra_headers=USED
        )
        stream = await client.responses.create(
            model=MODEL, input=LONG, max_output_tokens=400, stream=True, extra_headers=USED
        )
        kinds = [event.type async for event in stream]
    assert kinds[-1] == "response.completed"
    buyer.charged(CHARGE, CHARGE)


def test_input_token_count_is_free(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """Counting input tokens passes and costs nothing."""
    counted = sdk.responses.input_tokens.count(
        model=MODEL, input="hello", extra_headers=simulate(input=77)
    )
    assert counted.input_tokens == 77
    buyer.untouched()


@pytest.mark.parametrize("given", ["hello " * 100, ["one " * 50, "two " * 50]])
def test_embeddings(sdk: openai.OpenAI, buyer: Buyer, given: str | list[str]) -> None:
    """Embeddings cost input alone; the SDK asks for base64 and decodes it."""
    answer = sdk.embeddings.create(
        model="text-embedding-3-small",
        input=given,
        dimensions=8,
        extra_headers=simulate(input=101),
    )
    assert len(answer.data) == (1 if isinstance(given, str) else len(given))
    assert len(answer.data[0].embedding) == 8
    cost = nano_usd("text-embedding-3-small", input=101)
    buyer.charged(Charge("openai", "text-embedding-3-small", cost, 101, 0))


@pytest.mark.parametrize(
    ("quality", "size", "tokens"),
    [("low", "1024x1024", 272), ("medium", "1024x1536", 1_584), ("high", "1536x1024", 6_208)],
)
def test_image(sdk: openai.OpenAI, buyer: Buyer, quality: Any, size: Any, tokens: int) -> None:
    """A picture costs its prompt as text and itself as image tokens, by quality and size."""
    prompt = "a lighthouse at dusk"
    answer = sdk.images.generate(model="gpt-image-1", prompt=prompt, quality=quality, size=size)
    assert answer.data is not None
    assert base64.b64decode(answer.data[0].b64_json or "").startswith(b"\x89PNG")
    assert answer.usage is not None
    assert answer.usage.output_tokens == tokens
    cost = nano_usd("gpt-image-1", input=answer.usage.input_tokens, image_output=tokens)
    buyer.charged(Charge("openai", "gpt-image-1", cost, answer.usage.input_tokens, tokens))


def test_image_stream_with_partials(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """Each partial picture arrives before the last one, and costs 100 tokens more."""
    stream = sdk.images.generate(
        model="gpt-image-1",
        prompt="a lighthouse at dusk",
        quality="low",
        size="1024x1024",
        stream=True,
        partial_images=2,
    )
    events = list(stream)
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    last = events[-1]
    assert last.type == "image_generation.completed"
    assert last.usage.output_tokens == 272 + 2 * 100
    cost = nano_usd("gpt-image-1", input=last.usage.input_tokens, image_output=472)
    buyer.charged(Charge("openai", "gpt-image-1", cost, last.usage.input_tokens, 472))


@pytest.mark.parametrize(("fidelity", "seen"), [("low", 1_097), ("high", 7_241)])
def test_image_edit(sdk: openai.OpenAI, buyer: Buyer, fidelity: Any, seen: int) -> None:
    """Pictures of a form are billed as image tokens beside the prompt, and the picture made."""
    answer = sdk.images.edit(
        model="gpt-image-1",
        image=[("a.png", PNG, "image/png"), ("b.png", PNG, "image/png")],
        prompt="a lighthouse at dusk",
        quality="low",
        size="1024x1024",
        input_fidelity=fidelity,
    )
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 2 * seen
    said = answer.usage.input_tokens_details.text_tokens
    cost = nano_usd("gpt-image-1", input=said, image_input=2 * seen, image_output=272)
    buyer.charged(Charge("openai", "gpt-image-1", cost, said + 2 * seen, 272))


def test_image_edit_in_a_stream(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """An edit that streams has events of its own names, and is charged by the last one."""
    stream = sdk.images.edit(
        model="gpt-image-1",
        image=("a.png", PNG, "image/png"),
        prompt="a lighthouse at dusk",
        quality="low",
        size="1024x1024",
        stream=True,
        partial_images=1,
    )
    *_, last = list(stream)
    assert last.type == "image_edit.completed"
    said = last.usage.input_tokens_details.text_tokens
    cost = nano_usd("gpt-image-1", input=said, image_input=1_097, image_output=372)
    buyer.charged(Charge("openai", "gpt-image-1", cost, said + 1_097, 372))


def test_image_edit_by_a_retired_model(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """What cannot be bounded is refused by the field's name, and costs nothing."""
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.images.edit(model="dall-e-2", image=("a.png", PNG, "image/png"), prompt="a")
    assert caught.value.param == "model"
    assert buyer.events() == []


def test_moderation_is_free(sdk: openai.OpenAI, buyer: Buyer, upstream: Upstream) -> None:
    """A moderation passes to the provider and costs nothing."""
    answer = sdk.moderations.create(input=["a", "b"])
    assert [result.flagged for result in answer.results] == [False, False]
    assert upstream.only()["path"] == "/openai/v1/moderations"
    buyer.untouched()


def test_models(sdk: openai.OpenAI, buyer: Buyer, upstream: Upstream) -> None:
    """Models are listed and retrieved from the price list, without asking the provider."""
    names = {model.id for model in sdk.models.list()}
    assert {MODEL, "gpt-4o-mini", "text-embedding-3-small"} <= names
    assert sdk.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("no-such-model")
    assert upstream.requests() == []
    buyer.untouched()
