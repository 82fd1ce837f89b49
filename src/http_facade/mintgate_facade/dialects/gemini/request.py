"""Reads `:generateContent` and `:streamGenerateContent` (google/genai/types.py, models.py)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from mintgate.v1.ledger_pb2 import Bound
from mintgate.v1.unit_pb2 import (
    UNIT_GROUNDED_REQUESTS,
    UNIT_OUTPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_IMAGE_TOKENS,
    UNIT_OUTPUT_TOKENS,
    UNIT_OUTPUT_VIDEO_TOKENS,
    UnitCount,
)

from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import (
    OUTPUT_TOKENS_MAX,
    Fields,
    array,
    integer,
    mapping,
    objects,
    refused,
    text,
)
from mintgate_facade.dialects.counted import delivered_input
from mintgate_facade.dialects.gemini.caches import cache_of, noted
from mintgate_facade.dialects.gemini.content import Content
from mintgate_facade.dialects.gemini.names import unify
from mintgate_facade.dialects.gemini.tools import Tools
from mintgate_facade.dialects.overheads import input_bound

CANDIDATES_MAX = 8
PICTURE_TOKENS_MAX = 2_520
"""The largest picture. It is drawn whole or not at all, so a lower limit does not bound it."""
HOSTED_PASSES = 2
"""The prompt is billed once, and what hosted tools returned once beside it; each of
the two fits the context window."""

_QUERY_ALLOWED = frozenset({"alt", "$alt", "key", "prettyPrint", "$prettyPrint"})
"""Google's other query parameters can mask the usage out of an answer, or change its format."""
_ALT_ALLOWED = frozenset({"", "json", "sse"})
_OUTPUT_UNITS = {
    "TEXT": UNIT_OUTPUT_TOKENS,
    "IMAGE": UNIT_OUTPUT_IMAGE_TOKENS,
    "AUDIO": UNIT_OUTPUT_AUDIO_TOKENS,
    "VIDEO": UNIT_OUTPUT_VIDEO_TOKENS,
}
_TIERS = frozenset({"unspecified", "standard", "flex", "priority"})


def read_generate(request: RequestView, *, stream: bool) -> Ask:
    """Bound a generation. Raises `RefusedRequest` for what cannot be bounded."""
    check_query(request)
    document = unify(request.document)
    model = request.path_model
    check_model(document, model, "model")
    if not objects(document, "contents"):
        raise refused("'contents' must be a non-empty array.", "contents")
    content = read_contents(document)
    cache = cache_of(document)
    tools = Tools()
    tools.read(document, model)
    config = unify(mapping(document, "generationConfig") or {}, "generationConfig")
    tokens = input_bound(
        len(request.body),
        # The tools may stand in the cache.
        tools=tools.present or cache is not None,
        hosted=tools.hosted or tools.predefined,
        media_bytes=content.media_bytes,
        media_tokens=content.media_tokens,
    )
    bound = _with_output(config, model)
    bound.input_tokens = tokens
    # A continuation token stands for an earlier answer, which is input again.
    bound.input_open = content.open or tools.hosted or document.get("continuationToken") is not None
    bound.input_units.extend(content.units)
    bound.passes = HOSTED_PASSES if tools.hosted else 1
    if tools.grounded:
        bound.fees.append(UnitCount(unit=UNIT_GROUNDED_REQUESTS, count=1))
    bound.variants.extend(_variants(document))
    text_size = len(request.body) - content.media_bytes - content.audio_bytes
    ask = Ask(
        model=model,
        bound=bound,
        body=request.body,
        stream=stream,
        uses=(*content.files, *((cache,) if cache else ())),
        delivered_input_tokens=delivered_input(tokens, text_size, content.media_tokens),
    )
    return noted(ask) if cache else ask


def read_contents(document: Fields) -> Content:
    """Read the system instruction and the contents of a document of unified names."""
    content = Content()
    system = mapping(document, "systemInstruction")
    if system is not None:
        content.read_content(system, "systemInstruction")
    for index, item in enumerate(objects(document, "contents")):
        content.read_content(item, f"contents[{index}]")
    return content


def check_query(request: RequestView) -> None:
    """Refuse query parameters that change what the answer states.

    Of two of one name, nobody knows which one the provider reads.
    """
    query: dict[str, str] = {}
    for name, value in parse_qsl(request.query_string, keep_blank_values=True):
        if name not in _QUERY_ALLOWED:
            raise refused(f"The query parameter {name[:64]!r} is not supported here.", name[:64])
        if name in query:
            raise refused(f"The query parameter {name!r} stands twice. Send it once.", name)
        query[name] = value
    for name in ("alt", "$alt"):
        if query.get(name, "") not in _ALT_ALLOWED:
            raise refused(f"The query parameter {name!r} must be json or sse.", name)


def check_model(fields: Fields, path_model: str, param: str) -> None:
    """Hold that a model named in the body is the one in the path, by which it is priced."""
    named = text(fields, "model")
    if named and named.removeprefix("models/") != path_model:
        raise refused(f"'{param}' must be the model in the path, models/{path_model}.", param)


def _with_output(config: Fields, model: str) -> Bound:
    where = "generationConfig"
    limit = integer(config, "maxOutputTokens", 1, OUTPUT_TOKENS_MAX, where=where, unit="tokens")
    choices = integer(config, "candidateCount", 1, CANDIDATES_MAX, where=where) or 1
    units = {UNIT_OUTPUT_TOKENS}
    asked = array(config, "responseModalities", where=where) or ()
    for index, name in enumerate(asked):
        unit = _OUTPUT_UNITS.get(name.upper()) if isinstance(name, str) else None
        if unit is None:
            param = f"{where}.responseModalities[{index}]"
            raise refused(f"'{param}' must be TEXT, IMAGE, AUDIO or VIDEO.", param)
        units.add(unit)
    # These models answer so without being asked.
    if not asked and "image" in model:
        units.add(UNIT_OUTPUT_IMAGE_TOKENS)
    if not asked and ("tts" in model or "audio" in model):
        units.add(UNIT_OUTPUT_AUDIO_TOKENS)
    bound = Bound(choices=choices, output_units=sorted(units))
    if UNIT_OUTPUT_IMAGE_TOKENS in units:
        bound.output_tokens_min = PICTURE_TOKENS_MAX
        limit = limit and max(limit, PICTURE_TOKENS_MAX)
    if limit is not None:
        bound.output_tokens = limit
    return bound


def _variants(document: Fields) -> list[str]:
    tier = text(document, "serviceTier")
    if tier is None:
        return []
    name = tier.lower().removeprefix("service_tier_")
    if name not in _TIERS:
        raise refused(
            f"'serviceTier' is {tier[:64]!r}; it must be one of: {', '.join(sorted(_TIERS))}.",
            "serviceTier",
        )
    return [f"service_tier={name}"] if name in {"flex", "priority"} else []
