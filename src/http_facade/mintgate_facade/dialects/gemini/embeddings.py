"""Reads `:embedContent` and `:batchEmbedContents`.

Their answers state no usage, so what is charged is our own count of the text;
media, whose tokens nobody would state, is refused.
"""

from __future__ import annotations

from mintgate.v1.ledger_pb2 import Bound

from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import Fields, inside, mapping, objects, refused
from mintgate_facade.dialects.counted import delivered_input
from mintgate_facade.dialects.gemini.content import Content
from mintgate_facade.dialects.gemini.names import unify
from mintgate_facade.dialects.gemini.request import check_model, check_query
from mintgate_facade.dialects.overheads import input_bound


def read_embedding(request: RequestView, *, batch: bool) -> Ask:
    """Bound one embedding, or a batch of them: input only."""
    check_query(request)
    document = unify(request.document)
    model = request.path_model
    content = Content()
    if batch:
        requests = objects(document, "requests")
        if not requests:
            raise refused("'requests' must be a non-empty array.", "requests")
        for index, single in enumerate(requests):
            _read_single(unify(single), model, content, f"requests[{index}]")
    else:
        _read_single(document, model, content, "")
    tokens = input_bound(len(request.body), tools=False, hosted=False)
    return Ask(
        model=model,
        bound=Bound(input_tokens=tokens, output_tokens=0),
        body=request.body,
        delivered_input_tokens=delivered_input(tokens, content.text_size_bytes),
    )


def _read_single(single: Fields, model: str, content: Content, where: str) -> None:
    check_model(single, model, inside(where, "model"))
    param = inside(where, "content")
    body = mapping(single, "content", where=where)
    if body is None:
        raise refused(f"'{param}' is required.", param)
    content.read_content(body, param)
    if content.media:
        raise refused(
            f"'{param}' may only hold text: the answer does not state what other media cost.", param
        )
