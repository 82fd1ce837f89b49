"""Cached contents: input that Google keeps for later prompts (google/genai/caches.py).

A cache costs its tokens once, as input, and a rent for each of them and each hour. Both are held
and charged when it is made, for all the time that it may live. How many tokens it has stands in
a note with it, and bounds the prompts that use it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE, Bound, SettledBy
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_STORAGE_TOKEN_HOURS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_TOKENS,
)

from mintgate_facade.dialects.base import Ask, ObjectName, Reading, RequestView
from mintgate_facade.dialects.checks import Fields, model_name, refused, text
from mintgate_facade.dialects.counted import delivered_input
from mintgate_facade.dialects.gemini.content import Content
from mintgate_facade.dialects.gemini.names import unify
from mintgate_facade.dialects.gemini.tools import Tools
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.overheads import input_bound
from mintgate_facade.dialects.split import Units, count, fields

KIND = "cache"
DEFAULT_MS = 3_600_000
"""A cache lives for an hour unless the request says otherwise (Google's documentation)."""
LIVES_MS_MAX = 7 * 24 * 3_600_000
"""All of it is paid for at once, so no mistake may cost a month."""
CLOCKS_MS = 60_000
"""By how much Google's clock may be behind ours."""

_MS_PER_HOUR = 3_600_000
_MS_PER_SECOND = 1_000
_NAMES = "cachedContents/"
_NAME = re.compile(r"cachedContents/([A-Za-z0-9_-]{1,64})")
_DURATION = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?s", re.ASCII)
_NOTE = "cache:"


def read_cache(request: RequestView, content: Content) -> Ask:
    """Bound a new cache, whose contents were read. Raises `RefusedRequest`."""
    document = unify(request.document)
    model = model_name(document).removeprefix("models/")
    tools = Tools()
    tools.read(document, model)
    if tools.hosted:
        raise refused("A cache may not hold tools that the provider runs.", "tools")
    tokens = input_bound(
        len(request.body),
        tools=tools.present,
        hosted=tools.predefined,
        media_bytes=content.media_bytes,
        media_tokens=content.media_tokens,
    )
    lives_ms = _lives_ms(document, request.now_ms)
    bound = Bound(
        input_tokens=tokens,
        input_open=content.open,
        input_units=content.units,
        output_tokens=0,
        input_kept_ms=lives_ms,
    )
    text_size = len(request.body) - content.media_bytes - content.audio_bytes
    delivered = delivered_input(tokens, text_size, content.media_tokens)
    ask = Ask(
        model=model,
        bound=bound,
        body=request.body,
        uses=tuple(content.files),
        delivered_input_tokens=delivered,
        creates=KIND,
        creates_for_ms=lives_ms + CLOCKS_MS,
    )
    # Google may have made it even when its answer never came.
    return replace(ask, counted=_reading(ask, delivered, lives_ms, SETTLED_BY_COUNTED))


def cache_meter(ask: Ask) -> JsonMeter:
    """Make the meter of a cache's description."""

    def exact(document: Document) -> Reading | None:
        usage = fields(document.get("usageMetadata"))
        if "totalTokenCount" not in usage:
            return None
        return _made(ask, document, count(usage["totalTokenCount"]), SETTLED_BY_USAGE)

    def counted(document: Document | None, _size_bytes: int) -> Reading:
        return _made(ask, document or {}, None, SETTLED_BY_COUNTED)

    return JsonMeter(exact, counted)


def cache_of(document: Fields) -> ObjectName | None:
    """The cache that a prompt uses. Raises `RefusedRequest` for what is no name of one."""
    named = text(document, "cachedContent")
    if not named:
        return None
    found = _NAME.fullmatch(named)
    if found is None:
        param = "cachedContent"
        raise refused(f"'{param}' must be the name of a cache, cachedContents/...", param)
    return ObjectName(KIND, found[1])


def noted(ask: Ask) -> Ask:
    """The same prompt, to be bounded with the note on the cache that it uses."""
    return replace(ask, noted=partial(_with_cache, ask))


def _with_cache(ask: Ask, notes: Sequence[str]) -> Ask:
    note = next(note for note in notes if note.startswith(_NOTE))
    kept = orjson.loads(note.removeprefix(_NOTE))
    if kept["model"] != ask.model:
        raise refused(f"'cachedContent' was made for {kept['model']}.", "cachedContent")
    bound = Bound()
    bound.CopyFrom(ask.bound)
    if kept["tokens"] is None:
        bound.input_open = True
    else:
        bound.input_tokens += kept["tokens"]
    bound.input_units.extend(unit for unit in kept["units"] if unit not in bound.input_units)
    return replace(
        ask,
        bound=bound,
        delivered_input_tokens=ask.delivered_input_tokens + (kept["tokens"] or 0),
        noted=None,
    )


def _made(ask: Ask, document: Document, tokens: int | None, basis: SettledBy.ValueType) -> Reading:
    """Read a cache that was made; `tokens` None: its answer does not say how many it has."""
    lives_ms = min(ask.bound.input_kept_ms, _stated_ms(document) or ask.bound.input_kept_ms)
    charged = ask.delivered_input_tokens if tokens is None else tokens
    reading = _reading(ask, charged, lives_ms, basis)
    name = str(document.get("name") or "")
    if _NAME.fullmatch(name):
        reading.provider_request_id = name.removeprefix(_NAMES)
    kept = {"model": ask.model, "tokens": tokens, "units": list(ask.bound.input_units)}
    reading.note = _NOTE + orjson.dumps(kept).decode()
    return reading


def _reading(ask: Ask, tokens: int, lives_ms: int, basis: SettledBy.ValueType) -> Reading:
    # Google does not say of which kind the tokens are: they count as the dearest.
    heard = UNIT_INPUT_AUDIO_TOKENS in ask.bound.input_units
    units: Units = {
        UNIT_INPUT_AUDIO_TOKENS if heard else UNIT_INPUT_TOKENS: tokens,
        UNIT_CACHE_STORAGE_TOKEN_HOURS: -(-tokens * lives_ms // _MS_PER_HOUR),
    }
    return Reading(units={unit: number for unit, number in units.items() if number}, basis=basis)


def _lives_ms(document: Fields, now_ms: int) -> int:
    """For how long a cache is asked for. Raises `RefusedRequest` for none, or for too long."""
    ttl, until = text(document, "ttl"), text(document, "expireTime")
    if ttl and until:
        raise refused("Set 'ttl' or 'expireTime', not both.", "ttl")
    if until:
        lives_ms, param = _moment_ms(until, "expireTime") - now_ms + CLOCKS_MS, "expireTime"
        most = LIVES_MS_MAX + CLOCKS_MS
    else:
        lives_ms, param = _duration_ms(ttl) if ttl else DEFAULT_MS, "ttl"
        most = LIVES_MS_MAX
    if not 0 < lives_ms <= most:
        days = LIVES_MS_MAX // (24 * _MS_PER_HOUR)
        raise refused(f"'{param}' must lie within {days} days: a cache is paid for at once.", param)
    return lives_ms


def _duration_ms(ttl: str) -> int:
    """A duration as protobuf writes it, rounded up."""
    found = _DURATION.fullmatch(ttl)
    if found is None:
        raise refused("'ttl' must be seconds, such as 3600s.", "ttl")
    nanos = int((found[2] or "").ljust(9, "0"))
    return int(found[1]) * _MS_PER_SECOND + -(-nanos // 10**6)


def _moment_ms(value: str, param: str) -> int:
    """A moment as protobuf writes it, milliseconds since 1970, rounded up."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise refused(f"'{param}' must be a time such as 2026-11-30T12:00:00Z.", param)
    return -int(-moment.timestamp() * _MS_PER_SECOND // 1)


def _stated_ms(document: dict[str, Any]) -> int:
    """How long the answer says that the cache lives, to the begun second; 0 if it does not."""
    try:
        made, ends = (
            datetime.fromisoformat(str(document.get(name))) for name in ("createTime", "expireTime")
        )
        seconds = (ends - made).total_seconds()
    except (ValueError, TypeError):
        return 0
    return max(0, -int(-seconds // 1)) * _MS_PER_SECOND
