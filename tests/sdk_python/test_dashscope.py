"""The unmodified DashScope SDK, both of its generations, charged to the nano-dollar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dashscope
import httpx
import openai
import pytest
from dashscope import v2
from dashscope.audio.http_tts import HttpSpeechSynthesizer
from dashscope.v2 import errors
from mintgate.v1.ledger_pb2 import (
    SETTLED_BY_COUNTED,
    SETTLED_BY_USAGE,
)
from mintgate.v1.meter_pb2 import ModelPrice, RateSet
from mintgate.v1.unit_pb2 import (
    UNIT_INPUT_CHARACTERS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_IMAGES,
    UnitPrice,
)

from tests.buyer import Buyer, Charge
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate
from tests.wire import send

MODEL = "qwen3-max"
HYBRID = "qwen-plus-latest"
LONG = "word " * 1_000
QUESTION: list[Any] = [{"role": "user", "content": LONG}]
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
GENERATION = "/qwen/api/v1/services/aigc/text-generation/generation"
MULTIMODAL = "/qwen/api/v1/services/aigc/multimodal-generation/generation"
PICTURE = "https://pictures.example/one.png"


@contextmanager
def sdk(
    gateway: Installation, secret: str, controls: dict[str, str] | None = None, **options: Any
) -> Iterator[v2.Client]:
    """The second generation of the SDK; without retries unless a test asks for them."""
    base = f"{gateway.url}/qwen/api/v1"
    options.setdefault("max_retries", 0)
    headers = {"authorization": f"Bearer {secret}", **(controls or {})}
    with httpx.Client(base_url=base, headers=headers, timeout=30) as http:
        yield v2.Client(api_key=secret, base_url=base, http_client=http, **options)


def call(buyer: Buyer, **changed: Any) -> Any:
    """One generation by the first generation of the SDK."""
    arguments = {
        "model": MODEL,
        "messages": HELLO,
        "max_tokens": 400,
        "result_format": "message",
        "api_key": buyer.secret,
        "base_address": f"{buyer.gateway.url}/qwen/api/v1",
        **changed,
    }
    return dashscope.Generation.call(**arguments)


def piece(model: str, cost_nano_usd: int, *, counted: bool = False) -> Charge:
    """A charge without any token."""
    basis = SETTLED_BY_COUNTED if counted else SETTLED_BY_USAGE
    return Charge("dashscope", model, cost_nano_usd, 0, 0, settled_by=basis)


def test_plain(buyer: Buyer, upstream: Upstream) -> None:
    """A plain answer: cached and written tokens apart, to the nano-dollar."""
    controls = simulate(input=1_200, cached=800, cache_write=100, output=300)
    answer = call(buyer, messages=QUESTION, headers=controls)
    assert answer.status_code == 200
    assert answer.output.choices[0].message.content.startswith("Hello from the simulator")
    cost = nano_usd(MODEL, input=300, cached=800, written=100, output=300)
    (event,) = buyer.charged(Charge("dashscope", MODEL, cost, 1_200, 300))
    assert event.provider_request_id == answer.request_id
    assert upstream.only()["path"].startswith("/dashscope/api/v1/services/aigc/text-generation/")


@pytest.mark.parametrize("how", [{"incremental_output": True}, {}], ids=["pieces", "cumulative"])
def test_stream(buyer: Buyer, how: dict[str, Any]) -> None:
    """Each event states the usage so far: the last one is the charge, in both modes."""
    controls = simulate(input=1_000, output=20)
    answers = list(call(buyer, messages=QUESTION, stream=True, headers=controls, **how))
    texts = [answer.output.choices[0].message.content for answer in answers]
    assert ("".join(texts) if how else texts[-1]).startswith("Hello from the simulator")
    assert answers[-1].output.choices[0].finish_reason == "stop"
    cost = nano_usd(MODEL, input=1_000, output=20)
    buyer.charged(Charge("dashscope", MODEL, cost, 1_000, 20))


@pytest.mark.parametrize("stream", [False, True])
def test_second_generation(buyer: Buyer, *, stream: bool) -> None:
    """The client of the second generation, whole and streamed."""
    with sdk(buyer.gateway, buyer.secret, simulate(input=900, output=30)) as client:
        create: Any = client.chat.completions.create
        answer = create(model=MODEL, messages=QUESTION, max_tokens=100, stream=stream)
        chunks = list(answer) if stream else [answer]
    assert chunks[-1].usage.output_tokens == 30
    cost = nano_usd(MODEL, input=900, output=30)
    buyer.charged(Charge("dashscope", MODEL, cost, 900, 30))


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_other_protocols(buyer: Buyer, upstream: Upstream, protocol: str) -> None:
    """The same client in the two other shapes, below their own roots."""
    below = {"openai": "compatible-mode/v1", "anthropic": "apps/anthropic"}[protocol]
    with v2.Client(
        api_key=buyer.secret, base_url=f"{buyer.gateway.url}/qwen/{below}", protocol=protocol
    ) as client:
        client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=50)
    assert upstream.only()["path"].startswith(f"/dashscope/{below}/")
    assert buyer.settled().provider == "dashscope"


@pytest.mark.parametrize("thinks", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_has_its_price(buyer: Buyer, *, thinks: bool, stream: bool) -> None:
    """An answer without reasoning costs less; one with it is held for its budget, too."""
    controls = simulate(input=1_000, output=50, reasoning=200 if thinks else 0)
    answer = call(
        buyer,
        model=HYBRID,
        messages=QUESTION,
        stream=stream,
        enable_thinking=thinks,
        thinking_budget=300,
        headers=controls,
    )
    if stream:
        list(answer)
    card = f"{HYBRID} thinking" if thinks else HYBRID
    output = 250 if thinks else 50
    cost = nano_usd(card, input=1_000, output=output)
    (event,) = buyer.charged(
        Charge("dashscope", HYBRID, cost, 1_000, output, reasoning_tokens=output - 50)
    )
    # The limit of 400 and, beside it, the budget of 300.
    held = nano_usd(f"{HYBRID} thinking", output=700 if thinks else 400)
    assert held <= event.held_nano_usd < held + nano_usd(HYBRID, input=10_000)


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_in_openai_shape(buyer: Buyer, *, stream: bool) -> None:
    """Reasoning beyond the limit of a compatible chat is covered, and billed at its price."""
    body = {
        "model": HYBRID,
        "messages": QUESTION,
        "max_tokens": 100,
        "enable_thinking": True,
        "stream": stream,
    }
    headers = buyer.bearer | simulate(input=1_000, output=50, reasoning=80_000)
    path = "/qwen/compatible-mode/v1/chat/completions"
    assert send(buyer.gateway.url, "POST", path, headers=headers, body=body).status == 200
    cost = nano_usd(f"{HYBRID} thinking", input=1_000, output=80_050)
    buyer.charged(Charge("dashscope", HYBRID, cost, 1_000, 80_050, reasoning_tokens=80_000))


def test_long_input(buyer: Buyer) -> None:
    """The length of the input sets the price of the whole request."""
    call(
        buyer,
        messages=[{"role": "user", "content": "word " * 10_000}],
        headers=simulate(input=40_000, output=100),
    )
    cost = nano_usd(f"{MODEL} long", input=40_000, output=100)
    buyer.charged(Charge("dashscope", MODEL, cost, 40_000, 100))


@pytest.mark.parametrize(
    ("path", "limit", "budget"),
    [
        (GENERATION, "max_tokens", "thinking_budget"),
        ("/qwen/compatible-mode/v1/chat/completions", "max_tokens", "thinking_budget"),
    ],
)
def test_limits_are_fitted(
    buyer: Buyer, upstream: Upstream, path: str, limit: str, budget: str
) -> None:
    """A request without limits gets one for the answer and one for its reasoning."""
    native = path == GENERATION
    options = {"enable_thinking": True}
    inner = {"input": {"messages": HELLO}, "parameters": options}
    outer = {"messages": HELLO, **options}
    body = {"model": HYBRID, **(inner if native else outer)}
    answer = send(buyer.gateway.url, "POST", path, headers=buyer.bearer, body=body)
    assert answer.status == 200
    sent = upstream.only()["body"].replace(" ", "")
    assert f'"{limit}":{answer.headers["mintgate-output-bound"]}' in sent
    assert f'"{budget}":' in sent


def test_pictures_are_read(buyer: Buyer) -> None:
    """A picture at an address opens the input; its tokens are billed as input."""
    answer: Any = dashscope.MultiModalConversation.call(
        model="qwen3-vl-plus",
        messages=[{"role": "user", "content": [{"image": PICTURE}, {"text": "What is it?"}]}],
        max_tokens=100,
        api_key=buyer.secret,
        base_address=f"{buyer.gateway.url}/qwen/api/v1",
        headers=simulate(input=1_300, image_input=1_247, output=40),
    )
    assert answer.output.choices[0].message.content[0]["text"].startswith("Hello")
    cost = nano_usd("qwen3-vl-plus", input=1_300, output=40)
    buyer.charged(Charge("dashscope", "qwen3-vl-plus", cost, 1_300, 40))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "nano_usd_each"),
    [("cosyvoice-v3-flash", 15_000), ("qwen-audio-3.0-tts-plus", 20_000)],
)
def test_speech(buyer: Buyer, model: str, nano_usd_each: int, *, stream: bool) -> None:
    """Speech is charged by the characters that the answer states: Chinese ones count twice."""
    said: Any = HttpSpeechSynthesizer.call(
        model=model,
        text="Hello 你好",
        voice="longanyang",
        stream=stream,
        api_key=buyer.secret,
        url=f"{buyer.gateway.url}/qwen/api/v1",
    )
    if stream:
        assert b"".join(part.audio_data or b"" for part in said)
    else:
        assert said.audio_url
    (event,) = buyer.charged(piece(model, 10 * nano_usd_each))
    assert [(unit.unit, unit.count) for unit in event.units] == [(UNIT_INPUT_CHARACTERS, 10)]


def test_speech_of_the_multimodal_route(buyer: Buyer) -> None:
    """The same by the route of all media, for models that are asked there."""
    dashscope.MultiModalConversation.call(
        model="qwen3-tts-flash",
        text="Hello",
        voice="Cherry",
        api_key=buyer.secret,
        base_address=f"{buyer.gateway.url}/qwen/api/v1",
    )
    buyer.charged(piece("qwen3-tts-flash", 5 * 10_000))


def test_pictures_are_drawn(buyer: Buyer) -> None:
    """Pictures are charged by the number that was made, not by the number asked for."""
    dashscope.MultiModalConversation.call(
        model="qwen-image-2.0",
        messages=[{"role": "user", "content": [{"text": "a cat"}]}],
        n=3,
        api_key=buyer.secret,
        base_address=f"{buyer.gateway.url}/qwen/api/v1",
        headers=simulate(output=2),
    )
    (event,) = buyer.charged(piece("qwen-image-2.0", 2 * 35_000_000))
    assert [(unit.unit, unit.count) for unit in event.units] == [(UNIT_OUTPUT_IMAGES, 2)]
    assert event.held_nano_usd == 3 * 35_000_000


def test_what_has_no_price(buyer: Buyer, upstream: Upstream) -> None:
    """Embeddings and rankings are refused until the operator sets a price."""
    with sdk(buyer.gateway, buyer.secret) as client:
        with pytest.raises(errors.NotFoundError):
            client.embeddings.create(model="text-embedding-v4", input=["hello"])
        with pytest.raises(errors.NotFoundError):
            client.rerank.create(model="qwen3-rerank", query="hello", documents=["world"])
    assert upstream.requests() == []
    buyer.untouched()


@pytest.fixture
def vectors_have_a_price(gateway: Installation) -> None:
    """As an operator sets one, for models that no other test asks for: 0.07 USD a million."""
    rates = [RateSet(prices=[UnitPrice(unit=UNIT_INPUT_TOKENS, pico_usd=70_000)])]
    with gateway.client() as client:
        for model in ("text-embedding-v3", "gte-rerank-v2"):
            client.meter.put_price(ModelPrice(provider="dashscope", model=model, rates=rates))


@pytest.mark.usefixtures("vectors_have_a_price")
def test_vectors(buyer: Buyer) -> None:
    """Embeddings are charged by the total that they state, all of it input."""
    with sdk(buyer.gateway, buyer.secret, simulate(input=900)) as client:
        answer = client.embeddings.create(model="text-embedding-v3", input=[LONG, "hello"])
    assert len(answer.embeddings) == 2
    buyer.charged(Charge("dashscope", "text-embedding-v3", 900 * 70, 900, 0))


@pytest.mark.usefixtures("vectors_have_a_price")
def test_vectors_in_openai_shape(buyer: Buyer) -> None:
    """The same below the compatible root."""
    base = f"{buyer.gateway.url}/qwen/compatible-mode/v1"
    with openai.OpenAI(base_url=base, api_key=buyer.secret) as client:
        client.embeddings.create(
            model="text-embedding-v3", input=LONG, extra_headers=simulate(input=800)
        )
    buyer.charged(Charge("dashscope", "text-embedding-v3", 800 * 70, 800, 0))


@pytest.mark.usefixtures("vectors_have_a_price")
def test_rankings(buyer: Buyer) -> None:
    """A ranking is charged for its query with every document."""
    with sdk(buyer.gateway, buyer.secret) as client:
        ranked = client.rerank.create(
            model="gte-rerank-v2", query="which of them?", documents=["this one", "that one"]
        )
    assert len(ranked.results) == 2
    # Fourteen bytes are four tokens, eight are two: twice each.
    (event,) = buyer.charged(Charge("dashscope", "gte-rerank-v2", 12 * 70, 12, 0))
    assert event.held_nano_usd > event.charged_nano_usd


def test_tokens_are_counted_for_nothing(buyer: Buyer) -> None:
    """The tokenizer is free."""
    counted = dashscope.Tokenization.call(
        model="qwen-plus",
        input=None,
        messages=HELLO,
        api_key=buyer.secret,
        base_address=f"{buyer.gateway.url}/qwen/api/v1",
    )
    assert counted.usage["input_tokens"] == 2
    buyer.untouched()


def test_models(buyer: Buyer) -> None:
    """The list is the gateway's own, in pages; a name that it lacks is the SDK's 404."""
    with sdk(buyer.gateway, buyer.secret) as client:
        page = client.models.list(page_size=3)
        assert len(page.models) == 3
        assert page.total_count > 50
        assert client.models.get(MODEL).model == MODEL
        with pytest.raises(errors.NotFoundError):
            client.models.get("qwen-unheard-of")
