"""Meters of Gemini's answers that are one JSON document."""

from __future__ import annotations

from typing import Any

from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE, SettledBy
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS

from mintgate_facade.dialects.base import Ask, Reading
from mintgate_facade.dialects.counted import text_bytes, tokens_in, within_limit
from mintgate_facade.dialects.gemini.usage import (
    grounding_fees,
    read_usage,
    search_queries,
    tier_variant,
)
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.split import Units, add


def answer_meter(ask: Ask) -> JsonMeter:
    """Make the meter of one generation, or of embeddings, which state no usage."""

    def exact(document: Document) -> Reading | None:
        usage = read_usage(document.get("usageMetadata"), ask)
        if usage is None:
            return None
        units, thoughts = usage
        reading = _reading(ask, document, units, SETTLED_BY_USAGE)
        reading.reasoning_tokens = thoughts
        return reading

    def counted(document: Document | None, size_bytes: int) -> Reading:
        written = size_bytes if document is None else text_bytes(document.get("candidates"))
        units: Units = {
            UNIT_INPUT_TOKENS: ask.delivered_input_tokens,
            UNIT_OUTPUT_TOKENS: within_limit(ask, tokens_in(written)),
        }
        return _reading(ask, document or {}, units, SETTLED_BY_COUNTED)

    return JsonMeter(exact, counted)


def _reading(ask: Ask, document: Document, units: Units, basis: SettledBy.ValueType) -> Reading:
    candidates: Any = document.get("candidates")
    queries = sum(
        search_queries(candidate)
        for candidate in (candidates if isinstance(candidates, list) else ())
        if isinstance(candidate, dict)
    )
    units = add(dict(units), grounding_fees(queries, ask.model))
    return Reading(
        units={unit: number for unit, number in units.items() if number},
        basis=basis,
        variants=tier_variant(document.get("usageMetadata")),
        model=str(document.get("modelVersion") or ""),
        provider_request_id=str(document.get("responseId") or ""),
    )
