"""``GET /v1/models`` and ``GET /v1/models/{id}``.

Any model name is answered by the other routes; these are only what the list shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import CREATED_AT_S

from . import wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

    from .quirks import Quirks

MODELS = (
    "gpt-6.1-sol", "gpt-6-luna", "gpt-5.5", "gpt-5.4-mini", "gpt-4.1", "gpt-4o", "gpt-4o-mini",
    "o3", "text-embedding-3-large", "text-embedding-3-small", "gpt-image-2.5-flare",
    "gpt-image-1.5", "omni-moderation-latest",
)  # fmt: skip


def list_models(request: Request, quirks: Quirks) -> Answer:
    """The list of models."""
    body = {"object": "list", "data": [_model(name, quirks) for name in quirks.models]}
    return wire.whole(request, body, account=quirks.headers)


def get_model(request: Request, quirks: Quirks, name: str) -> Answer:
    """One model of the list."""
    if name not in quirks.models:
        raise Refusal(
            404,
            f"The model '{name}' does not exist or you do not have access to it.",
            param="model",
            code="model_not_found",
        )
    return wire.whole(request, _model(name, quirks), account=quirks.headers)


def _model(name: str, quirks: Quirks) -> dict[str, object]:
    model = {"id": name, "object": "model", "created": CREATED_AT_S, "owned_by": "system"}
    return {**model, **quirks.model_card}
