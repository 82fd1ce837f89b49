"""Reads `POST /v1/messages` (anthropic/types/beta/message_create_params.py)."""

from __future__ import annotations

from mintgate.v1.ledger_pb2 import Bound
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_WEB_SEARCHES,
    Unit,
    UnitCount,
)

from mintgate_facade.dialects.anthropic.content import IMAGE_TOKENS_MAX, Content
from mintgate_facade.dialects.anthropic.flavor import Flavor
from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import (
    OUTPUT_TOKENS_MAX,
    Fields,
    array,
    choice,
    element,
    flag,
    forbid,
    integer,
    mapping,
    model_name,
    objects,
    plain_names,
    refused,
    text,
)
from mintgate_facade.dialects.counted import delivered_input
from mintgate_facade.dialects.overheads import input_bound

_SHARED = "because all users of this gateway share one account at the provider"
_FORBIDDEN = {
    "mcp_servers": "mcp_servers: other servers may return content without a limit. Call them from "
    "your own code.",
    "container": f"container: containers are stored objects, {_SHARED}.",
    "thread": f"thread: threads are stored objects, {_SHARED}. Send the whole conversation.",
    "fallbacks": "fallbacks: another model may answer, at another price. Retry from your own code.",
    "compaction": "compaction: it adds a pass whose output has no limit. Shorten the messages "
    "yourself.",
    "billing_policy": "billing_policy: this gateway's operator is billed, and cannot be changed.",
}
_TIERS = frozenset({"auto", "standard_only"})
_SPEEDS = frozenset({"standard", "fast"})


def read_message(request: RequestView, flavor: Flavor) -> Ask:
    """Bound a message. Raises `RefusedRequest` for what cannot be bounded."""
    document = request.document
    plain_names(document)
    model = model_name(document)
    forbid(document, _FORBIDDEN)
    _check_edits(document)
    limit = integer(document, "max_tokens", 0, OUTPUT_TOKENS_MAX, unit="tokens")
    if limit is None:
        raise refused("max_tokens: Field required", "max_tokens", "missing_required_parameter")
    content = read_content(document, flavor.image_tokens)
    tools = content.tools
    if tools.uses and not flavor.server_tools:
        raise refused(
            "tools: this provider's own tools have no limit that could be held beforehand. Use "
            "tools that your own code runs.",
            "tools",
        )
    tokens = input_bound(
        len(request.body),
        tools=tools.present,
        hosted=tools.predefined,
        media_bytes=content.media_bytes,
        media_tokens=content.media_tokens,
    )
    fees = [UnitCount(unit=UNIT_WEB_SEARCHES, count=tools.searches)] if tools.searches else []
    text_size = len(request.body) - content.media_bytes
    bound = Bound(
        input_tokens=tokens,
        input_open=content.open or tools.uses > 0,
        input_units=_cache_units(content, flavor),
        passes=tools.uses + 1,
        output_tokens=limit,
        output_open=flavor.visible_limit,
        fees=fees,
        variants=_variants(document),
    )
    if flavor.widen is not None:
        flavor.widen(bound, model, document)
    return Ask(
        model=model,
        bound=bound,
        body=request.body,
        stream=flag(document, "stream"),
        uses=tuple(content.files),
        delivered_input_tokens=delivered_input(tokens, text_size, content.media_tokens),
    )


def read_content(document: Fields, image_tokens: int = IMAGE_TOKENS_MAX) -> Content:
    """Read system, messages and tools. Raises `RefusedRequest` for what cannot be bounded."""
    messages = array(document, "messages")
    if messages is None:
        raise refused("messages: Field required", "messages", "missing_required_parameter")
    content = Content(image_tokens=image_tokens)
    content.mark(document, "")
    for index, tool in enumerate(objects(document, "tools")):
        content.mark(tool, f"tools[{index}]")
    content.read_blocks(document, "system")
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        content.read_blocks(element(message, where), "content", where)
    # After the messages, as they may define tools too and the limit is on the sum.
    content.tools.read(document)
    return content


def _cache_units(content: Content, flavor: Flavor) -> list[Unit.ValueType]:
    """List the cache writes that the request may cause; Anthropic writes only when asked."""
    units = []
    if content.cached or flavor.caches_unasked:
        units.append(UNIT_CACHE_WRITE_5M_TOKENS)
    if content.cached_1h:
        units.append(UNIT_CACHE_WRITE_1H_TOKENS)
    return units


def _variants(document: Fields) -> list[str]:
    """List the price variants that the answer may come back with.

    A workspace's own default region, and priority capacity, are the operator's to know;
    they are billed as the answer states them.
    """
    choice(document, "service_tier", _TIERS)
    variants = []
    if choice(document, "speed", _SPEEDS) == "fast":
        variants.append("speed=fast")
    geo = text(document, "inference_geo")
    if geo and geo != "global":
        variants.append(f"inference_geo={geo}")
    return variants


def _check_edits(document: Fields) -> None:
    management = mapping(document, "context_management") or {}
    for index, edit in enumerate(objects(management, "edits", where="context_management")):
        kind = text(edit, "type") or ""
        if not kind.startswith("clear_"):
            param = f"context_management.edits[{index}].type"
            raise refused(
                f"{param}: {kind[:64]!r} adds passes that have no limit. Only edits that clear "
                "content are allowed.",
                param,
            )
