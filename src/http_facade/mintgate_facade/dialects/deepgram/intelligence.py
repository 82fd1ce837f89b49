"""Bounds and reads the tokens of summaries, topics, intents and sentiment."""

from __future__ import annotations

from typing import Any

from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS

from mintgate_facade.dialects.split import Units, add, count, fields

PROMPT_TOKENS = 1_024
"""Hidden instructions of one feature: a guess, since none is documented."""
OUTPUT_TOKENS = 1_024
"""What one feature writes beside what it repeats of the text."""

_INFOS = ("summary_info", "topics_info", "intents_info", "sentiment_info")


def tokens_bound(features: int, text_tokens: int) -> tuple[int, int]:
    """Bound input and output of so many features over a text."""
    return (
        features * (text_tokens + PROMPT_TOKENS),
        features * (text_tokens + OUTPUT_TOKENS),
    )


def tokens_stated(metadata: dict[str, Any]) -> Units:
    """Sum the tokens that the metadata of an answer states; empty where there are none."""
    total: Units = {}
    for name in _INFOS:
        info = fields(metadata.get(name))
        add(total, {UNIT_INPUT_TOKENS: count(info.get("input_tokens"))})
        add(total, {UNIT_OUTPUT_TOKENS: count(info.get("output_tokens"))})
    return {unit: number for unit, number in total.items() if number}
