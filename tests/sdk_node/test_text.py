"""The unmodified Node SDKs ask for text: the same properties for every one of them."""

from __future__ import annotations

import pytest
from mintgate import RateLimits
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN, SETTLED_BY_COUNTED

from tests.buyer import Buyer
from tests.harness import Installation
from tests.sdk_node.conftest import Programs
from tests.sdk_node.node import Node
from tests.sdk_node.sdks import SDKS, Sdk
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

pytestmark = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)

UNKNOWN = "qlk_live_" + "0" * 64
USED = simulate(input=1_000, output=300)
streams = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture
def node(sdk: Sdk, programs: Programs) -> Node:
    return programs(*sdk.program)


def case(sdk: Sdk, *, stream: bool) -> str:
    return sdk.stream if stream else sdk.plain


@streams
def test_text(node: Node, sdk: Sdk, buyer: Buyer, *, stream: bool) -> None:
    """The text arrives whole, by one request, and is charged to the nano-dollar."""
    answer = node.ask(case(sdk, stream=stream), **sdk.call(buyer, headers=USED))
    answer.worked()
    assert answer.said.startswith("Hello from the simulator")
    assert answer.requests == 1
    buyer.charged(sdk.charge(1_000, 300))


@streams
def test_unknown_key(
    node: Node, sdk: Sdk, buyer: Buyer, upstream: Upstream, *, stream: bool
) -> None:
    """A key that nobody minted is the SDK's error for it, at once, and goes nowhere."""
    answer = node.ask(case(sdk, stream=stream), **sdk.call(buyer, secret=UNKNOWN))
    error = answer.failed(sdk.errors[401], 401)
    assert UNKNOWN not in error.message
    assert answer.requests == 1
    assert upstream.requests() == []


@streams
def test_cap(
    node: Node, sdk: Sdk, gateway: Installation, upstream: Upstream, *, stream: bool
) -> None:
    """Over the cap is a 402 that no SDK repeats, though it may; and nothing was forwarded."""
    poor = Buyer.mint(gateway, "0.000010")
    answer = node.ask(case(sdk, stream=stream), **sdk.call(poor))
    error = answer.failed(sdk.errors[402], 402)
    assert "cap" in error.message
    assert answer.requests == 1
    assert upstream.requests() == []
    poor.untouched()


def test_rate_limit(node: Node, sdk: Sdk, gateway: Installation, upstream: Upstream) -> None:
    """The second request of one a minute is the SDK's rate limit error, and is not held."""
    buyer = Buyer.mint(gateway, rate_limits=RateLimits(requests_per_minute=1))
    node.ask(sdk.plain, **sdk.call(buyer, headers=USED)).worked()
    answer = node.ask(sdk.plain, **sdk.call(buyer, retries=0))
    error = answer.failed(sdk.errors[429], 429)
    assert "1 requests a minute" in error.message
    assert upstream.count == 1
    buyer.charged(sdk.charge(1_000, 300))


@streams
@pytest.mark.parametrize("status", [429, 500])
def test_provider_fails(node: Node, sdk: Sdk, buyer: Buyer, status: int, *, stream: bool) -> None:
    """The provider's failure is the SDK's own error, and the hold is given back."""
    call = sdk.call(buyer, headers=simulate(status=status), retries=0)
    answer = node.ask(case(sdk, stream=stream), **call)
    answer.failed(sdk.errors[status], status)
    assert answer.requests == 1
    buyer.untouched()


@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
def test_broken_stream(node: Node, sdk: Sdk, buyer: Buyer, fault: str) -> None:
    """A stream that the provider breaks off throws, and what arrived is charged."""
    headers = {"x-simulate": f"input=50; chunk_delay_ms=20; break={fault}; break_after=3"}
    call = sdk.call(buyer, prompt="hello", limit=100, headers=headers, retries=0)
    answer = node.ask(sdk.stream, **call)
    assert answer.error is not None
    assert not sdk.broken or sdk.broken in answer.error.kinds, answer.error.stack
    assert answer.requests == 1
    assert answer.said == "Hello from t"
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert event.settled_by == SETTLED_BY_COUNTED
    # Twelve bytes came, and three of them count as one token.
    assert event.output_tokens == 4
    assert event.charged_nano_usd == nano_usd(sdk.model, input=event.input_tokens, output=4)
