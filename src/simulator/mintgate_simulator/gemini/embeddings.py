"""``:embedContent`` and ``:batchEmbedContents``; AI Studio states no usage for either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator.refusal import Refusal
from mintgate_simulator.vectors import DIMENSIONS_MAX, vector_json

from . import check, wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

DIMENSIONS_DEFAULT = 3_072
BATCH_MAX = 100
_FIELDS = frozenset(
    {
        "content", "embed_content_config", "model", "output_dimensionality", "task_type", "title",
    }
)  # fmt: skip


def embed(request: Request, _model: str) -> Answer:
    """The vector of one content."""
    body = check.body_of(request, _FIELDS)
    return wire.whole({"embedding": _embedding(body)})


def embed_batch(request: Request, _model: str) -> Answer:
    """The vectors of several contents, in their order."""
    body = check.body_of(request, frozenset({"model", "requests"}))
    requests = check.objects(body, "requests")
    if not requests:
        raise Refusal(400, "* BatchEmbedContentsRequest.requests: requests is not specified\n")
    if len(requests) > BATCH_MAX:
        raise Refusal(
            400,
            f"* BatchEmbedContentsRequest.requests: at most {BATCH_MAX} requests can be in one "
            "batch\n",
        )
    return wire.whole({"embeddings": [_embedding(item) for item in requests]})


def _embedding(body: dict[str, Any]) -> dict[str, Any]:
    content = check.mapping(body, "content")
    if not content.get("parts"):
        raise Refusal(400, "* EmbedContentRequest.content: content is empty\n")
    options = check.mapping(body, "embed_content_config") or body
    dimensions = check.whole_number(
        options, "output_dimensionality", smallest=1, largest=DIMENSIONS_MAX
    )
    return {"values": vector_json(dimensions or DIMENSIONS_DEFAULT)}
