"""The unmodified Anthropic SDK in Node, of both headers: credentials, browsers, files, models."""

from __future__ import annotations

import base64

import pytest

from tests.buyer import Buyer
from tests.harness import Installation
from tests.sdk_node.conftest import Programs
from tests.sdk_node.node import Node
from tests.sdk_node.sdks import SDKS, Sdk
from tests.upstream import Upstream, simulate

RELEASES = [sdk for sdk in SDKS if sdk.name in {"anthropic", "anthropic-before-1"}]
NOTES = b"What was said."

pytestmark = pytest.mark.parametrize("sdk", RELEASES, ids=lambda sdk: sdk.name)


@pytest.fixture
def node(sdk: Sdk, programs: Programs) -> Node:
    return programs(*sdk.program)


def test_where_the_key_is(node: Node, sdk: Sdk, buyer: Buyer, upstream: Upstream) -> None:
    """Release 1 moved the key to another header; the provider gets the operator's in its own."""
    answer = node.ask("plain", **sdk.call(buyer))
    answer.worked()
    places = {"x-api-key", "authorization"}
    expected = "authorization" if sdk.name == "anthropic" else "x-api-key"
    assert [places.intersection(names) for names in answer.sent] == [{expected}]
    assert places.intersection(upstream.only()["headers"]) == {"x-api-key"}


def test_browsers(node: Node, sdk: Sdk, buyer: Buyer) -> None:
    """With the flag for browsers, the SDK sends a header of its own, and is served all the same."""
    headers = simulate(input=1_000, output=300)
    answer = node.ask("stream", **sdk.call(buyer, browser=True, headers=headers))
    answer.worked()
    (names,) = answer.sent
    assert "anthropic-dangerous-direct-browser-access" in names
    buyer.charged(sdk.charge(1_000, 300))


def test_counting_is_free(node: Node, sdk: Sdk, buyer: Buyer) -> None:
    """Counting tokens asks the provider and costs nothing."""
    call = sdk.call(buyer, headers=simulate(input=123))
    assert node.ask("count", **call).worked() == 123
    buyer.untouched()


def test_files(node: Node, sdk: Sdk, buyer: Buyer, gateway: Installation) -> None:
    """A key stores, reads, lists and uses its file, which is not there for another key."""
    call = sdk.call(
        buyer,
        name="notes.txt",
        file=base64.b64encode(NOTES).decode(),
        headers=simulate(input=200, output=10),
    )
    stored = node.ask("files", **call).worked()
    assert stored["content"] == NOTES.decode()
    assert stored["listed"] == [stored["made"]]
    buyer.charged(sdk.charge(200, 10))
    other = Buyer.mint(gateway)
    node.ask("content", **sdk.call(other, id=stored["made"])).failed("NotFoundError", 404)
    other.untouched()


def test_models(node: Node, sdk: Sdk, buyer: Buyer, upstream: Upstream) -> None:
    """Models page through the price list, without asking the provider."""
    names = node.ask("models", **sdk.call(buyer)).worked()
    assert sdk.model in names
    assert len(names) == len(set(names)) > 10
    assert upstream.requests() == []
