"""``:generateContent``, ``:streamGenerateContent`` and the free ``:countTokens``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mintgate_simulator.answer import Stream
from mintgate_simulator.pictures import PNG_BASE64
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.reply import Reply, plan_reply, thought_summary
from mintgate_simulator.tally import claimed, tally_input
from mintgate_simulator.tokens import count_prompt
from mintgate_simulator.tools import ToolCall, make_call

from . import check, wire
from .stream import chunks
from .usage import Usage

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.control import Controls
    from mintgate_simulator.request import Request

CANDIDATES_MAX = 8
IMAGE_TOKENS = 1_290
"""Tokens of one generated image, as gemini-2.5-flash-image counts them."""
URL_CONTEXT_TOKENS = 50
"""Tokens that fetching a page adds to the prompt of a request with the URL context tool."""
_FIELDS = frozenset(
    {
        "cached_content", "contents", "generation_config", "labels", "model", "model_armor_config",
        "safety_settings", "service_tier", "store", "system_instruction", "tool_config", "tools",
    }
)  # fmt: skip
_COUNT_FIELDS = frozenset({"contents", "generate_content_request", "model"})
_TIERS = {"": None, "unspecified": None, "standard": "standard"}


@dataclass(frozen=True, slots=True)
class Plan:
    """One answer before it is written as a whole or as a stream.

    ``grounding`` belongs to the first candidate; ``usage`` is ``None`` when it is left out.
    """

    response_id: str
    model: str
    candidates: int
    reply: Reply
    thoughts_shown: bool
    image: bool
    grounding: dict[str, Any] | None
    usage: Usage
    usage_stated: bool
    chunks: int | None

    @property
    def finish_reason(self) -> str:
        """Why the model stopped."""
        return "MAX_TOKENS" if self.reply.cut else "STOP"

    def response(
        self, candidates: list[dict[str, Any]], usage: dict[str, Any] | None
    ) -> dict[str, Any]:
        """The response object around the candidates."""
        body: dict[str, Any] = {"candidates": candidates}
        if usage is not None and self.usage_stated:
            body["usageMetadata"] = usage
        body["modelVersion"] = self.model
        body["responseId"] = self.response_id
        return body

    def closing(self, candidate: dict[str, Any], index: int) -> dict[str, Any]:
        """The candidate with what is only known at its end."""
        candidate["finishReason"] = self.finish_reason
        if self.grounding is not None and index == 0:
            candidate["groundingMetadata"] = self.grounding
        return candidate

    def thought_part(self) -> dict[str, Any]:
        """The summary of the thinking, as a part marked as a thought."""
        return {"text": thought_summary(self.reply), "thought": True}

    def call_part(self) -> dict[str, Any] | None:
        """The function call; none when its arguments do not fit the limit."""
        call = self.reply.call
        if call is None or self.reply.cut:
            return None
        return {"functionCall": {"name": call.name, "args": call.values}}

    def image_part(self) -> dict[str, Any] | None:
        """The generated image, if one was asked for."""
        if not self.image:
            return None
        return {"inlineData": {"mimeType": "image/png", "data": PNG_BASE64}}


def generate(request: Request, model: str) -> Answer:
    """The answer to ``:generateContent``."""
    plan = _plan(request, model)
    parts: list[dict[str, Any]] = []
    if plan.thoughts_shown:
        parts.append(plan.thought_part())
    if plan.reply.call is None and plan.reply.tokens:
        parts.append({"text": plan.reply.text})
    parts += [part for part in (plan.call_part(), plan.image_part()) if part is not None]
    content: dict[str, Any] = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    candidates = [
        plan.closing({"content": content, "index": index}, index)
        for index in range(plan.candidates)
    ]
    return wire.whole(plan.response(candidates, plan.usage.whole()))


def stream(request: Request, model: str) -> Answer:
    """The answer to ``:streamGenerateContent``: events with ``alt=sse``, else a JSON array."""
    plan = _plan(request, model)
    framing: wire.Framing = wire.ArrayFraming()
    if request.query_value("alt") == "sse":
        framing = wire.EventFraming()
    return Stream(headers=framing.headers(), events=chunks(plan, framing), failure=framing.failure)


def count_tokens(request: Request, _model: str) -> Answer:
    """The answer to ``:countTokens``: contents alone, or a whole request."""
    body = check.body_of(request, _COUNT_FIELDS)
    inner = check.mapping(body, "generate_content_request") or body
    contents = check.contents_of(inner, "CountTokensRequest")
    prompt = count_prompt(contents, inner.get("system_instruction"), inner.get("tools"))
    total = claimed(request.controls, prompt)
    details = [{"modality": "TEXT", "tokenCount": total}]
    return wire.whole({"totalTokens": total, "promptTokensDetails": details})


def _plan(request: Request, model: str) -> Plan:
    body = check.body_of(request, _FIELDS)
    controls = request.controls
    contents = check.contents_of(body, "GenerateContentRequest")
    tools = check.objects(body, "tools")
    config = check.mapping(body, "generation_config")
    candidates = check.whole_number(config, "candidate_count", smallest=1, largest=CANDIDATES_MAX)
    limit = check.whole_number(config, "max_output_tokens", smallest=1)
    thinking = check.mapping(config, "thinking_config")
    modalities = config.get("response_modalities")
    image = isinstance(modalities, list) and "IMAGE" in modalities
    reply = plan_reply(
        controls,
        limit=limit,
        call=_call(body, tools, contents, asked=controls.tool),
        thinking=bool(thinking) and thinking.get("thinking_budget") != 0,
    )
    count = candidates or 1
    image_output = count * IMAGE_TOKENS if image else 0
    made = count * reply.tokens + image_output
    usage = Usage(
        input=tally_input(
            controls, count_prompt(contents, body.get("system_instruction"), body.get("tools"))
        ),
        tool_use=URL_CONTEXT_TOKENS if any("url_context" in tool for tool in tools) else 0,
        thoughts=count * reply.reasoning,
        candidates=made,
        audio_output=min(controls.audio_output, made - image_output),
        image_output=image_output,
        tier=_tier(body, controls),
    )
    return Plan(
        response_id=f"sim{request.number:024x}",
        model=controls.model or model,
        candidates=count,
        reply=reply,
        thoughts_shown=bool(thinking.get("include_thoughts")) and reply.reasoning > 0,
        image=image,
        grounding=_grounding(controls.searches) if controls.searches else None,
        usage=usage,
        usage_stated=controls.usage,
        chunks=controls.chunks,
    )


def _tier(body: dict[str, Any], controls: Controls) -> str | None:
    """The tier of the answer; not stated when the request states none."""
    stated = body.get("service_tier") or ""
    if not isinstance(stated, str):
        raise Refusal(400, "Invalid value at 'service_tier'")
    stated = stated.lower().removeprefix("service_tier_")
    return controls.tier or _TIERS.get(stated, stated)


def _call(
    body: dict[str, Any],
    tools: list[dict[str, Any]],
    contents: list[dict[str, Any]],
    *,
    asked: bool,
) -> ToolCall | None:
    """The function call to answer with, if any.

    A call is made when the request forces one, or when the controls ask for one and the
    conversation does not already end in a function's response: so an agent's loop ends.
    """
    functions = {
        function["name"]: function.get("parameters_json_schema") or function.get("parameters")
        for tool in tools
        for function in check.objects(tool, "function_declarations")
        if isinstance(function.get("name"), str)
    }
    calling = check.mapping(check.mapping(body, "tool_config"), "function_calling_config")
    mode = calling.get("mode", "AUTO")
    if not functions or mode == "NONE":
        return None
    allowed = calling.get("allowed_function_names") or list(functions)
    name = next((name for name in allowed if name in functions), next(iter(functions)))
    answered = any(
        "functionResponse" in part or "function_response" in part
        for part in contents[-1]["parts"]
        if isinstance(part, dict)
    )
    if mode != "ANY" and not (asked and not answered):
        return None
    return make_call(name, functions[name])


def _grounding(searches: int) -> dict[str, Any]:
    return {
        "webSearchQueries": [f"simulated query {search + 1}" for search in range(searches)],
        "groundingChunks": [
            {"web": {"uri": "https://search.invalid/1", "title": "Simulated result"}}
        ],
    }
