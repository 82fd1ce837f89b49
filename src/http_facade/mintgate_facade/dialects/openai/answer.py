"""Meters of OpenAI's answers that are one JSON document."""

from __future__ import annotations

from typing import Any

from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS

from mintgate_facade.dialects.base import Ask, Reading
from mintgate_facade.dialects.base_resp import refused_status
from mintgate_facade.dialects.counted import text_bytes, tokens_in, within_limit
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.openai import compaction
from mintgate_facade.dialects.openai.flavor import Flavor
from mintgate_facade.dialects.openai.usage import (
    keeps_long,
    read_usage,
    searched,
    tier_variant,
    web_searches,
    with_searches,
)
from mintgate_facade.dialects.split import Units, fields

_OUTPUT_OF = {
    "chat": "choices",
    "completions": "choices",
    "fim": "choices",
    "responses": "output",
}
"""Where a document keeps what the model wrote."""
_PICTURES = frozenset({"images", "image_edit"})
_SEALED = _PICTURES | {compaction.OPERATION}
"""Operations whose answer shows nothing that could be counted as what the model wrote."""


def answer_meter(operation: str, ask: Ask, flavor: Flavor, *, thoughtless: str = "") -> JsonMeter:
    """Make the meter of one operation's JSON answer.

    `thoughtless` is the variant of one that shows no reasoning, where there is one.
    """

    def exact(document: Document) -> Reading | None:
        usage = read_usage(
            document.get("usage"),
            image_output=operation in _PICTURES,
            states_cost=flavor.states_cost,
            kept_long=keeps_long(ask),
        )
        if usage is None:
            return None
        units, reasoning = usage
        if operation == "responses":
            units = with_searches(units, web_searches(document))
        reading = _reading(ask, document, units, SETTLED_BY_USAGE, reasoning)
        if operation == compaction.OPERATION and document.get("service_tier") is None:
            # Its answer has no field for the tier, so it was made at the one that was asked for.
            reading.variants = tuple(ask.bound.variants)
        if thoughtless and not reasoning and not _shows_reasoning(document):
            reading.variants = (*reading.variants, thoughtless)
        return reading

    def counted(document: Document | None, size_bytes: int) -> Reading:
        return _counted(operation, ask, document, size_bytes)

    return JsonMeter(exact, counted, refused_status if flavor.fails_within_200 else None)


def _counted(operation: str, ask: Ask, document: Document | None, size_bytes: int) -> Reading:
    if operation in _SEALED:
        # All of it was made before the first byte, and nothing else says at what cost.
        return Reading(basis=SETTLED_BY_HOLD)
    if document is None:
        written = size_bytes if operation in _OUTPUT_OF else 0
        document = {}
    else:
        written = text_bytes(document.get(_OUTPUT_OF.get(operation, ""), ""))
    units: Units = {
        UNIT_INPUT_TOKENS: ask.delivered_input_tokens,
        UNIT_OUTPUT_TOKENS: within_limit(ask, tokens_in(written)),
    }
    return _reading(ask, document, units, SETTLED_BY_COUNTED, 0)


def _reading(ask: Ask, document: Document, units: Units, basis: Any, reasoning: int) -> Reading:
    return Reading(
        units={unit: number for unit, number in units.items() if number},
        basis=basis,
        variants=(*tier_variant(document.get("service_tier")), *searched(ask)),
        model=str(document.get("model") or ""),
        provider_request_id=str(document.get("id") or ""),
        reasoning_tokens=reasoning,
    )


def _shows_reasoning(document: Document) -> bool:
    choices = document.get("choices")
    listed = choices if isinstance(choices, list) else []
    messages = (fields(fields(choice).get("message")) for choice in listed)
    return any(message.get("reasoning_content") for message in messages)
