"""The unmodified Anthropic SDK against vendors that take Messages for their own models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import pytest
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN

from tests.buyer import Buyer, Charge
from tests.harness import Installation
from tests.sdk_python.prices import nano_usd
from tests.sdk_python.vendors import VENDORS, Vendor
from tests.upstream import Upstream, simulate

LONG = "word " * 1_000
QUESTION: list[Any] = [{"role": "user", "content": LONG}]
HELLO: list[Any] = [{"role": "user", "content": "hello"}]

pytestmark = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.slug)


@contextmanager
def sdk(
    gateway: Installation, secret: str, vendor: Vendor, **options: Any
) -> Iterator[anthropic.Anthropic]:
    """The SDK; without retries unless a test asks for them."""
    options.setdefault("max_retries", 0)
    url = gateway.url + vendor.messages_base
    with anthropic.Anthropic(base_url=url, api_key=secret, **options) as client:
        yield client


def ask(client: anthropic.Anthropic, vendor: Vendor, **changed: Any) -> Any:
    """One message."""
    arguments = {"model": vendor.model, "max_tokens": 400, "messages": HELLO, **changed}
    return client.messages.create(**arguments)


@pytest.mark.parametrize("stream", [False, True])
def test_message(buyer: Buyer, upstream: Upstream, vendor: Vendor, *, stream: bool) -> None:
    """Whole and streamed: cached input apart, to the nano-dollar, at the vendor's own path.

    MiniMax states no input at the start of a stream; its end replaces that.
    """
    controls = simulate(input=1_000, cached=200, output=300)
    with sdk(buyer.gateway, buyer.secret, vendor) as client:
        answer = ask(client, vendor, messages=QUESTION, stream=stream, extra_headers=controls)
        if stream:
            kinds = [event.type for event in answer]
            assert kinds[-1] == "message_stop"
        else:
            assert answer.content[0].text.startswith("Hello from the simulator")
    cost = nano_usd(vendor.model, input=1_000, cached=200, output=300)
    buyer.charged(Charge(vendor.slug, vendor.model, cost, 1_200, 300))
    assert upstream.only()["path"] == vendor.messages_path


def test_without_a_prefix(buyer: Buyer, upstream: Upstream, vendor: Vendor) -> None:
    """On Anthropic's own path the name of the model says whose it is."""
    with anthropic.Anthropic(base_url=buyer.gateway.url, api_key=buyer.secret) as client:
        ask(client, vendor, max_tokens=5)
    assert upstream.only()["path"] == vendor.messages_path


def test_credentials(buyer: Buyer, upstream: Upstream, vendor: Vendor) -> None:
    """The operator's key stands in the header that the vendor reads, and nowhere else."""
    with sdk(buyer.gateway, buyer.secret, vendor) as client:
        ask(client, vendor, max_tokens=5)
    headers = upstream.only()["headers"]
    assert ("x-api-key" in headers) is (vendor.slug == "deepseek")
    assert ("authorization" in headers) is (vendor.slug != "deepseek")


def test_unknown_key(gateway: Installation, upstream: Upstream, vendor: Vendor) -> None:
    """A key that nobody minted is an authentication error, and goes nowhere."""
    with (
        sdk(gateway, "qlk_live_" + "0" * 64, vendor) as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        ask(client, vendor)
    assert upstream.requests() == []


def test_cap(gateway: Installation, upstream: Upstream, vendor: Vendor) -> None:
    """Over the cap is the SDK's own 402."""
    buyer = Buyer.mint(gateway, "0.000010")
    with (
        sdk(gateway, buyer.secret, vendor, max_retries=2) as client,
        pytest.raises(anthropic.PaymentRequiredError),
    ):
        ask(client, vendor)
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, anthropic.RateLimitError), (500, anthropic.InternalServerError)],
)
def test_provider_refuses(buyer: Buyer, vendor: Vendor, status: int, kind: type[Exception]) -> None:
    """The provider's own refusals are the SDK's, and the hold is given back."""
    with sdk(buyer.gateway, buyer.secret, vendor) as client, pytest.raises(kind):
        ask(client, vendor, extra_headers=simulate(status=status))
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
        # Depending on where it breaks the SDK raises its own error or its transport's.
        with pytest.raises(Exception, match=r".+"):
            list(stream)
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.output_tokens == 4
    assert event.input_tokens > 0
    expected = nano_usd(vendor.model, input=event.input_tokens, output=4)
    assert event.charged_nano_usd == expected
