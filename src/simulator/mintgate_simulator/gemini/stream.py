"""The chunks of ``:streamGenerateContent``: each one a whole response with cumulative usage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator.answer import Kind
from mintgate_simulator.reply import text_deltas
from mintgate_simulator.tokens import tokens_of, utf8_length

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .generate import Plan
    from .wire import Framing


def chunks(plan: Plan, framing: Framing) -> Iterator[tuple[Kind, bytes]]:
    """All chunks; the last one states the finish reason and the final usage."""
    usage = plan.usage
    everyone = range(plan.candidates)
    if plan.thoughts_shown:
        part = plan.thought_part()
        for index in everyone:
            yield (
                Kind.CONTENT,
                framing.frame(plan.response([_candidate(part, index)], usage.so_far(0))),
            )
    if plan.reply.call is None:
        made_bytes = 0
        for text in text_deltas(plan.reply, plan.chunks):
            made_bytes += utf8_length(text)
            so_far = usage.so_far(plan.candidates * tokens_of(made_bytes))
            for index in everyone:
                candidate = _candidate({"text": text}, index)
                yield Kind.CONTENT, framing.frame(plan.response([candidate], so_far))
    for whole_part in (plan.call_part(), plan.image_part()):
        if whole_part is not None:
            for index in everyone:
                candidate = _candidate(whole_part, index)
                so_far = usage.so_far(usage.candidates)
                yield Kind.CONTENT, framing.frame(plan.response([candidate], so_far))
    closing = [plan.closing(_candidate({"text": ""}, index), index) for index in everyone]
    yield Kind.CLOSING, framing.frame(plan.response(closing, usage.whole())) + framing.end()


def _candidate(part: dict[str, Any], index: int) -> dict[str, Any]:
    return {"content": {"parts": [part], "role": "model"}, "index": index}
