"""The unmodified Anthropic SDK: every refusal is an exception of its own; nothing is charged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import pytest
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN, SETTLED_BY_COUNTED

from tests.buyer import Buyer
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

MODEL = "claude-haiku-4-5"
HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@contextmanager
def sdk(gateway: Installation, secret: str, **options: Any) -> Iterator[anthropic.Anthropic]:
    """The SDK; without retries unless a test asks for them."""
    options.setdefault("max_retries", 0)
    with anthropic.Anthropic(base_url=gateway.url, api_key=secret, **options) as client:
        yield client


def ask(client: anthropic.Anthropic, **changed: Any) -> Any:
    """One short message."""
    arguments = {"model": MODEL, "messages": HELLO, "max_tokens": 100, **changed}
    return client.messages.create(**arguments)


def told(error: anthropic.APIStatusError) -> dict[str, Any]:
    """The error object of the body, after checking the envelope around it."""
    assert isinstance(error.body, dict)
    assert error.body["type"] == "error"
    assert error.body["request_id"] == error.request_id
    inner: dict[str, Any] = error.body["error"]
    return inner


@pytest.mark.parametrize("secret", ["qlk_live_" + "0" * 64, "sk-ant-api03-else"])
def test_unknown_key(gateway: Installation, upstream: Upstream, secret: str) -> None:
    """A key that nobody minted is an authentication error, and goes nowhere."""
    with sdk(gateway, secret) as client, pytest.raises(anthropic.AuthenticationError) as caught:
        ask(client)
    assert told(caught.value)["type"] == "authentication_error"
    assert secret not in str(caught.value)
    assert upstream.requests() == []


@pytest.mark.parametrize("model", ["claude-does-not-exist", "gpt-4o-mini"])
def test_unknown_model(buyer: Buyer, upstream: Upstream, model: str) -> None:
    """A model without a price here is not found; another provider's is told where to ask."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(anthropic.NotFoundError) as caught,
    ):
        ask(client, model=model)
    assert told(caught.value)["type"] == "not_found_error"
    if model.startswith("gpt"):
        assert "/openai/v1" in told(caught.value)["message"]
    assert upstream.requests() == []
    buyer.untouched()


def test_invalid_request(buyer: Buyer, upstream: Upstream) -> None:
    """A field out of its range is a bad request that names it."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(anthropic.BadRequestError, match="max_tokens"),
    ):
        ask(client, max_tokens=-1)
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, anthropic.BadRequestError),
        (500, anthropic.InternalServerError),
        (529, anthropic.OverloadedError),
    ],
)
def test_provider_fails(buyer: Buyer, status: int, kind: type[Exception], *, stream: bool) -> None:
    """A failure of the provider is the SDK's own, and the hold is given back."""
    with sdk(buyer.gateway, buyer.secret) as client, pytest.raises(kind):
        ask(client, stream=stream, extra_headers=simulate(status=status))
    buyer.untouched()


def test_provider_is_busy(buyer: Buyer) -> None:
    """The provider's 429 is a rate limit error with its own waiting time."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(anthropic.RateLimitError) as caught,
    ):
        ask(client, extra_headers=simulate(status=429, retry_after=7))
    assert caught.value.response.headers["retry-after"] == "7"
    buyer.untouched()


def test_operators_trouble(buyer: Buyer) -> None:
    """The operator's own empty account at the provider is no 402 of the user's."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(anthropic.InternalServerError) as caught,
    ):
        ask(client, extra_headers=simulate(status=402))
    assert caught.value.status_code == 502
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
def test_cap(gateway: Installation, upstream: Upstream, *, stream: bool) -> None:
    """Over the cap is a payment error that no retry repeats and that says what would fit.

    What it says is exact: that limit is admitted, one token more is not.
    """
    buyer = Buyer.mint(gateway, "0.001")
    attempts: list[object] = []
    counting = anthropic.DefaultHttpxClient(event_hooks={"request": [attempts.append]})
    with sdk(gateway, buyer.secret, max_retries=2, http_client=counting) as client:
        with pytest.raises(anthropic.PaymentRequiredError) as caught:
            ask(client, max_tokens=999, stream=stream)
        assert type(caught.value) is anthropic.PaymentRequiredError
        assert caught.value.status_code == 402
        assert len(attempts) == 1
        error = told(caught.value)
        assert error["type"] == "billing_error"
        assert error["remaining_micros"] == 1_000
        # 999 tokens at $5 a million are 4,995 micro-dollars; the input comes on top.
        assert 4_995 < error["required_micros"] < 5_300
        # Three digits again: the length of the body is part of the bound.
        fits = error["affordable_max_output_tokens"]
        assert 100 <= fits < 200
        buyer.untouched()
        assert upstream.requests() == []
        with pytest.raises(anthropic.PaymentRequiredError):
            ask(client, max_tokens=fits + 1, stream=stream)
        answer = ask(client, max_tokens=fits, stream=stream)
        if stream:
            list(answer)
    (event,) = buyer.events()
    assert event.held_nano_usd <= 1_000_000


@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
def test_broken_stream(buyer: Buyer, fault: str) -> None:
    """A stream that the provider breaks off raises, and what arrived is charged."""
    text: list[str] = []
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(anthropic.APIError),
        client.messages.stream(
            model=MODEL,
            messages=HELLO,
            max_tokens=100,
            extra_headers={
                "x-simulate": f"input=50; chunk_delay_ms=20; break={fault}; break_after=3"
            },
        ) as stream,
    ):
        text.extend(stream.text_stream)
    assert "".join(text) == "Hello from t"
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_COUNTED
    # The input was stated at the start; of the output twelve bytes came, three a token.
    assert (event.input_tokens, event.output_tokens) == (50, 4)
    assert event.charged_nano_usd == nano_usd(MODEL, input=50, output=4)


def test_broken_answer(buyer: Buyer) -> None:
    """Half a JSON answer is an error, never an answer, and is charged by what arrived."""
    with sdk(buyer.gateway, buyer.secret) as client, pytest.raises(anthropic.APIError):
        ask(client, extra_headers={"x-simulate": "break=reset"})
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_COUNTED


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.beta.agents.list(),
        lambda client: client.beta.skills.list(),
        lambda client: client.post("/v1/complete", cast_to=object, body={"model": "claude-2"}),
    ],
    ids=["agents", "skills", "legacy"],
)
def test_denied_routes(buyer: Buyer, upstream: Upstream, call: Any) -> None:
    """Routes that cannot be metered or would leak are refused with a reason."""
    with (
        sdk(buyer.gateway, buyer.secret) as client,
        pytest.raises(anthropic.PermissionDeniedError) as caught,
    ):
        call(client)
    assert len(told(caught.value)["message"]) > 40
    assert upstream.requests() == []
    buyer.untouched()
