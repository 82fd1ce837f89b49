"""``POST /v1/responses`` and its free token count: reading the request, building the object."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from mintgate_simulator.answer import Stream
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.reply import Reply, plan_reply
from mintgate_simulator.request import CREATED_AT_S
from mintgate_simulator.tokens import PromptTokens, count_prompt
from mintgate_simulator.tools import ToolCall, make_call

from . import check, wire
from .responses_stream import EventWriter, response_events
from .usage import usage_of

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

    from .quirks import Quirks

LIMIT_TOKENS_MIN = 16
"""The smallest ``max_output_tokens`` the provider takes."""

# Request fields that the response object repeats, with the value it states when they are absent.
_REPEATED: dict[str, Any] = {
    "conversation": None,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One response before it is written as a whole or as a stream."""

    number: int
    fields: dict[str, Any]
    reply: Reply
    searches: int
    chunks: int | None
    usage: dict[str, Any] | None
    background: bool = False

    def items(self) -> list[dict[str, Any]]:
        """The finished output items, in the order they are made."""
        items: list[dict[str, Any]] = []
        if self.reply.reasoning:
            items.append({"id": self._id("rs", 0), "type": "reasoning", "summary": []})
        for search in range(self.searches):
            query = f"simulated query {search + 1}"
            items.append(
                {
                    "id": self._id("ws", search),
                    "type": "web_search_call",
                    "status": "completed",
                    "action": {"type": "search", "query": query, "queries": [query]},
                }
            )
        status = "incomplete" if self.reply.cut else "completed"
        call = self.reply.call
        if call is not None:
            items.append(
                {
                    "id": self._id("fc", 0),
                    "type": "function_call",
                    "status": status,
                    "call_id": self._id("call", 0),
                    "name": call.name,
                    "arguments": self.reply.arguments,
                }
            )
        elif self.reply.tokens or not self.reply.cut:
            # A limit that was used up by reasoning leaves no message at all.
            part = {
                "type": "output_text",
                "text": self.reply.text,
                "annotations": [],
                "logprobs": [],
            }
            items.append(
                {
                    "id": self._id("msg", 0),
                    "type": "message",
                    "status": status,
                    "role": "assistant",
                    "content": [part],
                }
            )
        return items

    def response(
        self, status: str, items: list[dict[str, Any]], *, done: bool = False
    ) -> dict[str, Any]:
        """The response object; usage and tool usage are stated once it is done."""
        body = {
            "id": self._id("resp", 0),
            "object": "response",
            "created_at": CREATED_AT_S,
            "status": status,
            "background": self.background,
            "error": None,
            "incomplete_details": None,
            **self.fields,
            "output": items,
            "usage": None,
        }
        if status == "incomplete":
            body["incomplete_details"] = {"reason": "max_output_tokens"}
        if done:
            body["completed_at"] = CREATED_AT_S
            body["tool_usage"] = _tool_usage(self.searches)
            if self.usage is None:
                del body["usage"]
            else:
                body["usage"] = self.usage
        return body

    @property
    def final_status(self) -> str:
        """How the response ends."""
        return "incomplete" if self.reply.cut else "completed"

    def _id(self, prefix: str, index: int) -> str:
        return f"{prefix}_{self.number:028x}{index:04x}"


def create(request: Request, quirks: Quirks) -> Answer:
    """The answer to a Responses request."""
    body = check.body_of(request)
    if check.flag(body, "background"):
        raise Refusal(
            400,
            "Background mode is not supported with this model.",
            param="background",
            code="unsupported_parameter",
        )
    planned = plan(request, quirks, body)
    if not check.flag(body, "stream"):
        response = planned.response(planned.final_status, planned.items(), done=True)
        return wire.whole(request, response, account=quirks.headers)
    return streamed(request, quirks, planned)


def streamed(request: Request, quirks: Quirks, planned: Plan, after: int = -1) -> Stream:
    """A response as a stream, from the event after a numbered one."""
    writer = EventWriter()
    return Stream(
        headers=wire.headers(request, b"text/event-stream; charset=utf-8", quirks.headers),
        events=islice(response_events(planned, writer), after + 1, None),
        failure=writer.failure,
        ping=wire.PING,
        crlf_allowed=True,
    )


def count_tokens(request: Request, quirks: Quirks) -> Answer:
    """``POST /v1/responses/input_tokens``: the input of a request that is not made."""
    body = check.body_of(request)
    count = _prompt(body).total if request.controls.input is None else request.controls.input
    counted = {"object": "response.input_tokens", "input_tokens": count}
    return wire.whole(request, counted, account=quirks.headers)


def compact(request: Request, quirks: Quirks) -> Answer:
    """``POST /v1/responses/compact``: what the user said, and all the rest sealed in one item."""
    body = check.body_of(request)
    planned = plan(request, quirks, {**body, "input": body.get("input") or []})
    given = body.get("input")
    items = given if isinstance(given, list) else []
    messages = [message(item) for item in items if item.get("role") == "user"]
    sealed = b64encode(planned.reply.text.encode()).decode()
    item = {"id": f"cmp_{request.number:032x}", "type": "compaction", "encrypted_content": sealed}
    document = {
        "id": f"resp_{request.number:032x}",
        "object": "response.compaction",
        "created_at": CREATED_AT_S,
        "output": [*messages, item],
        "usage": planned.usage,
    }
    if planned.usage is None:
        del document["usage"]
    return wire.whole(request, document, account=quirks.headers)


def message(item: dict[str, Any]) -> dict[str, Any]:
    """An item as the provider tells it again, where it was a message in short."""
    content = item.get("content")
    if isinstance(content, str):
        content = [{"type": "input_text", "text": content}]
    told = {"type": "message", "status": "completed", **item}
    return told if content is None else {**told, "content": content}


def plan(request: Request, quirks: Quirks, body: dict[str, Any]) -> Plan:
    """Read a request and decide its answer."""
    controls = request.controls
    model = check.required(body, "model")
    if not isinstance(model, str):
        raise check.wrong_type("model", "a string", model)
    if not isinstance(check.required(body, "input"), str):
        check.objects(body, "input")
    limit = check.whole_number(body, "max_output_tokens", smallest=LIMIT_TOKENS_MIN)
    reply = plan_reply(controls, limit=limit, call=_call(body, asked=controls.tool))
    usage = usage_of(controls, _prompt(body), output=reply.output, reasoning=reply.reasoning)
    fields = {name: body.get(name, absent) for name, absent in _REPEATED.items()}
    fields["model"] = controls.model or model
    fields["service_tier"] = check.resolved_tier(body, controls.tier)
    return Plan(
        number=request.number,
        fields=fields,
        reply=reply,
        searches=controls.searches,
        chunks=controls.chunks,
        usage=quirks.response_usage(usage, controls, model) if controls.usage else None,
        background=check.flag(body, "background"),
    )


def _prompt(body: dict[str, Any]) -> PromptTokens:
    return count_prompt(
        body.get("input"), body.get("instructions"), body.get("tools"), body.get("text")
    )


def _call(body: dict[str, Any], *, asked: bool) -> ToolCall | None:
    """The function call to answer with; the rule is that of chat completions."""
    functions = {
        tool["name"]: tool.get("parameters")
        for tool in check.objects(body, "tools")
        if tool.get("type") == "function" and isinstance(tool.get("name"), str)
    }
    how = body.get("tool_choice", "auto")
    if not functions or how == "none":
        return None
    name = next(iter(functions))
    if isinstance(how, dict):
        name = how["name"] if how.get("name") in functions else name
    elif how != "required":
        given = body["input"]
        last = given[-1] if isinstance(given, list) and given else {}
        if not asked or last.get("type") == "function_call_output":
            return None
    return make_call(name, functions[name])


def _tool_usage(searches: int) -> dict[str, Any]:
    none = {"image_tokens": 0, "text_tokens": 0}
    return {
        "image_gen": {
            "input_tokens": 0,
            "input_tokens_details": none,
            "output_tokens": 0,
            "output_tokens_details": none,
            "total_tokens": 0,
        },
        "web_search": {"num_requests": searches},
    }
