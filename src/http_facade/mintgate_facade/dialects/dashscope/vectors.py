"""Reads embeddings and rankings, which are billed by their input alone."""

from __future__ import annotations

from mintgate.v1.ledger_pb2 import Bound

from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import Fields, array, model_name, refused, text
from mintgate_facade.dialects.counted import delivered_input, utf8_bytes
from mintgate_facade.dialects.dashscope.generation import sections
from mintgate_facade.dialects.overheads import TEMPLATE_TOKENS, input_bound

_FILE = "A file at an address is embedded by a task. Send the texts in 'input.texts'."


def read_embedding(request: RequestView) -> Ask:
    """Bound an embedding by the bytes of its texts."""
    inputs, _ = sections(request)
    if inputs.get("url") is not None:
        raise refused(_FILE, "input.url", "unsupported_parameter")
    _texts(inputs, "texts")
    return _ask(request, 0, len(request.body))


def read_ranking(request: RequestView) -> Ask:
    """Bound a ranking: the query is read again with every document."""
    inputs, _ = sections(request)
    query = text(inputs, "query", where="input")
    if not query:
        raise refused("'input.query' must be a non-empty string.", "input.query")
    documents = _texts(inputs, "documents")
    again = (utf8_bytes(query) + TEMPLATE_TOKENS) * documents
    return _ask(request, again, len(request.body) + utf8_bytes(query) * documents)


def _texts(inputs: Fields, name: str) -> int:
    texts = array(inputs, name, where="input")
    if not texts or not all(isinstance(each, str) for each in texts):
        raise refused(f"'input.{name}' must be a non-empty array of strings.", f"input.{name}")
    return len(texts)


def _ask(request: RequestView, again: int, text_size_bytes: int) -> Ask:
    tokens = input_bound(len(request.body), tools=False, hosted=False) + again
    return Ask(
        model=model_name(request.document),
        bound=Bound(input_tokens=tokens, output_tokens=0),
        body=request.body,
        delivered_input_tokens=delivered_input(tokens, text_size_bytes),
    )
