"""``/v1beta/cachedContents``: contents that are kept for later prompts (google/genai/caches.py)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.refusal import Refusal
from mintgate_simulator.tally import claimed
from mintgate_simulator.tokens import count_prompt

from . import check, pages, wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

KEPT_MAX = 10_000
TOKENS_MIN = 1_024
"""What Gemini 2.5 Flash asks of a cache."""
_MADE_AT = datetime.fromisoformat("2026-09-22T00:00:00Z")
_LIVES_S = 3_600
_NAME = "cachedContents/"
_FIELDS = frozenset(
    {
        "contents", "display_name", "expire_time", "model", "system_instruction", "tool_config",
        "tools", "ttl",
    }
)  # fmt: skip


@dataclass(slots=True)
class Caches:
    """The caches of one account."""

    _kept: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)

    def respond(self, request: Request, parts: list[str]) -> Answer:
        """The answer about caches; ``parts`` is the path below them."""
        match request.method, parts:
            case "POST", []:
                return wire.whole(self._create(request))
            case "GET", []:
                return pages.page(request, "cachedContents", self._kept.values())
            case "GET", [cache_id]:
                return wire.whole(self._found(cache_id))
            case "PATCH", [cache_id]:
                cache = self._found(cache_id)
                asked = check.body_of(request, frozenset({"ttl", "expire_time"}))
                cache["expireTime"] = _ends(asked)
                return wire.whole(cache)
            case "DELETE", [cache_id]:
                self._found(cache_id)
                del self._kept[cache_id]
                return wire.whole({})
        raise Refusal(404, f"Method not found: {request.method} {request.path}")

    def used(self, request: Request) -> Request:
        """A prompt whose cache, if it names one, is part of its input and was read from there."""
        if b"achedContent" not in request.body and b"ached_content" not in request.body:
            return request
        body = {check.snake(name): value for name, value in orjson.loads(request.body).items()}
        name = body.get("cached_content")
        if not name:
            return request
        cached = self._found(str(name).removeprefix(_NAME))["usageMetadata"]["totalTokenCount"]
        roots = (body.get("contents"), body.get("system_instruction"), body.get("tools"))
        controls = request.controls
        given = claimed(controls, count_prompt(*roots))
        return replace(
            request,
            controls=replace(controls, input=given + cached, cached=max(controls.cached, cached)),
        )

    def _create(self, request: Request) -> dict[str, Any]:
        body = check.body_of(request, _FIELDS)
        model = body.get("model")
        if not isinstance(model, str) or not model.startswith("models/"):
            raise Refusal(400, "* CreateCachedContentRequest.cached_content.model: required\n")
        roots = (body.get("contents"), body.get("system_instruction"), body.get("tools"))
        tokens = claimed(request.controls, count_prompt(*roots))
        if tokens < TOKENS_MIN:
            raise Refusal(
                400,
                f"Cached content is too small. total_token_count={tokens}, "
                f"min_total_token_count={TOKENS_MIN}",
            )
        cache = {
            "name": f"{_NAME}c{request.number:020x}",
            "model": model,
            "displayName": body.get("display_name", ""),
            "createTime": _MADE_AT.isoformat(),
            "updateTime": _MADE_AT.isoformat(),
            "expireTime": _ends(body),
            "usageMetadata": {"totalTokenCount": tokens},
        }
        self._kept[cache["name"].removeprefix(_NAME)] = cache
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        if not request.controls.usage:
            return {name: value for name, value in cache.items() if name != "usageMetadata"}
        return cache

    def _found(self, cache_id: str) -> dict[str, Any]:
        cache = self._kept.get(cache_id)
        if cache is None:
            raise Refusal(403, "CachedContent not found (or permission denied)")
        return cache


def _ends(body: dict[str, Any]) -> str:
    """When a cache ends: after its ``ttl``, at its ``expire_time``, or after an hour."""
    if until := body.get("expire_time"):
        return str(until)
    ttl = str(body.get("ttl") or f"{_LIVES_S}s")
    try:
        lives = timedelta(seconds=float(ttl.removesuffix("s")))
    except ValueError:
        lives = timedelta()
    if not ttl.endswith("s") or not lives:
        raise Refusal(400, "Invalid value at 'cached_content.ttl' (type.googleapis.com/Duration)")
    return (_MADE_AT + lives).isoformat()
