"""Reads `POST /embeddings` (openai/types/embedding_create_params.py)."""

from __future__ import annotations

from mintgate.v1.ledger_pb2 import Bound

from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import model_name, refused
from mintgate_facade.dialects.counted import delivered_input
from mintgate_facade.dialects.overheads import input_bound


def read_embedding(request: RequestView) -> Ask:
    """Bound an embedding: input only. A token sent as a number takes a byte too."""
    document = request.document
    model = model_name(document)
    if not isinstance(document.get("input"), str | list):
        raise refused("'input' must be a string or an array.", "input")
    tokens = input_bound(len(request.body), tools=False, hosted=False)
    return Ask(
        model=model,
        bound=Bound(input_tokens=tokens, output_tokens=0),
        body=request.body,
        delivered_input_tokens=delivered_input(tokens, len(request.body)),
    )
