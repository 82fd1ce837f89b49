"""Moonshot (Kimi): usage within the last choice of a stream, cached tokens at the top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator.anthropic import AnthropicTwin
from mintgate_simulator.openai import ROUTES, OpenAITwin, Quirks, UsagePlace
from mintgate_simulator.openai.files import OPENAI_FILES
from mintgate_simulator.stored import Keeping

from .surfaces import SurfacesTwin
from .words import plain_usage

if TYPE_CHECKING:
    from mintgate_simulator.control import Controls
    from mintgate_simulator.openai.usage import Usage
    from mintgate_simulator.refusal import Refusal
    from mintgate_simulator.request import Request
    from mintgate_simulator.twin import Twin

_ERROR_TYPES = {
    401: "invalid_authentication_error",
    404: "resource_not_found_error",
    429: "rate_limit_reached_error",
    503: "engine_overloaded_error",
}


def _usage(usage: Usage, controls: Controls, model: str) -> dict[str, Any]:
    return {**plain_usage(usage, controls, model), "cached_tokens": usage.input.cached}


def _error(request: Request, refusal: Refusal) -> dict[str, Any]:  # noqa: ARG001
    kind = _ERROR_TYPES.get(refusal.status, "invalid_request_error")
    return {"error": {"message": refusal.message, "type": kind}}


QUIRKS = Quirks(
    headers=((b"msh-org-id", b"org-simulated"), (b"msh-uid", b"simulated")),
    usage=_usage,
    usage_place=UsagePlace.CHOICE,
    error=_error,
    models=("kimi-k2.5", "kimi-k2-thinking", "moonshot-v1-8k"),
)
_PATHS = frozenset({"/v1/chat/completions", "/v1/models"})


def twin() -> Twin:
    """Answers as ``https://api.moonshot.ai`` does."""
    routes = {key: handler for key, handler in ROUTES.items() if key[1] in _PATHS}
    plain = Keeping(OpenAITwin(QUIRKS, routes), OPENAI_FILES)
    return SurfacesTwin(plain, {"/anthropic/": ("/", AnthropicTwin())})
