"""``POST /v1/moderations``: free, and never flags anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import check, wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

    from .quirks import Quirks

MODEL_DEFAULT = "omni-moderation-latest"
_CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit",
    "illicit/violent", "self-harm", "self-harm/instructions", "self-harm/intent", "sexual",
    "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
_CLEAN = {
    "flagged": False,
    "categories": dict.fromkeys(_CATEGORIES, False),
    "category_scores": dict.fromkeys(_CATEGORIES, 1e-06),
    "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
}


def create(request: Request, quirks: Quirks) -> Answer:
    """One clean result; one for each text when a list of texts was given."""
    body = check.body_of(request)
    given = check.required(body, "input")
    texts = isinstance(given, list) and all(isinstance(text, str) for text in given)
    if not isinstance(given, str | list):
        raise check.wrong_type("input", "a string or an array", given)
    answer = {
        "id": f"modr-{request.number:024x}",
        "model": request.controls.model or body.get("model") or MODEL_DEFAULT,
        "results": [_CLEAN] * (len(given) if texts else 1),
    }
    return wire.whole(request, answer, account=quirks.headers)
