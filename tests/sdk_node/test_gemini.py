"""The unmodified Google Gen AI SDK in Node: chats, token counts, models, files."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from mintgate_simulator.gemini.videos import VIDEO

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.sdk_node.conftest import Programs
from tests.sdk_node.node import Node
from tests.sdk_node.sdks import SDKS
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

(SDK,) = [sdk for sdk in SDKS if sdk.name == "gemini"]
(BEFORE,) = [sdk for sdk in SDKS if sdk.name == "gemini-2"]
"""The last release that begins videos of the Gemini API itself."""
VEO = "veo-3.1-generate-001"
POLLED_WITHIN_S = 60
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


def test_caches(node: Node, buyer: Buyer, gateway: Installation) -> None:
    """A cache is paid for when it is made, used by its key, and not there for another one."""
    call = SDK.call(buyer, prompt="word " * 2_000, ttl="7200s", headers=simulate(output=10))
    made = node.ask("cache", **call).worked()
    assert made["listed"] == [made["name"]]
    usage = made["usage"]
    assert usage["cachedContentTokenCount"] == 2_500
    asked = usage["promptTokenCount"] - 2_500
    buyer.charged(
        Charge("gemini", SDK.model, nano_usd(SDK.model, input=2_500, storage=5_000), 2_500, 0),
        Charge(
            "gemini",
            SDK.model,
            nano_usd(SDK.model, input=asked, cached=2_500, output=10),
            2_500 + asked,
            10,
        ),
    )
    call = SDK.call(Buyer.mint(gateway), name=made["name"])
    node.ask("cached", **call).failed("ApiError", 404)


def test_batches(node: Node, buyer: Buyer, gateway: Installation) -> None:
    """A batch has its answers when it has ended, costs half, and is its key's alone."""
    call = SDK.call(buyer, headers=simulate(input=1_000, output=20))
    batch = node.ask("batch", **call).worked()
    (answer,) = batch["dest"]["inlinedResponses"]
    assert answer["response"]["usageMetadata"]["candidatesTokenCount"] == 20
    call = SDK.call(Buyer.mint(gateway), name=batch["name"])
    node.ask("batched", **call).failed("ApiError", 404)
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    cost = nano_usd(SDK.model, times="0.5", input=1_000, output=20)
    buyer.charged(Charge("gemini", SDK.model, cost, 1_000, 20))


def test_videos(programs: Programs, buyer: Buyer, tmp_path: Path) -> None:
    """A video is begun, followed and downloaded by the SDK, and costs its seconds."""
    config = {"numberOfVideos": 2, "durationSeconds": 4, "resolution": "720p"}
    path = tmp_path / "hen.mp4"
    call = BEFORE.call(buyer, model=VEO, prompt="A hen", config=config, path=str(path))
    name = programs(*BEFORE.program).ask("video", **call).worked()
    assert name.startswith(f"models/{VEO}/operations/")
    assert path.read_bytes() == VIDEO
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    buyer.charged(Charge("gemini", VEO, 2 * 4 * 400_000_000, 0, 0))
