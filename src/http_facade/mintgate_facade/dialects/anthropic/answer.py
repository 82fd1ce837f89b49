"""The meter of an Anthropic answer that is one JSON message."""

from __future__ import annotations

from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE, SettledBy
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
)

from mintgate_facade.dialects.anthropic.usage import MessageUsage
from mintgate_facade.dialects.base import Ask, Reading
from mintgate_facade.dialects.counted import text_bytes, tokens_in, within_limit
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.split import Units, fields


def answer_meter(ask: Ask, thoughtless: str = "") -> JsonMeter:
    """Make the meter of one message; see `Flavor.thoughtless`."""
    cached_1h = UNIT_CACHE_WRITE_1H_TOKENS in ask.bound.input_units

    def exact(document: Document) -> Reading | None:
        stated = document.get("usage")
        if not isinstance(stated, dict) or "output_tokens" not in stated:
            return None
        usage = MessageUsage(cached_1h=cached_1h)
        usage.merge(stated)
        reading = _reading(document, usage.units(), SETTLED_BY_USAGE)
        reading.variants = usage.variants()
        reading.reasoning_tokens = usage.reasoning_tokens
        if thoughtless and not usage.reasoning_tokens and not _shows_reasoning(document):
            reading.variants = (*reading.variants, thoughtless)
        return reading

    def counted(document: Document | None, size_bytes: int) -> Reading:
        written = size_bytes if document is None else text_bytes(document.get("content"))
        units: Units = {
            UNIT_INPUT_TOKENS: ask.delivered_input_tokens,
            UNIT_OUTPUT_TOKENS: within_limit(ask, tokens_in(written)),
        }
        return _reading(document or {}, units, SETTLED_BY_COUNTED)

    return JsonMeter(exact, counted)


def _reading(document: Document, units: Units, basis: SettledBy.ValueType) -> Reading:
    return Reading(
        units={unit: number for unit, number in units.items() if number},
        basis=basis,
        model=str(document.get("model") or ""),
        provider_request_id=str(document.get("id") or ""),
    )


def _shows_reasoning(document: Document) -> bool:
    blocks = document.get("content")
    listed = blocks if isinstance(blocks, list) else []
    return any(fields(block).get("type") == "thinking" for block in listed)
