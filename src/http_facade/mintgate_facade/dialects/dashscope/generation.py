"""Reads text and multimodal generation: `POST /services/aigc/*-generation/generation`.

Sources: dashscope 2.0.2, v2/protocols/native.py and aigc/generation.py.
"""

from __future__ import annotations

from mintgate.v1.ledger_pb2 import Bound
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_IMAGE_TOKENS,
    UNIT_INPUT_VIDEO_TOKENS,
)

from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import (
    OUTPUT_TOKENS_MAX,
    Fields,
    forbid,
    integer,
    mapping,
    model_name,
    refused,
)
from mintgate_facade.dialects.counted import delivered_input
from mintgate_facade.dialects.dashscope.content import Content
from mintgate_facade.dialects.dashscope.thinking import hold_reasoning
from mintgate_facade.dialects.openai.tools import HostedTools
from mintgate_facade.dialects.overheads import input_bound

CHOICES_MAX = 4
SSE_HEADER = "x-dashscope-sse"

_SEARCH = (
    "Web search is billed beside the tokens, without a limit that could be held beforehand. "
    "Search in your own code."
)
FORBIDDEN = {
    "enable_search": _SEARCH,
    "search_options": _SEARCH,
    "plugins": "Plugins run at the provider, without a limit on their cost.",
    "enable_code_interpreter": "Code that runs at the provider has no limit on its cost.",
    "audio": "What spoken answers cost is not known to this gateway. Ask for text.",
}
"""Fields of the native and of the OpenAI-compatible shape that are refused, and why."""
UNBOUNDED_MODELS = {
    "deep-research": "searches and thinks in as many passes as it likes",
    "qwen-long": "reads documents that are stored at the provider",
    "qwen-doc": "reads documents that are stored at the provider",
}


def read_generation(request: RequestView) -> Ask:
    """Bound a generation. Raises `RefusedRequest` for what cannot be bounded."""
    model = model_name(request.document)
    inputs, parameters = sections(request)
    refuse_unbounded(model, parameters)
    if not inputs.get("messages") and not inputs.get("prompt"):
        raise refused("'input' needs messages or a prompt.", "input.messages")
    content = Content()
    content.read_messages(inputs)
    tools = HostedTools()
    tools.read(parameters)
    if tools.searches:
        raise refused(_SEARCH, tools.search_param)
    tokens = input_bound(
        len(request.body),
        tools=tools.present,
        hosted=False,
        media_bytes=content.media_bytes,
        media_tokens=content.media_tokens,
    )
    units = [UNIT_CACHE_WRITE_5M_TOKENS]
    if content.images:
        units.append(UNIT_INPUT_IMAGE_TOKENS)
    if content.videos:
        units.append(UNIT_INPUT_VIDEO_TOKENS)
    bound = Bound(
        input_tokens=tokens,
        input_open=content.open,
        input_units=units,
        output_tokens=_limit(parameters),
        choices=integer(parameters, "n", 1, CHOICES_MAX, where="parameters") or 1,
    )
    hold_reasoning(bound, model, parameters, "parameters")
    text_size = len(request.body) - content.media_bytes
    return Ask(
        model=model,
        bound=bound,
        body=request.body,
        stream=is_stream(request),
        delivered_input_tokens=delivered_input(tokens, text_size, content.media_tokens),
    )


def sections(request: RequestView) -> tuple[Fields, Fields]:
    """The two objects that every request has: its input and its parameters."""
    inputs = mapping(request.document, "input")
    if inputs is None:
        raise refused("The request needs an 'input'.", "input")
    return inputs, mapping(request.document, "parameters") or {}


def is_stream(request: RequestView) -> bool:
    """Whether the answer shall be events; only headers say so."""
    asked = request.headers.get(SSE_HEADER, "").lower() == "enable"
    return asked or "text/event-stream" in request.headers.get("accept", "")


def refuse_unbounded(model: str, parameters: Fields) -> None:
    """Refuse what costs beside the tokens, or has no limit."""
    forbid(parameters, FORBIDDEN)
    for part, what in UNBOUNDED_MODELS.items():
        if part in model:
            raise refused(
                f"'{model}' {what}, at a cost that has no limit here. Use another model.", "model"
            )
    modalities = parameters.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        raise refused(FORBIDDEN["audio"], "modalities", "unsupported_parameter")


def _limit(parameters: Fields) -> int | None:
    """The larger of both limits, as nothing says which one wins."""
    stated = [
        limit
        for name in ("max_tokens", "max_completion_tokens")
        if (
            limit := integer(
                parameters, name, 1, OUTPUT_TOKENS_MAX, where="parameters", unit="tokens"
            )
        )
        is not None
    ]
    return max(stated, default=None)
