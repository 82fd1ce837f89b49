"""The unmodified OpenAI SDK in Node: tools, uploads, speech, files, conversations, models."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_INPUT_CHARACTERS
from mintgate_simulator import sounds

from tests.buyer import Buyer
from tests.harness import Installation
from tests.sdk_node.conftest import Programs
from tests.sdk_node.node import Node
from tests.sdk_node.sdks import SDKS
from tests.sdk_python.media import completed, nano_usd
from tests.upstream import Upstream, simulate

(SDK,) = [sdk for sdk in SDKS if sdk.name == "openai-chat"]
NOTES = b"What was said."
WHISPER = "0.006"
"""USD a minute."""


@pytest.fixture
def node(programs: Programs) -> Node:
    return programs(*SDK.program)


def upload(name: str, content: bytes) -> dict[str, Any]:
    """A file, as the program takes it."""
    return {"name": name, "file": base64.b64encode(content).decode()}


@pytest.mark.parametrize("stream", [False, True])
def test_tools(node: Node, buyer: Buyer, *, stream: bool) -> None:
    """The SDK runs a function by itself; both turns are charged."""
    headers = simulate(tool=True, input=1_000, output=20)
    answer = node.ask("tools", **SDK.call(buyer, stream=stream, headers=headers))
    assert answer.worked() == ["user", "assistant", "tool", "assistant"]
    assert answer.said.startswith("Hello from the simulator")
    assert answer.requests == 2
    buyer.charged(SDK.charge(1_000, 20), SDK.charge(1_000, 20))


def test_retries(node: Node, buyer: Buyer, upstream: Upstream) -> None:
    """What may be repeated is repeated by the SDK, and each attempt is given back."""
    answer = node.ask("plain", **SDK.call(buyer, retries=1, headers=simulate(status=500)))
    answer.failed("InternalServerError", 500)
    assert answer.requests == 2
    assert upstream.count == 2
    buyer.untouched()


def test_transcription(node: Node, buyer: Buyer) -> None:
    """An upload is measured by its length, and charged by it."""
    call = SDK.call(buyer, model="whisper-1", **upload("a.wav", sounds.wav(8)))
    assert node.ask("transcribe", **call).worked().startswith("word")
    cost = nano_usd(WHISPER, 8_000, 60_000)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 8_000}, cost, SETTLED_BY_USAGE)


def test_an_upload_over_the_cap(node: Node, gateway: Installation, upstream: Upstream) -> None:
    """A recording that the cap does not cover is a 402, once, and is not forwarded."""
    poor = Buyer.mint(gateway, "0.0001")
    call = SDK.call(poor, model="whisper-1", **upload("a.wav", sounds.wav(60)))
    answer = node.ask("transcribe", **call)
    answer.failed("APIError", 402)
    assert answer.requests == 1
    assert upstream.requests() == []
    poor.untouched()


def test_what_is_not_audio(node: Node, buyer: Buyer) -> None:
    """A file that cannot be measured is a bad request that names it."""
    call = SDK.call(buyer, model="whisper-1", **upload("a.mp3", b"this is no sound" * 99))
    error = node.ask("transcribe", **call).failed("BadRequestError", 400)
    assert error.body["param"] == "file"
    buyer.untouched()


def test_speech(node: Node, buyer: Buyer, upstream: Upstream) -> None:
    """Speech arrives as it was sent, and is charged by the characters of its text."""
    text = "A sentence of forty-three letters, or so. "
    answer = node.ask("speak", **SDK.call(buyer, model="tts-1", prompt=text))
    assert base64.b64decode(answer.worked()) == upstream.answer()
    cost = nano_usd("15", len(text), 1_000_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(text)}, cost, SETTLED_BY_COUNTED)


def test_files(node: Node, buyer: Buyer, gateway: Installation) -> None:
    """A key stores, reads and lists its file, which is not there for another key."""
    stored = node.ask("files", **SDK.call(buyer, **upload("notes.txt", NOTES))).worked()
    assert stored["content"] == NOTES.decode()
    assert stored["listed"] == [stored["made"]]
    other = Buyer.mint(gateway)
    answer = node.ask("content", **SDK.call(other, id=stored["made"]))
    answer.failed("NotFoundError", 404)


def test_conversations(node: Node, buyer: Buyer, gateway: Installation) -> None:
    """A conversation is read, billed and extended by its key's answers; to another it is a 404."""
    asked = SDK.call(buyer, before="x" * 400, prompt="y" * 40, headers=simulate(output=10))
    made = node.ask("converse", **asked).worked()
    assert made["roles"] == ["user", "user", "assistant"]
    assert made["read"] == 110
    buyer.charged(SDK.charge(110, 10))
    other = Buyer.mint(gateway)
    for case in ("conversation", "goOn"):
        node.ask(case, **SDK.call(other, id=made["made"])).failed("NotFoundError", 404)
    other.untouched()


def test_uploads_in_parts(node: Node, buyer: Buyer, gateway: Installation) -> None:
    """A file that comes in parts is its key's, as one that comes whole."""
    stored = node.ask("parts", **SDK.call(buyer, **upload("notes.txt", NOTES))).worked()
    assert stored["content"] == NOTES.decode()
    other = Buyer.mint(gateway)
    node.ask("content", **SDK.call(other, id=stored["made"])).failed("NotFoundError", 404)
    buyer.untouched()


def test_models(node: Node, buyer: Buyer, upstream: Upstream) -> None:
    """The models are listed from the prices, without asking the provider."""
    assert SDK.model in node.ask("models", **SDK.call(buyer)).worked()
    assert upstream.requests() == []
