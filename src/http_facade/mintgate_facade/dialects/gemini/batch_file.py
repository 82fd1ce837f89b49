"""Files of requests, one a line: bounded while they are stored, for the batches that name them.

Google takes a file in pieces, and any worker may get the next one. So only a file that comes in
one piece is read; the SDKs send what is not longer than eight megabytes so. What was read stands
in a note with the file. Which model it is for is said when the batch is made.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import replace

import orjson
from mintgate.v1.ledger_pb2 import Bound

from mintgate_facade.dialects.base import Ask, RefusedRequest, RequestView
from mintgate_facade.dialects.batches import BoundSum, RequestLines, numbered
from mintgate_facade.dialects.checks import Fields, bounded_nesting, inside, mapping, refused, text
from mintgate_facade.dialects.gemini.embeddings import read_embedding
from mintgate_facade.dialects.gemini.names import unify
from mintgate_facade.dialects.gemini.request import read_generate
from mintgate_facade.dialects.jsontext import parse_object

MODEL_CHARACTERS_MAX = 100
REFUSAL_CHARACTERS_MAX = 400

_READ, _REFUSED = "batch:", "refused:"
_NOT_READ = (
    "The requests of this file are not known here. Upload it through this gateway in one piece of "
    "at most 8 MiB, or send its requests inline, in 'batch.inputConfig.requests'."
)
_OTHER_KINDS = ("image", "tts", "audio")
"""Within names of models that answer with more than text, whether they are asked to or not."""


class BatchFile:
    """Reads a file as it passes. It refuses none: that is for the batch which names it."""

    def __init__(self) -> None:
        self._lines = RequestLines(self._take)
        self._sum = BoundSum()
        self._embeds: bool | None = None
        self._model = ""
        self._why = ""
        self._other = False
        """What does not even begin as a batch is some other file."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._why:
            return
        try:
            self._lines.feed(data)
        except RefusedRequest as failure:
            self._refuse(failure)

    def note(self) -> str:
        """The sum of all lines, or why there is none; nothing for a file that is no batch's."""
        if not self._why:
            try:
                self._lines.end()
                return self._sum_note()
            except RefusedRequest as failure:
                self._refuse(failure)
        return "" if self._other else _REFUSED + self._why

    def _sum_note(self) -> str:
        kept = {
            "embeds": bool(self._embeds),
            "model": self._model,
            "input": self._sum.delivered_input_tokens,
            "bound": b64encode(self._sum.bound().SerializeToString()).decode(),
        }
        return _READ + orjson.dumps(kept).decode()

    def _refuse(self, failure: RefusedRequest) -> None:
        self._other = not self._sum.count
        self._why = failure.failure.message[:REFUSAL_CHARACTERS_MAX]

    def _take(self, line: bytes, where: str) -> None:
        try:
            with bounded_nesting():
                item = unify(parse_object(line))
                request = unify(mapping(item, "request") or {}, "request")
                self._check_kind(request)
                ask = read_item(item, self._named(request), "", embeds=bool(self._embeds))
        except RefusedRequest as failure:
            raise numbered(failure, where) from None
        self._sum.add(replace(ask, model=""), where)

    def _check_kind(self, request: Fields) -> None:
        embeds = "content" in request
        if self._embeds not in {None, embeds}:
            raise refused("a file holds generations or embeddings, not both.")
        self._embeds = embeds

    def _named(self, request: Fields) -> str:
        named = (text(request, "model", where="request") or "").removeprefix("models/")
        if len(named) > MODEL_CHARACTERS_MAX or (self._model and named not in {"", self._model}):
            raise refused("the requests of a batch must name one model.", "request.model")
        self._model = self._model or named
        return named


def read_item(item: Fields, model: str, where: str, *, embeds: bool) -> Ask:
    """Bound one request of a batch as if it came alone. Raises `RefusedRequest`."""
    param = inside(where, "request")
    document = mapping(unify(item, where), "request", where=where)
    if document is None:
        raise refused(f"'{param}' is required.", param)
    # Tokens are made of the text, which is no longer than this.
    view = RequestView(body=orjson.dumps(document), document=document, path_model=model)
    return read_embedding(view, batch=False) if embeds else read_generate(view, stream=False)


def bound_of_note(notes: Sequence[str], model: str, *, embeds: bool) -> tuple[Bound, int]:
    """What a file's note says that its batch can cost, and our count of its input.

    Raises `RefusedRequest` for a file that no batch can be held for.
    """
    param = "batch.inputConfig.fileName"
    (note,) = notes
    if note.startswith(_REFUSED):
        raise refused(note.removeprefix(_REFUSED), param)
    if not note.startswith(_READ):
        raise refused(_NOT_READ, param)
    kept = orjson.loads(note.removeprefix(_READ))
    if kept["embeds"] != embeds:
        kind = "embeddings" if kept["embeds"] else "generations"
        raise refused(f"The requests of this file are {kind}.", param)
    if kept["model"] not in {"", model}:
        raise refused(f"The requests of this file are for {kept['model']}.", param)
    if any(word in model for word in _OTHER_KINDS):
        raise refused("A batch of this model makes more than text. Send it inline.", param)
    return Bound.FromString(b64decode(kept["bound"])), kept["input"]
