"""OpenAI's usage objects (openai/types/completion_usage.py, response_usage.py).

Cached and cache-written tokens lie inside the input, reasoning inside the output; modalities
partition each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mintgate_simulator.tally import InputTally, tally_input

if TYPE_CHECKING:
    from mintgate_simulator.control import Controls
    from mintgate_simulator.tokens import PromptTokens


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer used; ``output`` includes ``reasoning``."""

    input: InputTally
    output: int
    reasoning: int
    audio_output: int


def usage_of(controls: Controls, prompt: PromptTokens, *, output: int, reasoning: int) -> Usage:
    """Usage of an answer with that many output tokens, hidden ones included."""
    return Usage(
        input=tally_input(controls, prompt),
        output=output,
        reasoning=reasoning,
        audio_output=min(controls.audio_output, output),
    )


def completion_usage(usage: Usage) -> dict[str, Any]:
    """Usage as chat and legacy completions state it."""
    return {
        "prompt_tokens": usage.input.total,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.total + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.input.cached,
            "cache_write_tokens": usage.input.cache_write,
            "audio_tokens": usage.input.audio,
            "image_tokens": usage.input.image,
            "text_tokens": usage.input.text,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
            "text_tokens": usage.output - usage.audio_output,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def response_usage(usage: Usage) -> dict[str, Any]:
    """Usage as the Responses API states it."""
    return {
        "input_tokens": usage.input.total,
        "input_tokens_details": {
            "cached_tokens": usage.input.cached,
            "cache_write_tokens": usage.input.cache_write,
            "cache_write_tokens_details": {
                "ttl_30m_tokens": usage.input.cache_write,
                "ttl_12h_tokens": 0,
            },
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input.total + usage.output,
    }
