"""The unmodified OpenAI SDK: every refusal is an exception of its own, and nothing is charged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN, SETTLED_BY_COUNTED

from tests.buyer import Buyer
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

MODEL = "gpt-4o-mini"
HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@contextmanager
def sdk(gateway: Installation, secret: str, **options: Any) -> Iterator[openai.OpenAI]:
    """The SDK; without retries unless a test asks for them."""
    options.setdefault("max_retries", 0)
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=secret, **options) as client:
        yield client


def ask(client: openai.OpenAI, **changed: Any) -> Any:
    """One short chat completion."""
    arguments = {"model": MODEL, "messages": HELLO, "max_tokens": 100, **changed}
    return client.chat.completions.create(**arguments)


@pytest.mark.parametrize("secret", ["qlk_live_" + "0" * 64, "sk-proj-something-else"])
def test_unknown_key(gateway: Installation, upstream: Upstream, secret: str) -> None:
    """A key that nobody minted is an authentication error, and goes nowhere."""
    with sdk(gateway, secret) as client, pytest.raises(openai.AuthenticationError) as caught:
        ask(client)
    assert caught.value.code == "invalid_api_key"
    assert secret not in str(caught.value)
    assert upstream.requests() == []


@pytest.mark.parametrize("model", ["gpt-does-not-exist", "claude-haiku-4-5"])
def test_unknown_model(buyer: Buyer, upstream: Upstream, model: str) -> None:
    """A model without a price here is not found; another provider's is told where to ask."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(openai.NotFoundError) as caught,
    ):
        ask(client, model=model)
    assert caught.value.code == "model_not_found"
    if model.startswith("claude"):
        assert "/anthropic" in caught.value.message
    assert upstream.requests() == []
    buyer.untouched()


def test_invalid_request(buyer: Buyer, upstream: Upstream) -> None:
    """A field of the wrong type is a bad request that names it."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        ask(client, max_tokens="many")
    assert caught.value.param == "max_tokens"
    assert upstream.requests() == []
    buyer.untouched()


def test_provider_refuses(buyer: Buyer) -> None:
    """A bad request that only the provider notices arrives in its own words, and is released."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        ask(client, extra_headers={"x-simulate": "status=400"})
    assert "asked for with the x-simulate header" in caught.value.message
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, openai.InternalServerError), (503, openai.InternalServerError)],
)
def test_provider_fails(buyer: Buyer, status: int, kind: type[Exception], *, stream: bool) -> None:
    """A failure of the provider is the SDK's, and the hold is given back."""
    with sdk(buyer.gateway, buyer.secret) as client, pytest.raises(kind):
        ask(client, stream=stream, extra_headers=simulate(status=status))
    buyer.untouched()


def test_provider_is_busy(buyer: Buyer) -> None:
    """The provider's 429 is a rate limit error with its own waiting time."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        ask(client, extra_headers=simulate(status=429, retry_after=7))
    assert caught.value.response.headers["retry-after"] == "7"
    buyer.untouched()


def test_retries(buyer: Buyer, upstream: Upstream) -> None:
    """Each attempt of the SDK is a hold of its own, and each is given back."""
    with (
        sdk(buyer.gateway, buyer.secret, max_retries=1) as client,
        pytest.raises(openai.InternalServerError),
    ):
        ask(client, extra_headers=simulate(status=500))
    assert [r["headers"]["x-stainless-retry-count"] for r in upstream.requests()] == ["0", "1"]
    buyer.untouched()


def test_operators_trouble(buyer: Buyer) -> None:
    """The provider refusing the operator's key is a gateway error: the user's key is good."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        ask(client, extra_headers=simulate(status=401))
    assert caught.value.status_code == 502
    assert "your key is not at fault" in caught.value.message
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
def test_cap(gateway: Installation, upstream: Upstream, *, stream: bool) -> None:
    """Over the cap is a 402 that no retry repeats and that says what would fit.

    What it says is exact: that limit is admitted, one token more is not.
    """
    buyer = Buyer.mint(gateway, "0.000100")
    attempts: list[object] = []
    counting = openai.DefaultHttpxClient(event_hooks={"request": [attempts.append]})
    with sdk(gateway, buyer.secret, max_retries=2, http_client=counting) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            ask(client, max_tokens=999, stream=stream)
        error = caught.value
        assert type(error) is openai.APIStatusError
        assert error.status_code == 402
        assert error.type == "insufficient_quota"
        assert error.code == "cap_exceeded"
        assert error.response.headers["x-should-retry"] == "false"
        assert len(attempts) == 1
        assert isinstance(error.body, dict)
        assert error.body["remaining_micros"] == 100
        # 999 tokens at $0.60 a million are 599.4 micro-dollars; the input comes on top.
        assert 600 < error.body["required_micros"] < 700
        # Three digits again: the length of the body is part of the bound.
        fits = error.body["affordable_max_output_tokens"]
        assert 100 <= fits < 100 * 1_000 // 600
        buyer.untouched()
        assert upstream.requests() == []
        with pytest.raises(openai.APIStatusError):
            ask(client, max_tokens=fits + 1, stream=stream)
        list(ask(client, max_tokens=fits, stream=stream))
    (event,) = buyer.events()
    assert event.held_nano_usd <= 100_000


@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
def test_broken_stream(buyer: Buyer, fault: str) -> None:
    """A stream that the provider breaks off raises, and what arrived is charged."""
    with sdk(buyer.gateway, buyer.secret) as client:
        stream = ask(
            client,
            stream=True,
            extra_headers={"x-simulate": f"chunk_delay_ms=20; break={fault}; break_after=3"},
        )
        text: list[str] = []
        with pytest.raises(openai.APIError):
            text.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(text) == "Hello from t"
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_COUNTED
    # Twelve bytes came, and three of them count as one token.
    assert event.output_tokens == 4
    assert 0 < event.input_tokens < 100
    assert event.charged_nano_usd == nano_usd(MODEL, input=event.input_tokens, output=4)


@pytest.mark.parametrize("fault", ["reset", "eof"])
def test_broken_answer(buyer: Buyer, fault: str) -> None:
    """Half a JSON answer is an error, never an answer, and is charged by what arrived."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(openai.APIError),
    ):
        ask(client, extra_headers={"x-simulate": f"break={fault}"})
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_COUNTED


@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
def test_broken_response_stream(buyer: Buyer, fault: str) -> None:
    """A Responses stream that breaks off raises, too."""
    with sdk(buyer.gateway, buyer.secret) as client:
        stream = client.responses.create(
            model=MODEL,
            input="hello",
            max_output_tokens=100,
            stream=True,
            extra_headers={"x-simulate": f"chunk_delay_ms=20; break={fault}; break_after=3"},
        )
        with pytest.raises(openai.APIError):
            list(stream)
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN


def test_model_that_the_key_may_not_use(gateway: Installation, upstream: Upstream) -> None:
    """A key limited to some models is refused the others, and sees only its own."""
    buyer = Buyer.mint(gateway, allowed_models=["gpt-4o*"])
    with sdk(gateway, buyer.secret) as client:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            ask(client, model="gpt-5")
        assert caught.value.code == "model_not_allowed"
        assert all(model.id.startswith("gpt-4o") for model in client.models.list())
    assert upstream.requests() == []


def test_provider_that_the_key_may_not_use(gateway: Installation, upstream: Upstream) -> None:
    """A key limited to some providers is refused the others."""
    buyer = Buyer.mint(gateway, allowed_providers=["anthropic"])
    with (
        sdk(gateway, buyer.secret) as client,
        pytest.raises(openai.PermissionDeniedError) as caught,
    ):
        ask(client)
    assert caught.value.code == "provider_not_allowed"
    assert upstream.requests() == []


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.vector_stores.list(),
        lambda client: client.evals.list(),
        lambda client: client.realtime.client_secrets.create(),
        lambda client: client.vector_stores.retrieve("vs_1"),
        lambda client: client.fine_tuning.jobs.list(),
        lambda client: client.containers.list(),
        lambda client: client.models.delete("gpt-4o-mini"),
    ],
    ids=["stores", "evals", "ephemeral", "store", "fine-tuning", "containers", "delete-model"],
)
def test_denied_routes(buyer: Buyer, upstream: Upstream, call: Any) -> None:
    """Routes that would leak, bypass or escape the meter are refused with a reason."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(openai.PermissionDeniedError) as caught,
    ):
        call(client)
    assert len(caught.value.message) > 40
    assert upstream.requests() == []
    buyer.untouched()
