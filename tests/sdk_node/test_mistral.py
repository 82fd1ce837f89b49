"""The unmodified Mistral SDK in Node: recordings and models."""

from __future__ import annotations

import base64

import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS
from mintgate_simulator import sounds

from tests.buyer import Buyer
from tests.sdk_node.conftest import Programs
from tests.sdk_node.node import Node
from tests.sdk_node.sdks import SDKS
from tests.sdk_python.media import completed, nano_usd

(SDK,) = [sdk for sdk in SDKS if sdk.name == "mistral"]
VOXTRAL = "0.18"
"""USD an hour."""


@pytest.fixture
def node(programs: Programs) -> Node:
    return programs(*SDK.program)


def test_transcription(node: Node, buyer: Buyer) -> None:
    """An upload is measured by its length, and charged by the seconds that are stated."""
    file = base64.b64encode(sounds.wav(8)).decode()
    call = SDK.call(buyer, model="voxtral-mini-2602", name="a.wav", file=file)
    assert node.ask("transcribe", **call).worked() == "Hello from the simulator"
    cost = nano_usd(VOXTRAL, 8_000, 3_600_000)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 8_000}, cost, SETTLED_BY_USAGE)


def test_models(node: Node, buyer: Buyer) -> None:
    """The list is the gateway's own, in a shape that the SDK can read."""
    assert SDK.model in node.ask("models", **SDK.call(buyer)).worked()
