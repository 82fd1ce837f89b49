"""The event stream of ``POST /v1/messages``, from ``message_start`` to ``message_stop``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Kind
from mintgate_simulator.reply import argument_deltas, text_deltas

from . import wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .messages import Plan

THINKING_DELTA_CHARACTERS = 16


def message_events(plan: Plan) -> Iterator[tuple[Kind, bytes]]:
    """All events of a message."""
    message = plan.message([])
    if plan.usage_stated:
        message["usage"] = plan.usage.at_start()
    yield Kind.PRELUDE, wire.event("message_start", message=message)
    yield Kind.PRELUDE, wire.PING
    for index, block in enumerate(plan.blocks()):
        yield (
            Kind.PRELUDE,
            wire.event("content_block_start", index=index, content_block=_opened(block)),
        )
        for kind, delta in _deltas(plan, block):
            yield kind, wire.event("content_block_delta", index=index, delta=delta)
        yield Kind.PRELUDE, wire.event("content_block_stop", index=index)
    usage = {"usage": plan.usage.at_end()} if plan.usage_stated else {}
    delta = {"stop_reason": plan.stop_reason, "stop_sequence": None}
    yield Kind.CLOSING, wire.event("message_delta", delta=delta, **usage)
    yield Kind.CLOSING, wire.event("message_stop")


def _opened(block: dict[str, Any]) -> dict[str, Any]:
    """The block as it is when it starts: without what its deltas will bring."""
    empty: dict[str, Any] = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {name: empty.get(name, value) for name, value in block.items()}


def _deltas(plan: Plan, block: dict[str, Any]) -> Iterator[tuple[Kind, dict[str, Any]]]:
    kind = block["type"]
    if kind == "text":
        for text in text_deltas(plan.reply, plan.chunks):
            yield Kind.CONTENT, {"type": "text_delta", "text": text}
    elif kind == "tool_use":
        # The provider always begins with an empty piece.
        yield Kind.PRELUDE, {"type": "input_json_delta", "partial_json": ""}
        for part in argument_deltas(plan.reply, plan.chunks):
            yield Kind.CONTENT, {"type": "input_json_delta", "partial_json": part}
    elif kind == "thinking":
        for text in _pieces(block["thinking"]):
            yield Kind.CONTENT, {"type": "thinking_delta", "thinking": text}
        yield Kind.PRELUDE, {"type": "signature_delta", "signature": block["signature"]}
    elif kind == "server_tool_use":
        text = orjson.dumps(block["input"]).decode()
        yield Kind.PRELUDE, {"type": "input_json_delta", "partial_json": text}


def _pieces(text: str) -> Sequence[str]:
    size = THINKING_DELTA_CHARACTERS
    return [text[at : at + size] for at in range(0, len(text), size)]
