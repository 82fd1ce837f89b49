"""Meters of DashScope's answers that are one JSON document."""

from __future__ import annotations

from typing import Any

from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE, SettledBy
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS

from mintgate_facade.dialects.base import Ask, Reading
from mintgate_facade.dialects.counted import text_bytes, tokens_in, within_limit
from mintgate_facade.dialects.dashscope.failed import failed_status
from mintgate_facade.dialects.dashscope.thinking import OFF
from mintgate_facade.dialects.dashscope.usage import read_input_total, read_usage
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.pieces import most_of, read_pieces
from mintgate_facade.dialects.split import Units, count, fields


def generation_meter(ask: Ask) -> JsonMeter:
    """Make the meter of a generated answer."""

    def exact(document: Document) -> Reading | None:
        usage = read_usage(document.get("usage"))
        if usage is None:
            return None
        units, reasoning = usage
        thought = bool(reasoning) or has_thought(fields(document.get("output")))
        return _reading(ask, document, units, SETTLED_BY_USAGE, reasoning, thought=thought)

    def counted(document: Document | None, size_bytes: int) -> Reading:
        output = None if document is None else fields(document.get("output"))
        written = size_bytes if output is None else text_bytes(output)
        units: Units = {
            UNIT_INPUT_TOKENS: ask.delivered_input_tokens,
            UNIT_OUTPUT_TOKENS: within_limit(ask, tokens_in(written)),
        }
        thought = output is None or has_thought(output)
        return _reading(ask, document or {}, units, SETTLED_BY_COUNTED, thought=thought)

    return JsonMeter(exact, counted, failed_status)


def vector_meter(ask: Ask) -> JsonMeter:
    """Make the meter of embeddings or a ranking."""

    def exact(document: Document) -> Reading | None:
        units = read_input_total(document.get("usage"))
        if units is None:
            return None
        return _reading(ask, document, units, SETTLED_BY_USAGE, thought=True)

    def counted(document: Document | None, _size_bytes: int) -> Reading:
        units: Units = {UNIT_INPUT_TOKENS: ask.delivered_input_tokens}
        return _reading(ask, document or {}, units, SETTLED_BY_COUNTED, thought=True)

    return JsonMeter(exact, counted, failed_status)


def piece_meter(ask: Ask, name: str) -> JsonMeter:
    """Make the meter of speech or pictures, whose usage states how many in the field `name`."""

    def exact(document: Document) -> Reading | None:
        units = read_pieces_used(ask, document.get("usage"), name)
        return None if units is None else read_pieces(ask, units)

    def counted(_document: Document | None, _size_bytes: int) -> Reading:
        return ask.counted or read_pieces(ask, most_of(ask), SETTLED_BY_COUNTED)

    return JsonMeter(exact, counted, failed_status)


def read_pieces_used(ask: Ask, stated: Any, name: str) -> Units | None:
    """Read how many pieces an answer says that it used; none when it does not say."""
    used = fields(stated).get(name)
    (unit,) = most_of(ask)
    return None if used is None else {unit: count(used)}


def has_thought(output: dict[str, Any]) -> bool:
    """Whether an output shows reasoning."""
    choices = output.get("choices")
    if not isinstance(choices, list):
        return False
    messages = (fields(fields(choice).get("message")) for choice in choices)
    return any(message.get("reasoning_content") for message in messages)


def _reading(
    ask: Ask,
    document: Document,
    units: Units,
    basis: SettledBy.ValueType,
    reasoning: int = 0,
    *,
    thought: bool,
) -> Reading:
    return Reading(
        units={unit: number for unit, number in units.items() if number},
        basis=basis,
        variants=() if thought else (OFF,),
        model=ask.model,
        provider_request_id=str(document.get("request_id") or ""),
        reasoning_tokens=reasoning,
    )
