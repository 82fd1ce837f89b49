"""The unmodified ElevenLabs SDK in Node: speech, an upload, and every refusal."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from mintgate import RateLimits
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_INPUT_CHARACTERS
from mintgate_simulator.elevenlabs.voices import CLONE_OF_THE_OPERATOR

from tests.buyer import Buyer
from tests.harness import Installation
from tests.http_facade.uploads.sounds import silence
from tests.sdk_node.conftest import Programs
from tests.sdk_node.node import Node
from tests.sdk_python.media import completed, nano_usd
from tests.upstream import Upstream, simulate

TEXT = "Čtyřicet dva znaků, and a few more. " * 4
MULTILINGUAL = "0.10"
"""USD for a thousand characters."""
SCRIBE = "0.22"
"""USD an hour."""


@pytest.fixture
def node(programs: Programs) -> Node:
    return programs("elevenlabs.mjs")


def call(buyer: Buyer, **changed: Any) -> dict[str, Any]:
    """What one case is asked with."""
    return {
        "base": f"{buyer.gateway.url}/elevenlabs",
        "secret": buyer.secret,
        "model": "eleven_multilingual_v2",
        "voice": "JBFqnCBsd6RMkjVDRZzb",
        "prompt": TEXT,
    } | changed


def recording(buyer: Buyer, seconds: int) -> dict[str, Any]:
    """What an upload is asked with."""
    file = base64.b64encode(silence("wav", seconds)).decode()
    return call(buyer, model="scribe_v2", name="a.wav", file=file)


def spoken(buyer: Buyer) -> None:
    """The text was charged, once."""
    cost = nano_usd(MULTILINGUAL, len(TEXT), 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(TEXT)}, cost, SETTLED_BY_USAGE)


@pytest.mark.parametrize("case", ["plain", "stream"])
def test_speech(node: Node, buyer: Buyer, upstream: Upstream, case: str) -> None:
    """Speech arrives whole, by one request, and is charged by its credits."""
    answer = node.ask(case, **call(buyer))
    assert answer.worked() == len(upstream.answer()) > 0
    assert answer.requests == 1
    spoken(buyer)


def test_speech_with_timestamps(node: Node, buyer: Buyer) -> None:
    """Documents, a line each, that spell the text."""
    answer = node.ask("timestamps", **call(buyer))
    answer.worked()
    assert answer.said == TEXT
    spoken(buyer)


def test_transcript(node: Node, buyer: Buyer) -> None:
    """A transcript costs the length of the recording that it states."""
    assert node.ask("transcribe", **recording(buyer, 6)).worked().startswith("word")
    cost = nano_usd(SCRIBE, 6_000, 3_600_000)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 6_000}, cost, SETTLED_BY_USAGE)


def test_a_clone(node: Node, buyer: Buyer) -> None:
    """A voice is cloned for nothing, spoken with, listed and deleted."""
    file = base64.b64encode(silence("wav", 1)).decode()
    made = node.ask("clone", **call(buyer, file=file, name="a.wav")).worked()
    assert made["found"] == [made["voiceId"]]
    spoken(buyer)


def test_a_voice_of_nobody(node: Node, buyer: Buyer) -> None:
    """A premade voice is there for everybody; what the operator has cloned is for nobody."""
    assert node.ask("voice", **call(buyer)).worked() == "George"
    for case in ("voice", "plain"):
        answer = node.ask(case, **call(buyer, voice=CLONE_OF_THE_OPERATOR, retries=0))
        answer.failed("ElevenLabsError", 404)
    buyer.untouched()


def test_unknown_key(node: Node, buyer: Buyer, upstream: Upstream) -> None:
    """A key that nobody minted is the SDK's own error, at once, and goes nowhere."""
    answer = node.ask("plain", **call(buyer, secret="qlk_live_" + "0" * 64))
    error = answer.failed("ElevenLabsError", 401)
    assert error.body["detail"]["status"] == "invalid_api_key"
    assert answer.requests == 1
    assert upstream.requests() == []


@pytest.mark.parametrize("case", ["plain", "stream", "timestamps", "transcribe"])
def test_cap(node: Node, gateway: Installation, upstream: Upstream, case: str) -> None:
    """Over the cap is a 402 that the SDK does not repeat; nothing was forwarded."""
    poor = Buyer.mint(gateway, "0.0001")
    asked = recording(poor, 60) if case == "transcribe" else call(poor)
    answer = node.ask(case, **asked)
    error = answer.failed("ElevenLabsError", 402)
    assert error.body["detail"]["status"] == "quota_exceeded"
    assert answer.requests == 1
    assert upstream.requests() == []
    poor.untouched()


def test_rate_limit(node: Node, gateway: Installation, upstream: Upstream) -> None:
    """The second request of one a minute is a 429, and is not held."""
    limited = Buyer.mint(gateway, rate_limits=RateLimits(requests_per_minute=1))
    node.ask("plain", **call(limited)).worked()
    error = node.ask("plain", **call(limited, retries=0)).failed("ElevenLabsError", 429)
    assert error.body["detail"]["status"] == "too_many_concurrent_requests"
    assert upstream.count == 1
    spoken(limited)


@pytest.mark.parametrize("case", ["plain", "stream"])
@pytest.mark.parametrize("status", [429, 500])
def test_provider_fails(node: Node, buyer: Buyer, status: int, case: str) -> None:
    """The provider's failure is the SDK's own error, and the hold is given back."""
    answer = node.ask(case, **call(buyer, headers=simulate(status=status), retries=0))
    answer.failed("ElevenLabsError", status)
    assert answer.requests == 1
    buyer.untouched()


def test_broken_stream(node: Node, buyer: Buyer) -> None:
    """Speech that breaks off throws; the text was spoken, and is charged."""
    headers = simulate(break_="reset", break_after=1)
    answer = node.ask("stream", **call(buyer, headers=headers, retries=0))
    assert answer.error is not None
    assert answer.requests == 1
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert [(u.unit, u.count) for u in event.units] == [(UNIT_INPUT_CHARACTERS, len(TEXT))]
    assert event.charged_nano_usd == nano_usd(MULTILINGUAL, len(TEXT), 1_000)
