"""``POST /v1/chat/completions``: JSON and server-sent events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mintgate_simulator.answer import Kind, Stream
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.reply import Reply, argument_deltas, plan_reply, text_deltas
from mintgate_simulator.request import CREATED_AT_S
from mintgate_simulator.tokens import count_prompt
from mintgate_simulator.tools import ToolCall, make_call

from . import check, wire
from .ending import Ending
from .usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mintgate_simulator.answer import Answer
    from mintgate_simulator.control import Controls
    from mintgate_simulator.request import Request

    from .quirks import Quirks

CHOICES_MAX = 128


@dataclass(frozen=True, slots=True)
class _Completion:
    """One completion, before it is written as a whole or as a stream.

    ``usage`` is ``None`` when it is left out; ``ending`` is how a stream tells it.
    """

    number: int
    model: str
    tier: str
    choices: int
    reply: Reply
    chunks: int | None
    usage: dict[str, Any] | None
    ending: Ending

    @property
    def finish_reason(self) -> str:
        if self.reply.cut:
            return "length"
        return "stop" if self.reply.call is None else "tool_calls"

    def call_id(self, choice: int) -> str:
        return f"call_{self.number:020x}{choice:04x}"

    def base(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.number:024x}",
            "object": kind,
            "created": CREATED_AT_S,
            "model": self.model,
            "service_tier": self.tier,
            "system_fingerprint": wire.FINGERPRINT,
        }


def create(request: Request, quirks: Quirks) -> Answer:
    """The answer to a chat completion request."""
    body = check.body_of(request)
    check.required(body, "messages")
    messages = check.objects(body, "messages")
    if not messages:
        raise Refusal(
            400,
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
            param="messages",
            code="empty_array",
        )
    return _answer(request, quirks, body, messages)


def create_from_prompt(request: Request, quirks: Quirks) -> Answer:
    """The answer to a prompt and its suffix, in the shape of a chat's."""
    body = check.body_of(request)
    prompt = [check.required(body, "prompt"), body.get("suffix") or ""]
    return _answer(request, quirks, body, [{"role": "user", "content": prompt}])


def _answer(
    request: Request, quirks: Quirks, body: dict[str, Any], messages: list[dict[str, Any]]
) -> Answer:
    check.no_unknown(body, quirks.unknown_fields)
    controls = request.controls
    model = check.model_of(body)
    tools = check.objects(body, "tools")
    stream = check.flag(body, "stream")
    choices = check.whole_number(body, "n", smallest=1, largest=CHOICES_MAX) or 1
    call = _call(body, tools, messages, asked=controls.tool)
    reply = plan_reply(controls, limit=_limit(body, quirks, controls), call=call)
    prompt = count_prompt(messages, tools, body.get("functions"), body.get("response_format"))
    usage = usage_of(
        controls, prompt, output=choices * reply.output, reasoning=choices * reply.reasoning
    )
    stated = quirks.usage(usage, controls, model) if controls.usage else None
    completion = _Completion(
        number=request.number,
        model=controls.model or model,
        tier=check.resolved_tier(body, controls.tier),
        choices=choices,
        reply=reply,
        chunks=controls.chunks,
        usage=stated,
        ending=Ending(
            quirks.usage_place,
            stated,
            asked=usage_asked(body, stream=stream),
            extras=quirks.extras(controls),
        ),
    )
    if not stream:
        return wire.whole(request, _whole(completion), account=quirks.headers)
    return Stream(
        headers=wire.headers(request, b"text/event-stream; charset=utf-8", quirks.headers),
        events=_events(completion),
        failure=quirks.stream_error,
        ping=wire.PING,
        crlf_allowed=True,
    )


def usage_asked(body: dict[str, Any], *, stream: bool) -> bool:
    """Whether the stream shall end with a chunk of usage."""
    options = check.mapping(body, "stream_options")
    if body.get("stream_options") is not None and not stream:
        raise Refusal(
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )
    return check.flag(options, "include_usage")


def _limit(body: dict[str, Any], quirks: Quirks, controls: Controls) -> int | None:
    """The output limit, hidden tokens included; ``max_tokens`` is its deprecated name."""
    limit = check.whole_number(body, "max_completion_tokens", smallest=1)
    deprecated = check.whole_number(body, "max_tokens", smallest=1)
    if limit is not None and deprecated is not None:
        raise Refusal(
            400,
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            param="max_tokens",
            code="invalid_parameter_combination",
        )
    limit = deprecated if limit is None else limit
    if limit is not None and quirks.visible_limit:
        limit += controls.reasoning or 0
    return limit


def _call(
    body: dict[str, Any],
    tools: list[dict[str, Any]],
    messages: list[dict[str, Any]],
    *,
    asked: bool,
) -> ToolCall | None:
    """The tool call to answer with, if any.

    A call is made when the request forces one, or when the controls ask for one and the
    conversation does not already end in a tool's result: so an agent's loop ends.
    """
    functions = {
        function["name"]: function.get("parameters")
        for tool in tools
        if isinstance(function := tool.get("function"), dict)
        and isinstance(function.get("name"), str)
    }
    how = body.get("tool_choice", "auto")
    if not functions or how == "none":
        return None
    name = next(iter(functions))
    if isinstance(how, dict):
        chosen = how.get("function")
        chosen_name = chosen.get("name") if isinstance(chosen, dict) else None
        name = chosen_name if chosen_name in functions else name
    elif how != "required" and not (asked and messages[-1].get("role") != "tool"):
        return None
    return make_call(name, functions[name])


def _whole(completion: _Completion) -> dict[str, Any]:
    reply = completion.reply
    choices = []
    for index in range(completion.choices):
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        if reply.call is None:
            message["content"] = reply.text
            message["annotations"] = []
        else:
            function = {"name": reply.call.name, "arguments": reply.arguments}
            message["tool_calls"] = [
                {"id": completion.call_id(index), "type": "function", "function": function}
            ]
        choices.append(
            {
                "index": index,
                "message": message,
                "logprobs": None,
                "finish_reason": completion.finish_reason,
            }
        )
    body = {**completion.base("chat.completion"), "choices": choices}
    if completion.usage is not None:
        body["usage"] = completion.usage
    return {**body, **completion.ending.extras}


def _events(completion: _Completion) -> Iterator[tuple[Kind, bytes]]:
    base = completion.base("chat.completion.chunk")
    ending = completion.ending
    tail = ending.placeholder

    def chunk(index: int, delta: dict[str, Any]) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        return wire.sse({**base, "choices": [choice], **tail})

    indexes = range(completion.choices)
    for index in indexes:
        yield Kind.PRELUDE, chunk(index, _opening(completion, index))
    if completion.reply.call is None:
        for text in text_deltas(completion.reply, completion.chunks):
            for index in indexes:
                yield Kind.CONTENT, chunk(index, {"content": text})
    else:
        for part in argument_deltas(completion.reply, completion.chunks):
            delta = {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}
            for index in indexes:
                yield Kind.CONTENT, chunk(index, delta)
    for index in indexes:
        choice = {
            "index": index,
            "delta": {},
            "logprobs": None,
            "finish_reason": completion.finish_reason,
        }
        last = index == completion.choices - 1
        yield Kind.CLOSING, wire.sse(ending.finish(base, choice, last=last))
    alone = ending.alone(base)
    if alone is not None:
        yield Kind.CLOSING, wire.sse(alone)
    yield Kind.CLOSING, wire.DONE


def _opening(completion: _Completion, index: int) -> dict[str, Any]:
    """The first delta of a choice: who speaks, and which function is about to be called."""
    call = completion.reply.call
    if call is None:
        return {"role": "assistant", "content": "", "refusal": None}
    tool_call = {
        "index": 0,
        "id": completion.call_id(index),
        "type": "function",
        "function": {"name": call.name, "arguments": ""},
    }
    return {"role": "assistant", "content": None, "tool_calls": [tool_call]}
