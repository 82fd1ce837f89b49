"""The x-simulate header."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate_simulator.control import (
    DEFAULT_CONTROLS,
    OUTPUT_TOKENS_MAX,
    Controls,
    Fault,
    parse,
)
from mintgate_simulator.refusal import Refusal

if TYPE_CHECKING:
    from tests.simulator.conftest import Simulator


def test_every_form_is_understood() -> None:
    """Names are case-insensitive; spaces and empty parts do not matter."""
    controls = parse(" Output=5;TOOL ; break=reset;break_after=3;usage=none;; model=a/b ")

    assert controls == Controls(
        output=5, tool=True, fault=Fault.RESET, break_after=3, usage=False, model="a/b"
    )


def test_empty_header_is_the_default() -> None:
    """A header without a control asks for nothing."""
    assert parse("") == DEFAULT_CONTROLS


@pytest.mark.parametrize(
    "header",
    [
        "outputs=1",
        "output",
        "output=",
        "output=-1",
        "output=1.5",
        "output=many",
        f"output={OUTPUT_TOKENS_MAX + 1}",
        "output=²",
        "tool=yes",
        "break=explode",
        "break",
        "usage=some",
        "status=200",
        "chunks=0",
        "split=0",
        "tier=",
    ],
)
def test_what_is_not_understood_is_refused(header: str) -> None:
    """An unknown name or a bad value is a 400 that says where."""
    with pytest.raises(Refusal) as raised:
        parse(header)

    assert raised.value.status == 400
    assert raised.value.message.startswith("x-simulate: ")


@given(st.text(max_size=40))
def test_any_text_parses_or_is_refused(header: str) -> None:
    """No header makes the parser fail in another way."""
    try:
        parse(header)
    except Refusal as refusal:
        status = refusal.status
    else:
        status = 400

    assert status == 400


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/openai/v1/chat/completions", ["error", "message"]),
        ("/anthropic/v1/messages", ["error", "message"]),
        ("/gemini/v1beta/models/m:generateContent", ["error", "message"]),
    ],
)
def test_unknown_control_is_a_native_error(sim: Simulator, path: str, message: list[str]) -> None:
    """A typing error in a test's header shows as the provider's own 400."""
    answer = sim.post(path, {}, "outptu=5")

    error = answer.json()
    for key in message:
        error = error[key]
    assert answer.status_code == 400
    assert error == "x-simulate: unknown control 'outptu'"
