"""Reads `POST /chat/completions` (openai/types/chat/completion_create_params.py)."""

from __future__ import annotations

from mintgate.v1.ledger_pb2 import Bound
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_IMAGE_TOKENS,
    UNIT_OUTPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_TOKENS,
    Unit,
)

from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import (
    OUTPUT_TOKENS_MAX,
    Fields,
    array,
    flag,
    forbid,
    integer,
    mapping,
    model_name,
    plain_names,
    refused,
    text,
)
from mintgate_facade.dialects.counted import delivered_input
from mintgate_facade.dialects.jsontext import set_member
from mintgate_facade.dialects.openai.content import Content
from mintgate_facade.dialects.openai.flavor import Flavor
from mintgate_facade.dialects.openai.tools import HostedTools
from mintgate_facade.dialects.overheads import input_bound

_FORBIDDEN = {
    "web_search_options": (
        "Web search in chat has no limit that could be held beforehand. Use the Responses API with "
        "the web_search tool and 'max_tool_calls'."
    ),
}
_SEARCH_MODELS = ("search-preview", "search-api")
"""Models that search on every request, for a fee that their usage does not show."""
_PLAIN_TIERS = frozenset({"auto", "default", "standard", "standard_only"})


def read_chat(request: RequestView, flavor: Flavor) -> Ask:
    """Bound a chat request. Raises `RefusedRequest` for what cannot be bounded."""
    document = request.document
    model = model_name(document)
    forbid(document, {**_FORBIDDEN, **flavor.forbidden})
    refuse_unbounded(model, flavor)
    if any(name in model for name in _SEARCH_MODELS):
        raise refused(
            f"'{model}' searches the web on every request, at a cost that has no limit here. Use "
            "the Responses API with the web_search tool and 'max_tool_calls'.",
            "model",
        )
    messages = array(document, "messages")
    if not messages:
        raise refused("'messages' must be a non-empty array.", "messages")
    content = Content(model, audio_tokens=flavor.audio_input, image_tokens=flavor.image_tokens)
    content.mark(document, "prompt_cache_options")
    content.read_messages(messages)
    tools = HostedTools()
    tools.read(document)
    if tools.searches:
        raise refused("Hosted web search works only with the Responses API.", tools.search_param)
    audio_out = "audio" in (array(document, "modalities") or ())
    has_tools = tools.present or bool(array(document, "functions"))
    limit = chat_output_limit(document)
    # No limit could be fitted into it.
    unlimited = limit is None and document.get("prediction") is not None
    has_prompt = any(document.get(name) for name in flavor.prompt_fields)
    tokens = input_bound(
        len(request.body),
        tools=has_tools or has_prompt,
        hosted=False,
        media_bytes=content.media_bytes,
        media_tokens=content.media_tokens,
    )
    bound = Bound(
        input_tokens=tokens,
        input_open=content.open,
        input_units=input_units(content, flavor),
        output_tokens=limit,
        output_open=output_is_open(model, flavor, has_tools=has_tools)
        or (unlimited and not flavor.limits_predictions),
        choices=integer(document, "n", 1, flavor.choices_max) or 1,
        output_units=[UNIT_OUTPUT_TOKENS, UNIT_OUTPUT_AUDIO_TOKENS] if audio_out else [],
        variants=tier_variants(document, flavor),
    )
    stream, body, hide = stream_and_usage(request, flavor)
    text_size = len(request.body) - content.media_bytes - content.audio_bytes
    return Ask(
        model=model,
        bound=bound,
        body=body,
        stream=stream,
        hide_usage=hide,
        uses=tuple(content.files),
        # Unlike a response, a chat is kept only where that is asked for.
        creates="chat_completion" if flavor.keeps_chats and flag(document, "store") else "",
        delivered_input_tokens=delivered_input(tokens, text_size, content.media_tokens),
    )


def chat_output_limit(document: Fields) -> int | None:
    """The larger of both limits when a request states two, as nothing says which one wins."""
    stated = [
        limit
        for name in ("max_completion_tokens", "max_tokens")
        if (limit := integer(document, name, 1, OUTPUT_TOKENS_MAX, unit="tokens")) is not None
    ]
    return max(stated, default=None)


def output_is_open(model: str, flavor: Flavor, *, has_tools: bool) -> bool:
    """Whether a stated limit leaves a part of the output without one."""
    plain = flavor.unreasoning.search(model) is not None and not has_tools
    return flavor.visible_limit and not plain


def refuse_unbounded(model: str, flavor: Flavor) -> None:
    """Refuse a model that does, on its own account, what no request can limit."""
    for part, what in flavor.unbounded_models.items():
        if part in model:
            raise refused(
                f"'{model}' {what}, at a cost that has no limit here. Use another model.", "model"
            )


def input_units(content: Content, flavor: Flavor) -> list[Unit.ValueType]:
    """List the kinds that the input may be billed as, besides text.

    Cache writes are always possible: from gpt-5.6 on OpenAI caches unasked. Content at
    an address may turn out to be an image.
    """
    units = [UNIT_CACHE_WRITE_5M_TOKENS] if flavor.bills_cache_writes else []
    if flavor.bills_cache_writes and content.kept_long:
        units.append(UNIT_CACHE_WRITE_1H_TOKENS)
    if content.images:
        units.append(UNIT_INPUT_IMAGE_TOKENS)
    if content.audio:
        units.append(UNIT_INPUT_AUDIO_TOKENS)
    return units


def tier_variants(document: Fields, flavor: Flavor) -> list[str]:
    """List the price variants that the answer may come back with.

    An absent tier, "auto" and "default" list none: the project's own default tier is
    the operator's to know, and is expected to be the standard one.
    """
    tier = text(document, "service_tier")
    if tier is None:
        return []
    if tier not in flavor.tiers:
        raise refused(
            f"'service_tier' is {tier[:64]!r}; through this gateway it may be one of: "
            f"{', '.join(sorted(flavor.tiers))}.",
            "service_tier",
        )
    if tier in _PLAIN_TIERS:
        return []
    return ["service_tier=priority" if tier == "fast" else f"service_tier={tier}"]


def stream_and_usage(request: RequestView, flavor: Flavor) -> tuple[bool, bytes, bool]:
    """Tell whether the request streams; the body that asks for usage; whether we had to ask."""
    document = request.document
    stream = flag(document, "stream")
    options = mapping(document, "stream_options") or {}
    plain_names(options, "stream_options")
    asked = flag(options, "include_usage", where="stream_options")
    if not stream or asked or not flavor.asks_for_usage:
        return stream, request.body, False
    return stream, set_member(request.body, ("stream_options", "include_usage"), b"true"), True
