"""``POST /v1/messages`` and its free token count: reading the request, building the message."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mintgate_simulator.answer import Stream
from mintgate_simulator.reply import Reply, plan_reply, thought_summary
from mintgate_simulator.tally import claimed
from mintgate_simulator.tokens import count_prompt
from mintgate_simulator.tools import ToolCall, make_call

from . import check, wire
from .stream import message_events
from .usage import Usage, usage_of

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

SIGNATURE = "c2ltdWxhdGVkIHNpZ25hdHVyZQ=="


@dataclass(frozen=True, slots=True)
class Plan:
    """One message before it is written as a whole or as a stream.

    ``thinking`` is the configuration when thinking is on; ``usage_stated`` is false when usage is
    to be left out.
    """

    number: int
    model: str
    reply: Reply
    thinking: dict[str, Any] | None
    usage: Usage
    usage_stated: bool
    chunks: int | None

    @property
    def stop_reason(self) -> str:
        """Why the model stopped."""
        if self.reply.cut:
            return "max_tokens"
        return "end_turn" if self.reply.call is None else "tool_use"

    def blocks(self) -> list[dict[str, Any]]:
        """The finished content blocks: thinking, searches, then the text or the tool call."""
        blocks: list[dict[str, Any]] = []
        if self.thinking is not None and self.reply.reasoning:
            omitted = self.thinking.get("display") == "omitted"
            summary = "" if omitted else thought_summary(self.reply)
            blocks.append({"type": "thinking", "thinking": summary, "signature": SIGNATURE})
        for search in range(self.usage.searches):
            blocks.extend(self._search_blocks(search))
        call = self.reply.call
        if call is not None:
            # Arguments that do not fit the limit are no JSON; the provider then states none.
            values = {} if self.reply.cut else call.values
            tool_id = f"toolu_{self.number:024x}"
            blocks.append({"type": "tool_use", "id": tool_id, "name": call.name, "input": values})
        elif self.reply.tokens:
            blocks.append({"type": "text", "text": self.reply.text})
        return blocks

    def message(self, blocks: list[dict[str, Any]]) -> dict[str, Any]:
        """The message object around the blocks, as it is before it has stopped."""
        return {
            "id": f"msg_{self.number:024x}",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": blocks,
            "stop_reason": None,
            "stop_sequence": None,
        }

    def _search_blocks(self, search: int) -> list[dict[str, Any]]:
        tool_id = f"srvtoolu_{self.number:020x}{search:04x}"
        result = {
            "type": "web_search_result",
            "title": f"Simulated result {search + 1}",
            "url": f"https://search.invalid/{search + 1}",
            "encrypted_content": SIGNATURE,
            "page_age": None,
        }
        query = {"query": f"simulated query {search + 1}"}
        use = {"type": "server_tool_use", "id": tool_id, "name": "web_search", "input": query}
        return [
            use,
            {"type": "web_search_tool_result", "tool_use_id": tool_id, "content": [result]},
        ]


def create(request: Request, *, input_at_start: bool = True, visible_limit: bool = False) -> Answer:
    """The answer to a messages request; see ``AnthropicTwin`` for what vendors do otherwise."""
    body = check.body_of(request)
    controls = request.controls
    model = check.text(body, "model")
    limit = check.max_tokens_of(body)
    messages = check.messages_of(body)
    tools = check.objects(body, "tools")
    thinking = check.thinking_of(body, limit)
    call = _call(body, tools, messages, asked=controls.tool)
    if visible_limit:
        limit += controls.reasoning or 0
    reply = plan_reply(controls, limit=limit, call=call, thinking=thinking is not None)
    plan = Plan(
        number=request.number,
        model=controls.model or model,
        reply=reply,
        thinking=thinking,
        usage=usage_of(
            controls,
            body,
            count_prompt(body.get("system"), messages, tools),
            reply,
            input_at_start=input_at_start,
        ),
        usage_stated=controls.usage,
        chunks=controls.chunks,
    )
    if not check.flag(body, "stream"):
        message = plan.message(plan.blocks())
        message["stop_reason"] = plan.stop_reason
        if plan.usage_stated:
            message["usage"] = plan.usage.whole()
        return wire.whole(request, message)
    return Stream(
        headers=wire.headers(request, b"text/event-stream; charset=utf-8"),
        events=message_events(plan),
        failure=partial(wire.stream_failure, request),
        ping=wire.PING,
        crlf_allowed=True,
    )


def count_tokens(request: Request) -> Answer:
    """``POST /v1/messages/count_tokens``."""
    body = check.body_of(request)
    check.text(body, "model")
    messages = check.messages_of(body)
    prompt = count_prompt(body.get("system"), messages, check.objects(body, "tools"))
    return wire.whole(request, {"input_tokens": claimed(request.controls, prompt)})


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
        tool["name"]: tool.get("input_schema")
        for tool in tools
        if tool.get("type", "custom") == "custom" and isinstance(tool.get("name"), str)
    }
    how = check.mapping(body, "tool_choice")
    kind = how.get("type", "auto")
    if not functions or kind == "none":
        return None
    name = next(iter(functions))
    if kind == "tool":
        name = how["name"] if how.get("name") in functions else name
    elif kind != "any" and not (asked and not _ends_in_result(messages)):
        return None
    return make_call(name, functions[name])


def _ends_in_result(messages: list[dict[str, Any]]) -> bool:
    content = messages[-1]["content"]
    return isinstance(content, list) and any(
        isinstance(part, dict) and part.get("type") == "tool_result" for part in content
    )
