"""``GET /v1/models`` and ``GET /v1/models/{id}``.

Any model name is answered by the other routes; these are only what the list shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mintgate_simulator.refusal import Refusal

from . import wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

_MODELS = {
    "claude-fable-5": "Claude Fable 5",
    "claude-opus-5-5": "Claude Opus 5.5",
    "claude-sonnet-5-5": "Claude Sonnet 5.5",
    "claude-haiku-5-5": "Claude Haiku 5.5",
    "claude-haiku-4-5": "Claude Haiku 4.5",
}
INPUT_TOKENS_MAX = 200_000
OUTPUT_TOKENS_MAX = 64_000


def list_models(request: Request) -> Answer:
    """The only page of models."""
    data = [_model(name) for name in _MODELS]
    page = {
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"],
        "last_id": data[-1]["id"],
    }
    return wire.whole(request, page)


def get_model(request: Request, name: str) -> Answer:
    """One model of the list."""
    if name not in _MODELS:
        raise Refusal(404, f"model: {name}")
    return wire.whole(request, _model(name))


def _model(name: str) -> dict[str, object]:
    return {
        "id": name,
        "type": "model",
        "display_name": _MODELS[name],
        "created_at": "2026-09-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": INPUT_TOKENS_MAX,
        "max_tokens": OUTPUT_TOKENS_MAX,
    }
