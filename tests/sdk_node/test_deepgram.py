"""The unmodified Deepgram SDK in Node: an upload, speech, and every refusal."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from mintgate import RateLimits
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_INPUT_AUDIO_MS,
    UNIT_INPUT_CHARACTERS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
)
from mintgate_simulator import sounds

from tests.buyer import Buyer
from tests.harness import Installation
from tests.sdk_node.conftest import Programs
from tests.sdk_node.node import Node
from tests.sdk_python.media import completed, nano_usd
from tests.upstream import Upstream, simulate

TEXT = "Whatever is written here is going to be spoken. " * 3
NOVA_3 = "0.0043"
"""USD a minute."""
AURA_2 = "0.030"
"""USD for a thousand characters."""
MODELS = {"transcribe": "nova-3", "speak": "aura-2-thalia-en", "read": ""}


@pytest.fixture
def node(programs: Programs) -> Node:
    return programs("deepgram.mjs")


def call(buyer: Buyer, case: str, **changed: Any) -> dict[str, Any]:
    """What one case is asked with: eight seconds, or a text."""
    return {
        "base": f"{buyer.gateway.url}/deepgram",
        "secret": buyer.secret,
        "model": MODELS[case],
        "prompt": TEXT,
        "file": base64.b64encode(sounds.wav(8)).decode(),
    } | changed


def heard(buyer: Buyer) -> None:
    """The eight seconds were charged, once."""
    cost = nano_usd(NOVA_3, 8_000, 60_000)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 8_000}, cost, SETTLED_BY_USAGE)


def test_transcript(node: Node, buyer: Buyer) -> None:
    """A transcript costs the length of the recording that it states."""
    answer = node.ask("transcribe", **call(buyer, "transcribe"))
    assert answer.worked().startswith("word")
    assert answer.requests == 1
    heard(buyer)


def test_speech(node: Node, buyer: Buyer, upstream: Upstream) -> None:
    """Speech arrives as it was sent, and costs the characters that its headers state."""
    answer = node.ask("speak", **call(buyer, "speak"))
    assert base64.b64decode(answer.worked()) == upstream.answer()
    assert answer.requests == 1
    cost = nano_usd(AURA_2, len(TEXT), 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(TEXT)}, cost, SETTLED_BY_USAGE)


def test_what_a_text_is_about(node: Node, buyer: Buyer) -> None:
    """A summary costs the tokens that it states."""
    assert node.ask("read", **call(buyer, "read")).worked()
    # Four characters a token; a summary of the simulator's has forty.
    units: dict[int, int] = {UNIT_INPUT_TOKENS: -(-len(TEXT) // 4), UNIT_OUTPUT_TOKENS: 40}
    cost = units[UNIT_INPUT_TOKENS] * 300 + units[UNIT_OUTPUT_TOKENS] * 600
    completed(buyer, units, cost, SETTLED_BY_USAGE, model="read")


@pytest.mark.parametrize("case", MODELS)
def test_unknown_key(node: Node, buyer: Buyer, upstream: Upstream, case: str) -> None:
    """A key that nobody minted is the SDK's own error, at once, and goes nowhere."""
    answer = node.ask(case, **call(buyer, case, secret="qlk_live_" + "0" * 64))
    error = answer.failed("DeepgramError", 401)
    assert error.body["err_code"] == "INVALID_AUTH"
    assert answer.requests == 1
    assert upstream.requests() == []


@pytest.mark.parametrize("case", MODELS)
def test_cap(node: Node, gateway: Installation, upstream: Upstream, case: str) -> None:
    """Over the cap is a 402 that the SDK does not repeat; nothing was forwarded."""
    poor = Buyer.mint(gateway, "0.000010")
    answer = node.ask(case, **call(poor, case))
    error = answer.failed("DeepgramError", 402)
    assert error.body["err_code"] == "ASR_PAYMENT_REQUIRED"
    assert answer.requests == 1
    assert upstream.requests() == []
    poor.untouched()


def test_rate_limit(node: Node, gateway: Installation, upstream: Upstream) -> None:
    """The second request of one a minute is a 429, and is not held."""
    limited = Buyer.mint(gateway, rate_limits=RateLimits(requests_per_minute=1))
    node.ask("transcribe", **call(limited, "transcribe")).worked()
    answer = node.ask("transcribe", **call(limited, "transcribe", retries=0))
    error = answer.failed("DeepgramError", 429)
    assert error.body["err_code"] == "TOO_MANY_REQUESTS"
    assert upstream.count == 1
    heard(limited)


@pytest.mark.parametrize("case", MODELS)
@pytest.mark.parametrize("status", [429, 500])
def test_provider_fails(node: Node, buyer: Buyer, status: int, case: str) -> None:
    """The provider's failure is the SDK's own error, and the hold is given back."""
    answer = node.ask(case, **call(buyer, case, headers=simulate(status=status), retries=0))
    answer.failed("DeepgramError", status)
    assert answer.requests == 1
    buyer.untouched()


def test_broken_speech(node: Node, buyer: Buyer) -> None:
    """Speech that breaks off throws; the text was spoken, and is charged."""
    headers = simulate(break_="reset", break_after=1)
    answer = node.ask("speak", **call(buyer, "speak", headers=headers, retries=0))
    assert answer.error is not None
    assert answer.requests == 1
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert [(u.unit, u.count) for u in event.units] == [(UNIT_INPUT_CHARACTERS, len(TEXT))]
    assert event.charged_nano_usd == nano_usd(AURA_2, len(TEXT), 1_000)


def test_the_account_is_denied(node: Node, buyer: Buyer, upstream: Upstream) -> None:
    """The operator's projects are not shown."""
    answer = node.ask("projects", **call(buyer, "read"))
    answer.failed("DeepgramError", 403)
    assert upstream.requests() == []
