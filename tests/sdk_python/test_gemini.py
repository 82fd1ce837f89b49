"""The unmodified Google Gen AI SDK: every kind of answer, each charged to the nano-dollar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import types
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED

from tests.buyer import Buyer, Charge
from tests.http_facade.uploads.sounds import silence
from tests.sdk_python.prices import fee_nano_usd, nano_usd
from tests.upstream import Upstream, simulate
from tests.wire import send

MODEL = "gemini-2.5-flash"
LONG = "word " * 2_000
"""Long enough that every claimed count of input tokens could be true."""
LIMIT = 400


@pytest.fixture
def sdk(buyer: Buyer) -> Iterator[genai.Client]:
    """The SDK with another base URL and another key."""
    options = types.HttpOptions(base_url=f"{buyer.gateway.url}/gemini")
    with genai.Client(api_key=buyer.secret, http_options=options) as client:
        yield client


def config(headers: dict[str, str] | None = None, **options: Any) -> types.GenerateContentConfig:
    """A limit on the output, and headers for this one call."""
    options.setdefault("max_output_tokens", LIMIT)
    return types.GenerateContentConfig(
        http_options=types.HttpOptions(headers=headers or {}), **options
    )


def plain(input_tokens: int = 1_000, output_tokens: int = 300) -> Charge:
    """What an answer of text costs."""
    cost = nano_usd(MODEL, input=input_tokens, output=output_tokens)
    return Charge("gemini", MODEL, cost, input_tokens, output_tokens)


def test_plain(sdk: genai.Client, buyer: Buyer) -> None:
    """Cached tokens are part of the prompt; thoughts come on top of the candidates."""
    answer = sdk.models.generate_content(
        model=MODEL,
        contents=LONG,
        config=config(simulate(input=1_500, cached=1_000, output=100, reasoning=200)),
    )
    assert (answer.text or "").startswith("Hello from the simulator")
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.thoughts_token_count == 200
    cost = nano_usd(MODEL, input=500, cached=1_000, output=300)
    (event,) = buyer.charged(Charge("gemini", MODEL, cost, 1_500, 300, reasoning_tokens=200))
    assert event.requested_model == MODEL
    assert event.route == "generate"
    assert event.provider_request_id == answer.response_id


def test_stream(sdk: genai.Client, buyer: Buyer) -> None:
    """A stream arrives whole; every chunk repeats the usage so far, and the last one counts."""
    chunks = list(
        sdk.models.generate_content_stream(
            model=MODEL, contents=LONG, config=config(simulate(input=1_000, output=300))
        )
    )
    assert "".join(c.text or "" for c in chunks).startswith("Hello from the simulator")
    last = chunks[-1].candidates
    assert last is not None
    assert last[0].finish_reason is types.FinishReason.STOP
    buyer.charged(plain())


# The SDK subclasses aiohttp's session, which aiohttp discourages.
@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")
async def test_async(buyer: Buyer) -> None:
    """The asynchronous client, plain and streaming."""
    used = simulate(input=1_000, output=300)
    options = types.HttpOptions(base_url=f"{buyer.gateway.url}/gemini")
    client = genai.Client(api_key=buyer.secret, http_options=options)
    async with client.aio as aio:
        answer = await aio.models.generate_content(model=MODEL, contents=LONG, config=config(used))
        stream = await aio.models.generate_content_stream(
            model=MODEL, contents=LONG, config=config(used)
        )
        text = "".join([chunk.text or "" async for chunk in stream])
    client.close()
    assert text == answer.text
    buyer.charged(plain(), plain())


def weather(city: str) -> str:
    """Say what the weather is in a city."""
    return f"sunny in {city}"


def test_automatic_function_calling(sdk: genai.Client, buyer: Buyer) -> None:
    """The SDK runs a Python function by itself; both turns are charged."""
    answer = sdk.models.generate_content(
        model=MODEL,
        contents=LONG,
        config=config(simulate(tool=True, input=1_000, output=20), tools=[weather]),
    )
    assert (answer.text or "").startswith("Hello from the simulator")
    buyer.charged(plain(1_000, 20), plain(1_000, 20))


def test_tool_stream(sdk: genai.Client, buyer: Buyer) -> None:
    """A streamed function call arrives in one piece."""
    declared = types.FunctionDeclaration(
        name="weather",
        parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}},
    )
    stream = sdk.models.generate_content_stream(
        model=MODEL,
        contents=LONG,
        config=config(
            simulate(tool=True, input=1_000, output=20),
            tools=[types.Tool(function_declarations=[declared])],
        ),
    )
    calls = [call for chunk in stream for call in chunk.function_calls or []]
    assert [(call.name, call.args) for call in calls] == [("weather", {"city": "sample"})]
    buyer.charged(plain(1_000, 20))


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts(sdk: genai.Client, buyer: Buyer, *, stream: bool) -> None:
    """Summaries of thoughts arrive as such; the thoughts are charged as output."""
    options = config(
        simulate(input=1_000, output=100, reasoning=150),
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=512),
    )
    models = sdk.models
    answers = (
        list(models.generate_content_stream(model=MODEL, contents=LONG, config=options))
        if stream
        else [models.generate_content(model=MODEL, contents=LONG, config=options)]
    )
    parts = [part for answer in answers for part in answer.parts or []]
    assert parts[0].thought
    assert not parts[-1].thought
    cost = nano_usd(MODEL, input=1_000, output=250)
    buyer.charged(Charge("gemini", MODEL, cost, 1_000, 250, reasoning_tokens=150))


def test_candidates(sdk: genai.Client, buyer: Buyer) -> None:
    """All candidates are held and charged."""
    answer = sdk.models.generate_content(
        model=MODEL,
        contents=LONG,
        config=config(simulate(input=1_000, output=50), candidate_count=3, max_output_tokens=60),
    )
    assert len(answer.candidates or []) == 3
    (event,) = buyer.charged(plain(1_000, 150))
    assert event.held_nano_usd >= nano_usd(MODEL, input=1_000, output=180)


def test_audio_input(sdk: genai.Client, buyer: Buyer) -> None:
    """Audio in the prompt has a price of its own."""
    sdk.models.generate_content(
        model=MODEL,
        contents=[LONG, types.Part.from_bytes(data=silence("wav", 0.1), mime_type="audio/wav")],
        config=config(simulate(input=1_000, audio_input=400, output=100)),
    )
    cost = nano_usd(MODEL, input=600, audio_input=400, output=100)
    buyer.charged(Charge("gemini", MODEL, cost, 1_000, 100))


def test_image_output(sdk: genai.Client, buyer: Buyer) -> None:
    """A picture is 1,290 tokens at the price of pictures, beside the text."""
    model = "gemini-2.5-flash-image"
    answer = sdk.models.generate_content(
        model=model,
        contents=LONG,
        config=config(
            simulate(input=1_000, output=10),
            response_modalities=["TEXT", "IMAGE"],
            max_output_tokens=2_000,
        ),
    )
    pictures = [part.inline_data for part in answer.parts or [] if part.inline_data]
    assert (pictures[0].data or b"").startswith(b"\x89PNG")
    cost = nano_usd(model, input=1_000, output=10, image_output=1_290)
    buyer.charged(Charge("gemini", model, cost, 1_000, 1_300))


@pytest.mark.parametrize(
    ("input_tokens", "card"),
    [(200_000, "gemini-2.5-pro"), (200_001, "gemini-2.5-pro long")],
)
def test_long_prompt(sdk: genai.Client, buyer: Buyer, input_tokens: int, card: str) -> None:
    """Above 200,000 tokens of prompt the whole request has the higher price."""
    sdk.models.generate_content(
        model="gemini-2.5-pro",
        contents="word " * 42_000,
        config=config(simulate(input=input_tokens, cached=50_000, output=300)),
    )
    cost = nano_usd(card, input=input_tokens - 50_000, cached=50_000, output=300)
    buyer.charged(Charge("gemini", "gemini-2.5-pro", cost, input_tokens, 300))


@pytest.mark.parametrize("stream", [False, True])
def test_grounding(sdk: genai.Client, buyer: Buyer, *, stream: bool) -> None:
    """A grounded answer of this generation costs one fee, however many queries it made."""
    options = config(
        simulate(input=1_000, output=300, searches=3),
        tools=[types.Tool(google_search=types.GoogleSearch())],
    )
    models = sdk.models
    if stream:
        list(models.generate_content_stream(model=MODEL, contents=LONG, config=options))
    else:
        models.generate_content(model=MODEL, contents=LONG, config=options)
    cost = nano_usd(MODEL, input=1_000, output=300) + fee_nano_usd("gemini-2.5 grounding", 1)
    buyer.charged(Charge("gemini", MODEL, cost, 1_000, 300))


def test_url_context(sdk: genai.Client, buyer: Buyer) -> None:
    """What the provider fetched is charged as input beside the prompt."""
    answer = sdk.models.generate_content(
        model=MODEL,
        contents=LONG,
        config=config(
            simulate(input=1_000, output=300),
            tools=[types.Tool(url_context=types.UrlContext())],
        ),
    )
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.tool_use_prompt_token_count == 50
    buyer.charged(plain(1_050, 300))


def test_embeddings(sdk: genai.Client, buyer: Buyer) -> None:
    """Embeddings state no usage: the text is counted, three bytes a token, rounded up."""
    texts = ["hello " * 50, "Zürich"]
    answer = sdk.models.embed_content(
        model="gemini-embedding-001",
        contents=texts,
        config=types.EmbedContentConfig(output_dimensionality=8),
    )
    assert [len(e.values or []) for e in answer.embeddings or []] == [8, 8]
    size = sum(len(text.encode()) for text in texts)
    tokens = -(-size // 3)
    cost = nano_usd("gemini-embedding-001", input=tokens)
    buyer.charged(
        Charge("gemini", "gemini-embedding-001", cost, tokens, 0, settled_by=SETTLED_BY_COUNTED)
    )


def test_count_tokens_is_free(sdk: genai.Client, buyer: Buyer, upstream: Upstream) -> None:
    """Counting tokens asks the provider and costs nothing."""
    counted = sdk.models.count_tokens(model=MODEL, contents="hello " * 10)
    assert counted.total_tokens == 15
    assert upstream.only()["path"].endswith(f"/models/{MODEL}:countTokens")
    buyer.untouched()


def test_models(sdk: genai.Client, buyer: Buyer, upstream: Upstream) -> None:
    """Models page through the price list, without asking the provider."""
    names = [model.name for model in sdk.models.list(config={"page_size": 5})]
    assert f"models/{MODEL}" in names
    assert len(names) == len(set(names)) > 10
    model = sdk.models.get(model=MODEL)
    assert (model.name, model.input_token_limit) == (f"models/{MODEL}", 1_048_576)
    with pytest.raises(genai.errors.ClientError) as caught:
        sdk.models.get(model="gemini-none")
    assert caught.value.code == 404
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize("place", ["header", "query"])
def test_json_array_stream(buyer: Buyer, upstream: Upstream, place: str) -> None:
    """Without `alt=sse` a stream is one JSON array; curl users send their key in the query."""
    query = f"?key={buyer.secret}" if place == "query" else ""
    answer = send(
        buyer.gateway.url,
        "POST",
        f"/v1beta/models/{MODEL}:streamGenerateContent{query}",
        headers=simulate(input=1_000, output=300)
        | ({"x-goog-api-key": buyer.secret} if place == "header" else {}),
        body={
            "contents": [{"role": "user", "parts": [{"text": LONG}]}],
            "generationConfig": {"maxOutputTokens": LIMIT},
        },
    )
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    chunks = json.loads(answer.body)
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    assert answer.body == upstream.answer()
    assert upstream.only()["query"] == ""
    buyer.charged(plain())


def test_snake_case_limit(buyer: Buyer, upstream: Upstream) -> None:
    """Gemini reads a field under both of its names, so a limit is one under either."""
    answer = send(
        buyer.gateway.url,
        "POST",
        f"/gemini/v1beta/models/{MODEL}:generateContent",
        headers={"x-goog-api-key": buyer.secret} | simulate(input=1_000, output=900),
        body={
            "contents": [{"role": "user", "parts": [{"text": LONG}]}],
            "generation_config": {"max_output_tokens": 30},
        },
    )
    assert answer.status == 200
    assert "mintgate-output-bound" not in answer.headers
    buyer.charged(plain(1_000, 30))
