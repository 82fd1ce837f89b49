"""The unmodified Google Gen AI SDK: every refusal carries its status; nothing is charged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN, SETTLED_BY_COUNTED

from tests.buyer import Buyer
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate
from tests.wire import send

MODEL = "gemini-2.5-flash"


@contextmanager
def sdk(gateway: Installation, secret: str) -> Iterator[genai.Client]:
    """The SDK with another base URL and another key."""
    options = types.HttpOptions(base_url=f"{gateway.url}/gemini")
    with genai.Client(api_key=secret, http_options=options) as client:
        yield client


def ask(
    client: genai.Client,
    model: str = MODEL,
    *,
    limit: int = 100,
    headers: dict[str, str] | None = None,
    stream: bool = False,
) -> Any:
    """One short question."""
    config = types.GenerateContentConfig(
        max_output_tokens=limit, http_options=types.HttpOptions(headers=headers or {})
    )
    if stream:
        chunks = client.models.generate_content_stream(model=model, contents="hello", config=config)
        return [chunk.text for chunk in chunks]
    return client.models.generate_content(model=model, contents="hello", config=config)


def told(error: errors.APIError) -> dict[str, Any]:
    """The error object of the body, after checking that it agrees with the status."""
    inner: dict[str, Any] = error.details["error"]
    assert inner["code"] == error.code
    assert inner["status"] == error.status
    return inner


@pytest.mark.parametrize("secret", ["qlk_live_" + "0" * 64, "AIzaSySomethingElse"])
def test_unknown_key(gateway: Installation, upstream: Upstream, secret: str) -> None:
    """A key that nobody minted is unauthenticated, and goes nowhere."""
    with sdk(gateway, secret) as client, pytest.raises(errors.ClientError) as caught:
        ask(client)
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
    assert secret not in str(caught.value)
    assert upstream.requests() == []


@pytest.mark.parametrize("model", ["gemini-none", "gpt-4o-mini"])
def test_unknown_model(buyer: Buyer, upstream: Upstream, model: str) -> None:
    """A model without a price here is not found; another provider's is told where to ask."""
    with sdk(buyer.gateway, buyer.secret) as client, pytest.raises(errors.ClientError) as caught:
        ask(client, model)
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    if model.startswith("gpt"):
        assert "/openai/v1" in told(caught.value)["message"]
    assert upstream.requests() == []
    buyer.untouched()


def test_invalid_request(buyer: Buyer, upstream: Upstream) -> None:
    """A field out of its range is an invalid argument that names it."""
    with sdk(buyer.gateway, buyer.secret) as client, pytest.raises(errors.ClientError) as caught:
        ask(client, limit=0)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert "generationConfig.maxOutputTokens" in told(caught.value)["message"]
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, errors.ClientError), (429, errors.ClientError), (503, errors.ServerError)],
)
def test_provider_fails(buyer: Buyer, status: int, kind: Any, *, stream: bool) -> None:
    """A failure of the provider arrives with its status, and the hold is given back."""
    with sdk(buyer.gateway, buyer.secret) as client, pytest.raises(kind) as caught:
        ask(client, headers=simulate(status=status), stream=stream)
    assert caught.value.code == status
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
def test_cap(gateway: Installation, upstream: Upstream, *, stream: bool) -> None:
    """Over the cap is Google's own RESOURCE_EXHAUSTED with 402, and says what would fit.

    What it says is exact: that limit is admitted, one token more is not.
    """
    buyer = Buyer.mint(gateway, "0.0005")
    with sdk(gateway, buyer.secret) as client:
        with pytest.raises(errors.ClientError) as caught:
            ask(client, limit=999, stream=stream)
        assert type(caught.value) is errors.ClientError
        assert (caught.value.code, caught.value.status) == (402, "RESOURCE_EXHAUSTED")
        error = told(caught.value)
        assert error["remaining_micros"] == 500
        # 999 tokens at $2.50 a million are 2,497.5 micro-dollars; the input comes on top.
        assert 2_497 < error["required_micros"] < 2_600
        (info,) = [d for d in error["details"] if d["@type"].endswith("google.rpc.ErrorInfo")]
        assert info["reason"] == "CAP_EXCEEDED"
        # Three digits again: the length of the body is part of the bound.
        fits = error["affordable_max_output_tokens"]
        assert 100 <= fits < 200
        buyer.untouched()
        assert upstream.requests() == []
        with pytest.raises(errors.ClientError):
            ask(client, limit=fits + 1, stream=stream)
        ask(client, limit=fits, stream=stream)
    (event,) = buyer.events()
    assert event.held_nano_usd <= 500_000


@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
def test_broken_stream(buyer: Buyer, fault: str) -> None:
    """A stream that the provider breaks off raises, and what arrived is charged."""
    config = types.GenerateContentConfig(
        max_output_tokens=100,
        http_options=types.HttpOptions(
            headers={"x-simulate": f"input=50; chunk_delay_ms=20; break={fault}; break_after=3"}
        ),
    )
    with sdk(buyer.gateway, buyer.secret) as client:
        stream = client.models.generate_content_stream(model=MODEL, contents="hello", config=config)
        text: list[str] = []
        with pytest.raises(errors.APIError):
            text.extend(chunk.text or "" for chunk in stream)
    assert "".join(text) == "Hello from t"
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_COUNTED
    # The usage so far was stated; of the output twelve bytes came, three a token.
    assert (event.input_tokens, event.output_tokens) == (50, 4)
    assert event.charged_nano_usd == nano_usd(MODEL, input=50, output=4)


def test_broken_answer(buyer: Buyer) -> None:
    """Half a JSON answer is an error, never an answer, and is charged by what arrived."""
    with sdk(buyer.gateway, buyer.secret) as client, pytest.raises(errors.ServerError) as caught:
        ask(client, headers={"x-simulate": "break=reset"})
    assert caught.value.code == 502
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_COUNTED


def test_denied_routes(buyer: Buyer, upstream: Upstream) -> None:
    """Routes that would leak or escape the meter are refused with a reason."""
    with sdk(buyer.gateway, buyer.secret) as client, pytest.raises(errors.ClientError) as caught:
        list(client.file_search_stores.list())
    assert (caught.value.code, caught.value.status) == (403, "PERMISSION_DENIED")
    assert len(told(caught.value)["message"]) > 40
    assert upstream.requests() == []
    buyer.untouched()


def test_ephemeral_tokens_are_denied(buyer: Buyer, upstream: Upstream) -> None:
    """A token that works at the provider without this gateway is never handed out."""
    answer = send(
        buyer.gateway.url,
        "POST",
        "/v1alpha/auth_tokens",
        headers={"x-goog-api-key": buyer.secret},
        body={"uses": 1},
    )
    assert answer.status == 403
    assert answer.json()["error"]["status"] == "PERMISSION_DENIED"
    assert upstream.requests() == []
