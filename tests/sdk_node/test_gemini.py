"""The unmodified Google Gen AI SDK in Node: chats, token counts, models, files."""

from __future__ import annotations

import base64

import pytest

from tests.buyer import Buyer
from tests.harness import Installation
from tests.sdk_node.conftest import Programs
from tests.sdk_node.node import Node
from tests.sdk_node.sdks import SDKS
from tests.upstream import Upstream, simulate

(SDK,) = [sdk for sdk in SDKS if sdk.name == "gemini"]
NOTES = b"What was said."


@pytest.fixture
def node(programs: Programs) -> Node:
    return programs(*SDK.program)


def test_chat(node: Node, buyer: Buyer) -> None:
    """A chat sends its history again, and each turn is a charge."""
    headers = simulate(input=100, output=20)
    call = SDK.call(buyer, messages=["word " * 100, "Go on."], headers=headers)
    assert node.ask("chat", **call).worked() == ["user", "model", "user", "model"]
    buyer.charged(SDK.charge(100, 20), SDK.charge(100, 20))


def test_counting_is_free(node: Node, buyer: Buyer) -> None:
    """Counting tokens asks the provider and costs nothing."""
    assert node.ask("count", **SDK.call(buyer, prompt="hello " * 10)).worked() == 15
    buyer.untouched()


def test_models(node: Node, buyer: Buyer, upstream: Upstream) -> None:
    """Models page through the price list, without asking the provider."""
    names = node.ask("models", **SDK.call(buyer)).worked()
    assert f"models/{SDK.model}" in names
    assert len(names) == len(set(names)) > 10
    assert upstream.requests() == []


def test_files(node: Node, buyer: Buyer, gateway: Installation) -> None:
    """A key uploads, lists and uses its file, which is not there for another key."""
    call = SDK.call(
        buyer,
        name="notes.txt",
        file=base64.b64encode(NOTES).decode(),
        headers=simulate(input=1_100, output=10),
    )
    answer = node.ask("files", **call)
    stored = answer.worked()
    assert (stored["made"]["displayName"], int(stored["made"]["sizeBytes"])) == (
        "notes.txt",
        len(NOTES),
    )
    assert stored["listed"] == [stored["made"]["name"]]
    # The beginning of the upload, its bytes, the list, the question.
    assert answer.requests == 4
    buyer.charged(SDK.charge(1_100, 10))
    other = Buyer.mint(gateway)
    call = SDK.call(other, name=stored["made"]["name"])
    node.ask("file", **call).failed("ApiError", 404)
