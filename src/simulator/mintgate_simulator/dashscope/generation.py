"""``/services/aigc/text-generation/generation``, and the same of requests with media.

A stream's events state the usage so far. Their text is the next piece with
``incremental_output``, else everything so far.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mintgate_simulator.answer import Kind, Stream
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.reply import Reply, plan_reply, text_deltas, thought_summary
from mintgate_simulator.tally import tally_input
from mintgate_simulator.tokens import count_prompt, tokens_of, utf8_length
from mintgate_simulator.tools import ToolCall, make_call

from . import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mintgate_simulator.answer import Answer
    from mintgate_simulator.control import Controls
    from mintgate_simulator.request import Request
    from mintgate_simulator.tally import InputTally

CHOICES_MAX = 4
OUTPUT_MAX = 131_072


@dataclass(frozen=True, slots=True)
class _Generation:
    """One answer, before it is written as a whole or as events."""

    request: Request
    reply: Reply
    choices: int
    input: InputTally
    parts: bool
    """Contents are lists of parts, as the multimodal route has them."""
    as_text: bool
    """The output is one text, as older clients ask for it."""
    incremental: bool

    def usage(self, output: int) -> dict[str, Any]:
        """The usage of an answer with so many tokens, reasoning included, in each choice."""
        if not self.request.controls.usage:
            return {}
        made = output * self.choices
        caches = {"cached_tokens": self.input.cached}
        if self.input.cache_write:
            caches["cache_creation_input_tokens"] = self.input.cache_write
        usage: dict[str, Any] = {
            "input_tokens": self.input.total,
            "output_tokens": made,
            "total_tokens": self.input.total + made,
            "prompt_tokens_details": caches,
        }
        if self.input.image:
            usage["image_tokens"] = self.input.image
        if self.reply.reasoning:
            reasoning = self.reply.reasoning * self.choices
            usage["output_tokens_details"] = {"reasoning_tokens": reasoning}
        return {"usage": usage}

    def output(self, text: str, thought: str, reason: str) -> dict[str, Any]:
        """The output with so much of the answer."""
        if self.as_text:
            return {"text": text, "finish_reason": reason}
        content: Any = [{"text": text}] if self.parts and text else text
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if self.reply.reasoning:
            message["reasoning_content"] = thought
        call = self.reply.call
        if call is not None and reason != "null":
            function = {"name": call.name, "arguments": self.reply.arguments}
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
        return {
            "choices": [
                {"index": index, "message": message, "finish_reason": reason}
                for index in range(self.choices)
            ]
        }

    @property
    def finish_reason(self) -> str:
        if self.reply.cut:
            return "length"
        return "stop" if self.reply.call is None else "tool_calls"


def generate(request: Request, *, parts: bool) -> Answer:
    """The answer to messages or a prompt."""
    _, inputs, parameters = wire.sections(request)
    prompt = inputs.get("messages") or inputs.get("prompt")
    if not prompt:
        raise Refusal(400, "Either 'prompt' or 'messages' must exist and cannot both be none")
    controls = request.controls
    if controls.base_resp:
        return _failure(request)
    generation = _Generation(
        request=request,
        reply=_plan(parameters, controls),
        choices=wire.whole_number(parameters, "n", CHOICES_MAX) or 1,
        input=tally_input(controls, count_prompt(prompt, parameters.get("tools"))),
        parts=parts,
        as_text=not parts and parameters.get("result_format", "text") == "text",
        incremental=parameters.get("incremental_output") is True,
    )
    if not wants_events(request):
        reply = generation.reply
        output = generation.output(reply.text, thought_summary(reply), generation.finish_reason)
        return wire.whole(request, {"output": output, **generation.usage(reply.output)})
    return Stream(
        headers=wire.headers(request, b"text/event-stream;charset=UTF-8"),
        events=_events(generation),
        failure=wire.stream_failure,
    )


def wants_events(request: Request) -> bool:
    """Whether the header asks for a stream."""
    return request.header(b"x-dashscope-sse") == "enable"


def _plan(parameters: dict[str, Any], controls: Controls) -> Reply:
    """The reply: the limit holds the answer alone, the budget the reasoning."""
    limit = wire.whole_number(parameters, "max_tokens", OUTPUT_MAX)
    budget = wire.whole_number(parameters, "thinking_budget", OUTPUT_MAX)
    reasoning = controls.reasoning or 0
    if budget is not None:
        reasoning = min(reasoning, budget)
    return plan_reply(
        replace(controls, reasoning=reasoning),
        limit=None if limit is None else limit + reasoning,
        call=_call(parameters) if controls.tool else None,
    )


def _call(parameters: dict[str, Any]) -> ToolCall | None:
    for tool in parameters.get("tools") or ():
        function = tool.get("function")
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            return make_call(function["name"], function.get("parameters"))
    return None


def _events(generation: _Generation) -> Iterator[tuple[Kind, bytes]]:
    reply = generation.reply
    number = 0

    def event(text: str, thought: str, output: int, reason: str = "null") -> bytes:
        document = {
            "output": generation.output(text, thought, reason),
            **generation.usage(output),
            "request_id": wire.request_id(generation.request),
        }
        return wire.event(number, document)

    thought = thought_summary(reply)
    if thought:
        number += 1
        yield Kind.PRELUDE, event("", thought, reply.reasoning)
    shown = "" if generation.incremental else thought
    so_far = ""
    for piece in text_deltas(reply, generation.request.controls.chunks):
        so_far += piece
        number += 1
        written = min(tokens_of(utf8_length(so_far)), reply.tokens)
        text = piece if generation.incremental else so_far
        yield Kind.CONTENT, event(text, shown, reply.reasoning + written)
    number += 1
    last = "" if generation.incremental else so_far
    yield Kind.CLOSING, event(last, shown, reply.output, generation.finish_reason)


def _failure(request: Request) -> Answer:
    """A failure whose status is 200 all the same."""
    if not wants_events(request):
        return wire.whole(request, wire.failed(request))
    return Stream(
        headers=wire.headers(request, b"text/event-stream;charset=UTF-8"),
        events=iter([(Kind.CLOSING, wire.error_event(request.controls.base_resp, request))]),
        failure=wire.stream_failure,
    )
