"""``POST /v1/embeddings``: floats or base64, at the model's length or a shorter one asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator.vectors import DIMENSIONS_MAX, vector_base64, vector_json

from . import check, wire
from .completions import prompt_token_counts

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

    from .quirks import Quirks

DIMENSIONS_DEFAULT = 1_536
DIMENSIONS_OF_MODEL = {"text-embedding-3-large": 3_072}
_FORMATS = frozenset({"float", "base64"})


def create(request: Request, quirks: Quirks) -> Answer:
    """The answer to an embeddings request."""
    body = check.body_of(request)
    controls = request.controls
    model = check.model_of(body)
    counts = prompt_token_counts("input", check.required(body, "input"))
    form = check.choice(body, "encoding_format", _FORMATS, "float")
    dimensions = check.whole_number(body, "dimensions", smallest=1, largest=DIMENSIONS_MAX)
    if dimensions is None:
        dimensions = DIMENSIONS_OF_MODEL.get(model, DIMENSIONS_DEFAULT)
    vector = vector_base64(dimensions) if form == "base64" else vector_json(dimensions)
    tokens = sum(counts) if controls.input is None else controls.input
    answer: dict[str, Any] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index in range(len(counts))
        ],
        "model": controls.model or model,
    }
    if controls.usage:
        answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    if quirks.embeddings_id:
        answer["id"] = f"{request.number:032x}"
    return wire.whole(request, answer, account=quirks.headers)
