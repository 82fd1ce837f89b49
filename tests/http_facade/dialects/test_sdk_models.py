"""The models routes as the providers' own SDKs read them, page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import orjson
import pytest
from google import genai
from mintgate.v1.meter_pb2 import ModelPrice
from mintgate_facade.dialects.base import FailureKind, Policy, RefusedRequest, Route
from mintgate_facade.providers.registry import REGISTRY

NAMES = [f"model-{number:02}" for number in range(45)]
PRICES = [
    ModelPrice(
        provider="test",
        model=name,
        context_window=1000,
        max_output_tokens=100,
        effective_at_ms=1_700_000_000_000,
    )
    for name in [*NAMES, "org/model:v1"]
]


def answer(request: httpx2.Request) -> httpx2.Response:
    """Serve a models request as the gateway would."""
    query = dict(request.url.params)
    found = REGISTRY.resolve(request.method, request.url.path, dict(request.headers), query)
    assert found is not None
    assert found.match.route.policy is Policy.LOCAL
    body = found.provider.dialect.models(
        found.match.route, PRICES, query, path_model=found.match.path_model
    )
    return httpx2.Response(200, headers={"content-type": "application/json"}, content=body)


@pytest.fixture
def transport() -> httpx2.Client:
    """An HTTP client whose server is the models routes."""
    return httpx2.Client(transport=httpx2.MockTransport(answer))


def test_openai_lists_and_retrieves(transport: httpx2.Client) -> None:
    """Every model is in the list, also one whose name has a slash and a colon."""
    sdk = openai.OpenAI(api_key="k", base_url="http://gw/v1", http_client=transport)

    assert [model.id for model in sdk.models.list()] == [*NAMES, "org/model:v1"]
    single = sdk.models.retrieve("org/model:v1")
    assert (single.id, single.owned_by, single.created) == ("org/model:v1", "test", 1_700_000_000)


def test_anthropic_pages_in_both_directions(transport: httpx2.Client) -> None:
    """Cursors are exclusive; the SDK walks all pages, forwards and backwards."""
    sdk = anthropic.Anthropic(api_key="k", base_url="http://gw", http_client=transport)

    assert [model.id for model in sdk.models.list(limit=7)] == [*NAMES, "org/model:v1"]
    page = sdk.models.list(before_id=NAMES[5], limit=3)
    assert [model.id for model in page.data] == NAMES[2:5]
    assert page.has_more
    single = sdk.models.retrieve(NAMES[0])
    assert (single.max_input_tokens, single.max_tokens) == (1000, 100)
    assert single.created_at.year == 2023


def test_google_pages(transport: httpx2.Client) -> None:
    """The SDK follows page tokens, and reads the limits."""
    options = genai.types.HttpOptions(base_url="http://gw", httpx_client=transport)
    sdk = genai.Client(api_key="k", http_options=options)

    listed = list(sdk.models.list(config={"page_size": 10}))
    assert [model.name for model in listed] == [f"models/{n}" for n in [*NAMES, "org/model:v1"]]
    single = sdk.models.get(model=NAMES[0])
    assert (single.input_token_limit, single.output_token_limit) == (1000, 100)
    assert single.supported_actions == ["generateContent", "countTokens"]


@pytest.mark.parametrize("slug", ["openai", "anthropic", "gemini"])
def test_an_unknown_model_is_a_404(slug: str) -> None:
    """By its name in the path, in the query, or because the look-up found nothing."""
    models: Callable[..., bytes] = REGISTRY.provider(slug).dialect.models
    route = Route("GET", "/models/{model}", Policy.LOCAL, "models")
    calls: list[tuple[list[ModelPrice], dict[str, str], dict[str, Any]]] = [
        (PRICES, {}, {"path_model": "nope"}),
        (PRICES, {"model": "nope"}, {}),
        ([], {}, {}),
    ]
    for prices, query, named in calls:
        with pytest.raises(RefusedRequest) as caught:
            models(route, prices, query, **named)
        assert caught.value.failure.kind is FailureKind.MODEL_NOT_FOUND

    assert NAMES[0].encode() in models(route, PRICES, {"model": NAMES[0]})
    assert NAMES[0].encode() in models(route, PRICES[:1], {})


@pytest.mark.parametrize(
    ("slug", "query"),
    [
        ("anthropic", {"limit": "0"}),
        ("anthropic", {"limit": "1001"}),
        ("anthropic", {"limit": "ten"}),
        ("anthropic", {"after_id": "nope"}),
        ("anthropic", {"before_id": "nope"}),
        ("gemini", {"pageSize": "-1"}),
        ("gemini", {"pageToken": "nope"}),
    ],
)
def test_a_bad_page_is_a_400(slug: str, query: dict[str, str]) -> None:
    """Sizes out of range and cursors of another list are named."""
    route = Route("GET", "/models", Policy.LOCAL, "models")

    with pytest.raises(RefusedRequest) as caught:
        REGISTRY.provider(slug).dialect.models(route, PRICES, query)
    assert caught.value.failure.status == 400
    assert caught.value.failure.param in query


def test_an_embedding_model_of_google_says_what_it_can() -> None:
    """Its methods are not those of a model that generates."""
    price = ModelPrice(provider="gemini", model="gemini-embedding-001")
    route = Route("GET", "/models", Policy.LOCAL, "models")
    listed = orjson.loads(REGISTRY.provider("gemini").dialect.models(route, [price], {}))

    assert listed["models"][0]["supportedGenerationMethods"] == [
        "embedContent",
        "batchEmbedContents",
    ]
