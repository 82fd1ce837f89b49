"""The event stream of ``POST /v1/responses``: named, numbered events and no ``[DONE]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Kind
from mintgate_simulator.reply import argument_deltas, text_deltas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .responses import Plan


class EventWriter:
    """Numbers the events of one stream."""

    def __init__(self) -> None:
        self._next = 0

    def event(self, name: str, **fields: Any) -> bytes:
        """One event, with its name on the event line and inside the data."""
        data = orjson.dumps({"type": name, "sequence_number": self._next, **fields})
        self._next += 1
        return b"event: %b\ndata: %b\n\n" % (name.encode(), data)

    def failure(self) -> bytes:
        """The error event in the place, and with the number, of the event made last."""
        self._next = max(0, self._next - 1)
        message = "The server had an error while processing your request."
        return self.event("error", code="server_error", message=message, param=None)


def response_events(plan: Plan, writer: EventWriter) -> Iterator[tuple[Kind, bytes]]:
    """All events of a response, from ``response.created`` to its terminal event."""
    opening = plan.response("in_progress", [])
    yield Kind.PRELUDE, writer.event("response.created", response=opening)
    yield Kind.PRELUDE, writer.event("response.in_progress", response=opening)
    items = plan.items()
    for index, item in enumerate(items):
        opened = {**item, "status": "in_progress"}
        if item["type"] == "reasoning":
            opened = item
        elif item["type"] == "message":
            opened["content"] = []
        elif item["type"] == "function_call":
            opened["arguments"] = ""
        yield (
            Kind.PRELUDE,
            writer.event("response.output_item.added", output_index=index, item=opened),
        )
        if item["type"] == "message":
            yield from _message_events(plan, writer, index, item)
        elif item["type"] == "function_call":
            yield from _call_events(plan, writer, index, item)
        elif item["type"] == "web_search_call":
            for step in ("in_progress", "searching", "completed"):
                name = f"response.web_search_call.{step}"
                yield Kind.PRELUDE, writer.event(name, output_index=index, item_id=item["id"])
        yield Kind.PRELUDE, writer.event("response.output_item.done", output_index=index, item=item)
    status = plan.final_status
    final = plan.response(status, items, done=True)
    yield Kind.CLOSING, writer.event(f"response.{status}", response=final)


def _message_events(
    plan: Plan, writer: EventWriter, index: int, item: dict[str, Any]
) -> Iterator[tuple[Kind, bytes]]:
    part = item["content"][0]
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    opened = {**part, "text": ""}
    yield Kind.PRELUDE, writer.event("response.content_part.added", **place, part=opened)
    for text in text_deltas(plan.reply, plan.chunks):
        yield (
            Kind.CONTENT,
            writer.event("response.output_text.delta", **place, delta=text, logprobs=[]),
        )
    yield (
        Kind.PRELUDE,
        writer.event("response.output_text.done", **place, text=part["text"], logprobs=[]),
    )
    yield Kind.PRELUDE, writer.event("response.content_part.done", **place, part=part)


def _call_events(
    plan: Plan, writer: EventWriter, index: int, item: dict[str, Any]
) -> Iterator[tuple[Kind, bytes]]:
    place = {"item_id": item["id"], "output_index": index}
    for part in argument_deltas(plan.reply, plan.chunks):
        yield (
            Kind.CONTENT,
            writer.event("response.function_call_arguments.delta", **place, delta=part),
        )
    yield (
        Kind.PRELUDE,
        writer.event(
            "response.function_call_arguments.done",
            **place,
            arguments=item["arguments"],
        ),
    )
