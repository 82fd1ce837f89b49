"""The unmodified OpenAI SDK against vendors of its shape: xAI, Qwen, Kimi, MiniMax, DeepSeek."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN, SETTLED_BY_COUNTED

from tests.buyer import Buyer, Charge
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.sdk_python.vendors import VENDORS, Vendor
from tests.upstream import Upstream, simulate

LONG = "word " * 1_000
"""Long enough that every claimed count of input tokens could be true."""
QUESTION: list[Any] = [{"role": "user", "content": LONG}]
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
USED = simulate(input=1_200, cached=1_024, output=100, reasoning=200)
"""300 output tokens, 200 of which are reasoning."""

pytestmark = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.slug)


def used(vendor: Vendor) -> Charge:
    """What `USED` costs. xAI says so itself, and says the same."""
    cost = nano_usd(vendor.model, input=176, cached=1_024, output=300)
    return Charge(vendor.slug, vendor.model, cost, 1_200, 300, reasoning_tokens=200)


@contextmanager
def sdk(
    gateway: Installation, secret: str, vendor: Vendor, base: str = "/v1", **options: Any
) -> Iterator[openai.OpenAI]:
    """The SDK; without retries unless a test asks for them."""
    options.setdefault("max_retries", 0)
    url = f"{gateway.url}/{vendor.prefix}{base}"
    with openai.OpenAI(base_url=url, api_key=secret, **options) as client:
        yield client


def ask(client: openai.OpenAI, vendor: Vendor, **changed: Any) -> Any:
    """One chat completion."""
    arguments = {"model": vendor.model, "messages": HELLO, "max_tokens": 400, **changed}
    return client.chat.completions.create(**arguments)


def test_plain(buyer: Buyer, upstream: Upstream, vendor: Vendor) -> None:
    """A plain answer is charged to the nano-dollar, with the vendor's own reading of its usage."""
    with sdk(buyer.gateway, buyer.secret, vendor) as client:
        answer = ask(client, vendor, messages=QUESTION, extra_headers=USED)
    assert answer.choices[0].message.content.startswith("Hello from the simulator")
    (event,) = buyer.charged(used(vendor))
    assert event.provider_request_id == answer.id
    assert upstream.only()["path"] == vendor.chat_path


@pytest.mark.parametrize("base", ["", "/v1", "/v1/"])
def test_base_urls(buyer: Buyer, upstream: Upstream, vendor: Vendor, base: str) -> None:
    """The version may stand in the base URL or not."""
    with sdk(buyer.gateway, buyer.secret, vendor, base) as client:
        ask(client, vendor, max_tokens=5)
    assert upstream.only()["path"] == vendor.chat_path


def test_without_a_prefix(buyer: Buyer, upstream: Upstream, vendor: Vendor) -> None:
    """On the shared path the name of the model alone says whose it is."""
    with openai.OpenAI(base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret) as client:
        ask(client, vendor, messages=QUESTION, extra_headers=USED)
    buyer.charged(used(vendor))
    assert upstream.only()["path"] == vendor.chat_path


@pytest.mark.parametrize("asked", [False, True])
def test_stream(buyer: Buyer, vendor: Vendor, *, asked: bool) -> None:
    """A stream is charged exactly, whether the client asked for usage or not.

    Only one that asked may see a chunk without a choice.
    """
    options = {"stream_options": {"include_usage": True}} if asked else {}
    with sdk(buyer.gateway, buyer.secret, vendor) as client:
        stream = ask(client, vendor, messages=QUESTION, stream=True, extra_headers=USED, **options)
        chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.startswith("Hello from the simulator")
    assert (not chunks[-1].choices) is asked
    (event,) = buyer.charged(used(vendor))
    assert event.provider_request_id == chunks[0].id


def test_tool_call(buyer: Buyer, vendor: Vendor) -> None:
    """Tools that the client runs pass, and cost tokens only."""
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    with sdk(buyer.gateway, buyer.secret, vendor) as client:
        answer = ask(
            client,
            vendor,
            messages=QUESTION,
            tools=[tool],
            extra_headers=simulate(tool=True, input=1_000, output=20),
        )
    assert answer.choices[0].message.tool_calls[0].function.name == "weather"
    cost = nano_usd(vendor.model, input=1_000, output=20)
    buyer.charged(Charge(vendor.slug, vendor.model, cost, 1_000, 20))


def test_no_account_is_told(buyer: Buyer, vendor: Vendor) -> None:
    """Headers that name the operator's account, or its limits, do not arrive."""
    with sdk(buyer.gateway, buyer.secret, vendor) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=vendor.model, messages=HELLO, max_tokens=5
        )
    told = {name for name in raw.headers if name.startswith(("msh-", "x-ratelimit-", "openai-"))}
    assert told == set()


def test_unknown_key(gateway: Installation, upstream: Upstream, vendor: Vendor) -> None:
    """A key that nobody minted is an authentication error, and goes nowhere."""
    with (
        sdk(gateway, "qlk_live_" + "0" * 64, vendor) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        ask(client, vendor)
    assert caught.value.code == "invalid_api_key"
    assert upstream.requests() == []


@pytest.mark.parametrize("stream", [False, True])
def test_cap(gateway: Installation, upstream: Upstream, vendor: Vendor, *, stream: bool) -> None:
    """Over the cap is a 402 that no retry repeats."""
    buyer = Buyer.mint(gateway, "0.000010")
    with (
        sdk(gateway, buyer.secret, vendor, max_retries=2) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        ask(client, vendor, stream=stream)
    assert (caught.value.status_code, caught.value.code) == (402, "cap_exceeded")
    assert upstream.requests() == []
    buyer.untouched()


def test_provider_is_busy(buyer: Buyer, vendor: Vendor) -> None:
    """The provider's 429 is a rate limit error with its own waiting time."""
    with (
        sdk(buyer.gateway, buyer.secret, vendor) as client,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        ask(client, vendor, extra_headers=simulate(status=429, retry_after=7))
    assert caught.value.response.headers["retry-after"] == "7"
    buyer.untouched()


@pytest.mark.parametrize("stream", [False, True])
def test_provider_fails(buyer: Buyer, vendor: Vendor, *, stream: bool) -> None:
    """A failure of the provider is the SDK's, and the hold is given back."""
    with (
        sdk(buyer.gateway, buyer.secret, vendor) as client,
        pytest.raises(openai.InternalServerError),
    ):
        ask(client, vendor, stream=stream, extra_headers=simulate(status=500))
    buyer.untouched()


@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
def test_broken_stream(buyer: Buyer, vendor: Vendor, fault: str) -> None:
    """A stream that the provider breaks off raises, and what arrived is charged."""
    with sdk(buyer.gateway, buyer.secret, vendor) as client:
        stream = ask(
            client,
            vendor,
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
    expected = nano_usd(vendor.model, input=event.input_tokens, output=4)
    assert event.charged_nano_usd == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.vector_stores.list(),
        lambda client: client.fine_tuning.jobs.list(),
        lambda client: client.conversations.retrieve("conv_1"),
        lambda client: client.audio.speech.create(model="m", voice="v", input="hi"),
    ],
    ids=["stores", "tunings", "stored", "audio"],
)
def test_denied_routes(buyer: Buyer, upstream: Upstream, vendor: Vendor, call: Any) -> None:
    """Routes that would leak, bypass or escape the meter are refused with a reason."""
    with (
        sdk(buyer.gateway, buyer.secret, vendor) as client,
        pytest.raises(openai.PermissionDeniedError) as caught,
    ):
        call(client)
    assert len(caught.value.message) > 40
    assert upstream.requests() == []
    buyer.untouched()


def test_models(buyer: Buyer, vendor: Vendor) -> None:
    """The list is the gateway's own: what has a price there."""
    with sdk(buyer.gateway, buyer.secret, vendor) as client:
        names = {model.id for model in client.models.list()}
        assert vendor.model in names
        assert client.models.retrieve(vendor.model).owned_by == vendor.slug
