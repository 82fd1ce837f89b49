"""Cerebras: flat errors, and usage with timings on the last chunk of every stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Whole
from mintgate_simulator.openai import ROUTES, OpenAITwin, Quirks, UsagePlace
from mintgate_simulator.openai.wire import headers

from .words import flat_error, plain_usage

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.control import Controls
    from mintgate_simulator.request import Request
    from mintgate_simulator.twin import Twin


def _timings(controls: Controls) -> dict[str, Any]:  # noqa: ARG001
    times = {"queue_time": 0.0001, "prompt_time": 0.001, "completion_time": 0.01}
    return {"time_info": {**times, "total_time": 0.012, "created": 1_790_000_000.0}}


QUIRKS = Quirks(
    headers=(
        (b"x-ratelimit-limit-requests-day", b"14400"),
        (b"x-ratelimit-remaining-tokens-minute", b"60000"),
    ),
    usage=plain_usage,
    usage_place=UsagePlace.FINISH,
    extras=_timings,
    completion_limit=None,
    error=flat_error,
    models=("gpt-oss-120b", "llama3.1-8b", "zai-glm-4.7"),
)
_PATHS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/models"})


def _warm_up(request: Request, quirks: Quirks) -> Answer:
    return Whole(200, headers(request, b"application/json", quirks.headers), orjson.dumps({}))


def twin() -> Twin:
    """Answers as ``https://api.cerebras.ai`` does."""
    routes = {key: handler for key, handler in ROUTES.items() if key[1] in _PATHS}
    return OpenAITwin(QUIRKS, {**routes, ("GET", "/v1/tcp_warming"): _warm_up})
