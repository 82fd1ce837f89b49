"""Batches: a stored file of requests, one a line (openai/types/batch_create_params.py).

The file is read when it is stored, and its bound is kept with it as a note; the batch is held
for by that note. `Batch.usage` is the charge of all its requests together.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from mintgate.v1.ledger_pb2 import SETTLED_BY_HOLD, SETTLED_BY_USAGE, Bound
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS

from mintgate_facade.dialects.base import (
    Ask,
    BrokenAnswer,
    FileReader,
    LaterWork,
    ObjectName,
    Policy,
    Reading,
    RefusedRequest,
    RequestView,
    Route,
)
from mintgate_facade.dialects.batches import (
    LIVES_MS,
    VARIANTS,
    BoundSum,
    RequestLines,
    numbered,
)
from mintgate_facade.dialects.checks import choice, mapping, refused, text
from mintgate_facade.dialects.jobs import Done, Failed, Outcome, Pending, Poll, object_of
from mintgate_facade.dialects.jsontext import parse_object
from mintgate_facade.dialects.openai.usage import keeps_long, read_usage
from mintgate_facade.dialects.split import count, fields

if TYPE_CHECKING:
    from mintgate.v1.jobs_pb2 import Job

OPERATION = "batch"
PURPOSE = "batch"
NOTE_CHARACTERS_MAX = 512

_OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
    "/v1/responses": "responses",
}
_ENDPOINTS = frozenset(_OPERATIONS)
_WORKING = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
_CUT = frozenset({"cancelled", "expired"})
_NOT_READ = (
    "The requests of this file are not known here. Upload it through this gateway, with the "
    "purpose 'batch'."
)

_KEPT = (
    "the usage of a batch does not tell what is kept in the cache for longer, at a price of its "
    "own. Leave 'ttl' out."
)

Read = Callable[[Route, RequestView], Ask]


def reads(read: Read) -> Callable[[Mapping[str, Any]], FileReader | None]:
    """Make what reads the files of batches, each request with `read`."""
    return lambda form: BatchFile(read) if form.get("purpose") == PURPOSE else None


class BatchFile:
    """Reads a file of requests as it passes, and adds up their bounds."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._lines = RequestLines(self._take)
        self._endpoint = ""
        self._sum = BoundSum()

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `RefusedRequest` for a line that cannot be bounded."""
        self._lines.feed(data)

    def note(self) -> str:
        """The sum of all lines. Raises `RefusedRequest` when there are none."""
        self._lines.end()
        bound = self._sum.bound()
        kept = {
            "endpoint": self._endpoint,
            "model": self._sum.model,
            "input": self._sum.delivered_input_tokens,
            "bound": b64encode(bound.SerializeToString()).decode(),
        }
        note = orjson.dumps(kept).decode()
        if len(note) > NOTE_CHARACTERS_MAX:
            raise refused("The name of the model is too long for a batch.")
        return note

    def _take(self, line: bytes, where: str) -> None:
        try:
            ask = self._bounded(line)
        except RefusedRequest as failure:
            raise numbered(failure, where) from None
        self._sum.add(ask, where)

    def _bounded(self, line: bytes) -> Ask:
        document = parse_object(line)
        choice(document, "method", frozenset({"POST"}))
        endpoint = choice(document, "url", _ENDPOINTS) or ""
        body = mapping(document, "body")
        if not endpoint or body is None:
            raise refused("'url' and 'body' are required.")
        if self._endpoint not in {"", endpoint}:
            raise refused("all requests of a batch must have one 'url'.", "url")
        self._endpoint = endpoint
        route = Route("POST", endpoint, Policy.METERED, _OPERATIONS[endpoint])
        # The whole line stands for the body: it is the longer of the two, and bounds more.
        ask = self._read(route, RequestView(body=line, document=body))
        if keeps_long(ask):
            raise refused(_KEPT, "prompt_cache_options.ttl", "unsupported_parameter")
        return ask


def read_batch(request: RequestView) -> Ask:
    """Read `POST /batches`: what it costs at most is in the note on its file."""
    document = request.document
    file_id = text(document, "input_file_id")
    if not file_id:
        raise refused("Missing required parameter: 'input_file_id'.", "input_file_id")
    endpoint = choice(document, "endpoint", _ENDPOINTS)
    if not endpoint:
        raise refused("Missing required parameter: 'endpoint'.", "endpoint")
    # Whatever takes longer than two days has no hold that lives so long.
    if choice(document, "completion_window", frozenset({"24h"})) is None:
        raise refused("Missing required parameter: 'completion_window'.", "completion_window")
    ask = Ask(
        model="",
        bound=Bound(),
        body=request.body,
        uses=(ObjectName("file", file_id),),
        creates="batch",
    )
    return replace(ask, noted=partial(_noted, ask, endpoint))


def _noted(ask: Ask, endpoint: str, notes: Sequence[str]) -> Ask:
    (note,) = notes
    if not note:
        raise refused(_NOT_READ, "input_file_id")
    kept = orjson.loads(note)
    if kept["endpoint"] != endpoint:
        raise refused(f"The requests of this file are for {kept['endpoint']}.", "endpoint")
    delivered = kept["input"]
    return replace(
        ask,
        model=kept["model"],
        bound=Bound.FromString(b64decode(kept["bound"])),
        delivered_input_tokens=delivered,
        later=LaterWork(OPERATION, b"", {UNIT_INPUT_TOKENS: delivered}, LIVES_MS),
        noted=None,
    )


class Batch:
    """Reads a batch of any vendor that speaks this API."""

    def poll(self, job: Job) -> Poll:
        """Ask for the batch."""
        return Poll(f"/batches/{quote(job.object_id, safe='')}")

    def read(self, job: Job, body: bytes) -> Outcome:  # noqa: ARG002 - the protocol
        """Tell by its status whether it has ended, and by its usage what all of it cost."""
        document = object_of(body)
        return unended(document) or Done(_reading(document), cut=was_cut(document))

    def cancel(self, object_id: str) -> Poll:
        """Cancel it: requests that have not begun then never do."""
        return Poll(f"/batches/{quote(object_id, safe='')}/cancel", "POST")


def unended(document: Mapping[str, Any]) -> Pending | Failed | None:
    """Why there is nothing to charge for a batch yet, or ever; None when it has ended.

    Raises `BrokenAnswer` when it does not say.
    """
    status = _status(document)
    if status in _WORKING:
        return Pending()
    if status == "failed":
        # Its file was refused: nothing has run.
        return Failed()
    if status != "completed" and not was_cut(document):
        raise BrokenAnswer("a batch without a status")
    return None


def was_cut(document: Mapping[str, Any]) -> bool:
    """Whether it was cancelled, or took too long."""
    return _status(document) in _CUT


def _status(document: Mapping[str, Any]) -> str:
    said = document.get("status")
    return said if isinstance(said, str) else ""


def _reading(document: dict[str, Any]) -> Reading:
    model, batch_id = str(document.get("model") or ""), str(document.get("id") or "")
    usage = read_usage(document.get("usage"))
    units, reasoning = usage or ({}, 0)
    ran = count(fields(document.get("request_counts")).get("completed"))
    if ran and not any(units.values()):
        return Reading(basis=SETTLED_BY_HOLD, provider_request_id=batch_id)
    return Reading(
        units={unit: number for unit, number in units.items() if number},
        basis=SETTLED_BY_USAGE,
        variants=VARIANTS,
        model=model,
        provider_request_id=batch_id,
        reasoning_tokens=reasoning,
    )
