"""Usage objects and errors of vendors that several of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator import sounds
from mintgate_simulator.openai import wire

if TYPE_CHECKING:
    from mintgate_simulator.control import Controls
    from mintgate_simulator.openai.usage import Usage
    from mintgate_simulator.refusal import Refusal
    from mintgate_simulator.request import Request


SECONDS_PER_CHARACTER = 0.06


def speech_of(text: str) -> bytes:
    """An MP3 that is as long as the text takes to say."""
    return sounds.mp3(len(text) * SECONDS_PER_CHARACTER)


def plain_usage(usage: Usage, controls: Controls, model: str) -> dict[str, Any]:  # noqa: ARG001
    """Totals, the cached part of the input and the reasoning part of the output."""
    return {
        "prompt_tokens": usage.input.total,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.total + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.input.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def flat_error(request: Request, refusal: Refusal) -> dict[str, Any]:  # noqa: ARG001
    """Message, type, param and code at the top of the body."""
    nested = wire.error_body(
        refusal.status, refusal.message, param=refusal.param, code=refusal.code
    )
    error: dict[str, Any] = nested["error"]
    return error


def characters_of(text: str) -> int:
    """The characters that MiniMax bills: one beyond ASCII counts as two."""
    return sum(1 if character.isascii() else 2 for character in text)
