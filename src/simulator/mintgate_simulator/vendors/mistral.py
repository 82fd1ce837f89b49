"""Mistral: usage on the last chunk of every stream, flat errors, 422 for an unknown field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator.openai import ROUTES, OpenAITwin, Quirks, UsagePlace, chat, wire

from .words import flat_error

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.control import Controls
    from mintgate_simulator.openai.usage import Usage
    from mintgate_simulator.refusal import Refusal
    from mintgate_simulator.request import Request
    from mintgate_simulator.twin import Twin

UNPROCESSABLE = 422


def _usage(usage: Usage, controls: Controls, model: str) -> dict[str, Any]:  # noqa: ARG001
    """Reasoning is folded into the output."""
    return {
        "prompt_tokens": usage.input.total,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.total + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.input.cached},
        "prompt_audio_seconds": None,
        "service_tier": "standard",
    }


def _error(request: Request, refusal: Refusal) -> dict[str, Any]:
    if refusal.status == UNPROCESSABLE:
        where = ["body", refusal.param]
        return {"detail": [{"type": refusal.code, "loc": where, "msg": refusal.message}]}
    return {"object": "error", **flat_error(request, refusal)}


def _stream_error() -> bytes:
    error = {"message": "Service unavailable.", "type": "unreachable_backend"}
    return wire.sse({"object": "error", **error, "param": None, "code": "1100"})


QUIRKS = Quirks(
    headers=((b"x-ratelimit-remaining-req-minute", b"59"), (b"mistral-correlation-id", b"sim")),
    usage=_usage,
    usage_place=UsagePlace.FINISH,
    unknown_fields=frozenset({"stream_options", "max_completion_tokens"}),
    error=_error,
    stream_error=_stream_error,
    models=("mistral-small-2603", "codestral-2508", "mistral-embed"),
    model_card={"type": "base", "capabilities": {"completion_chat": True}},
    embeddings_id=True,
)
_PATHS = frozenset({"/v1/chat/completions", "/v1/embeddings", "/v1/models"})


def _fill_in(request: Request, quirks: Quirks) -> Answer:
    """``/v1/fim/completions``: answered as a chat of one message, the prompt and its suffix."""
    return chat.create_from_prompt(request, quirks)


def twin() -> Twin:
    """Answers as ``https://api.mistral.ai`` does."""
    routes = {key: handler for key, handler in ROUTES.items() if key[1] in _PATHS}
    return OpenAITwin(QUIRKS, {**routes, ("POST", "/v1/fim/completions"): _fill_in})
