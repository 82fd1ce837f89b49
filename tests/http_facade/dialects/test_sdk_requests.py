"""What the providers' own SDKs send is understood: routed, bounded, and never refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from mintgate.v1.unit_pb2 import UNIT_CACHE_WRITE_1H_TOKENS, UNIT_OUTPUT_IMAGE_TOKENS
from mintgate_facade.dialects.base import Ask, Policy, RequestView
from mintgate_facade.dialects.jsontext import parse_object
from mintgate_facade.providers.registry import REGISTRY

STOP = b'{"error":{"message":"enough seen","code":400,"status":"INVALID_ARGUMENT"}}'


class Gateway:
    """Reads each request as the gateway would, and answers it with an error."""

    def __init__(self) -> None:
        self.slug = ""
        self.ask: Ask | None = None

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        query = dict(request.url.params)
        found = REGISTRY.resolve(request.method, request.url.path, dict(request.headers), query)
        assert found is not None
        assert found.match.route.policy is Policy.METERED
        self.slug = found.provider.slug
        body = request.read()
        view = RequestView(
            body=body,
            document=parse_object(body),
            path_model=found.match.path_model,
            query=query,
            query_string=request.url.query.decode(),
            headers=dict(request.headers),
        )
        self.ask = found.provider.dialect.read(found.match.route, view)
        return httpx2.Response(400, headers={"content-type": "application/json"}, content=STOP)

    @property
    def client(self) -> httpx2.Client:
        """An HTTP client whose only server is this."""
        return httpx2.Client(transport=httpx2.MockTransport(self))

    @contextmanager
    def seen(self, slug: str) -> Iterator[list[Ask]]:
        """Run one SDK call; then hold that it was read, and as whose."""
        asks: list[Ask] = []
        with pytest.raises((openai.APIError, anthropic.APIError, genai.errors.APIError)):
            yield asks
        assert self.slug == slug
        assert self.ask is not None
        asks.append(self.ask)


@pytest.fixture
def gateway() -> Gateway:
    """A fresh gateway."""
    return Gateway()


TOOL: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}


@pytest.mark.parametrize("base", ["http://gw/v1", "http://gw", "http://gw/openai/v1"])
def test_openai(gateway: Gateway, base: str) -> None:
    """Chat, responses, embeddings and images, under every base URL that people set."""
    sdk = openai.OpenAI(api_key="k", base_url=base, http_client=gateway.client)

    with gateway.seen("openai") as asks:
        sdk.chat.completions.create(
            model="gpt-x",
            messages=[{"role": "user", "content": "hi"}],
            tools=[{"type": "function", "function": {"name": "f", "parameters": TOOL}}],
            max_completion_tokens=50,
            stream=True,
        )
    assert (asks[0].bound.output_tokens, asks[0].stream, asks[0].hide_usage) == (50, True, True)
    with gateway.seen("openai") as asks:
        sdk.responses.create(
            model="gpt-x", input="hi", tools=[{"type": "web_search"}], max_tool_calls=2
        )
    assert asks[0].bound.passes == 3
    with gateway.seen("openai") as asks:
        sdk.embeddings.create(model="e", input=["a", "b"])
    assert asks[0].model == "e"
    with gateway.seen("openai") as asks:
        sdk.images.generate(model="gpt-image-2", prompt="a cat", size="1024x1024", quality="low")
    assert UNIT_OUTPUT_IMAGE_TOKENS in asks[0].bound.output_units


@pytest.mark.parametrize("base", ["http://gw", "http://gw/v1", "http://gw/anthropic"])
def test_anthropic(gateway: Gateway, base: str) -> None:
    """Messages with tools, a cached system prompt and a stream; beta calls too."""
    sdk = anthropic.Anthropic(api_key="k", base_url=base, http_client=gateway.client)

    with (
        gateway.seen("anthropic") as asks,
        sdk.messages.stream(
            model="claude-x",
            max_tokens=100,
            system=[
                {"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
            ],
            messages=[{"role": "user", "content": "hi"}],
            tools=[{"name": "f", "input_schema": TOOL}],
        ),
    ):
        pass
    assert asks[0].stream
    assert UNIT_CACHE_WRITE_1H_TOKENS in asks[0].bound.input_units
    with gateway.seen("anthropic") as asks:
        sdk.beta.messages.create(
            model="claude-x",
            max_tokens=100,
            messages=[{"role": "user", "content": "hi"}],
            tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
            betas=["context-management-2025-06-27"],
        )
    assert asks[0].bound.passes == 3


@pytest.mark.parametrize("base", ["http://gw", "http://gw/gemini"])
def test_google(gateway: Gateway, base: str) -> None:
    """Generation with every common setting, its stream, and embeddings."""
    options = genai.types.HttpOptions(base_url=base, httpx_client=gateway.client)
    sdk = genai.Client(api_key="k", http_options=options)
    config = genai.types.GenerateContentConfig(
        system_instruction="be brief",
        max_output_tokens=50,
        candidate_count=2,
        response_modalities=["TEXT"],
        thinking_config=genai.types.ThinkingConfig(thinking_budget=0),
        tools=[genai.types.Tool(google_search=genai.types.GoogleSearch())],
    )
    image = genai.types.Part.from_bytes(data=b"png", mime_type="image/png")

    with gateway.seen("gemini") as asks:
        sdk.models.generate_content(model="gemini-2.5-flash", contents=["hi", image], config=config)
    assert (asks[0].bound.output_tokens, asks[0].bound.choices) == (50, 2)
    assert asks[0].bound.fees[0].count == 1
    with gateway.seen("gemini") as asks:
        list(sdk.models.generate_content_stream(model="gemini-2.5-flash", contents="hi"))
    assert asks[0].stream
    with gateway.seen("gemini") as asks:
        sdk.models.embed_content(model="gemini-embedding-001", contents=["a" * 30, "b" * 30])
    assert asks[0].model == "gemini-embedding-001"
    assert asks[0].delivered_input_tokens == 20
