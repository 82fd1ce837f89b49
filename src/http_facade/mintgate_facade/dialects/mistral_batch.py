"""Mistral's batch jobs: a stored file of bodies, or the bodies in the request itself.

Unlike OpenAI's, a line has neither a method nor an address, and mostly no model: the job names
the endpoint and the model for all of them. A job states no usage; its results do, one a line.
Sources: mistralai/client/models/createbatchjobrequest.py, batchjob.py.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
from mintgate.v1.ledger_pb2 import Bound
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS

from mintgate_facade.dialects.base import (
    Ask,
    FileReader,
    LaterWork,
    Meter,
    ObjectName,
    Policy,
    Reading,
    RefusedRequest,
    RequestView,
    Route,
)
from mintgate_facade.dialects.batches import (
    LIVES_MS,
    BoundSum,
    RequestLines,
    numbered,
)
from mintgate_facade.dialects.checks import (
    Fields,
    array,
    choice,
    element,
    forbid,
    integer,
    mapping,
    model_name,
    refused,
)
from mintgate_facade.dialects.jsonbody import JsonMeter
from mintgate_facade.dialects.jsontext import parse_object
from mintgate_facade.dialects.mistral_batch_end import JOB
from mintgate_facade.dialects.openai import Operation
from mintgate_facade.dialects.openai.batch import (
    NOTE_CHARACTERS_MAX,
    PURPOSE,
    Read,
)
from mintgate_facade.dialects.split import fields
from mintgate_facade.dialects.terms import Terms

OPERATION = "batch"
HOURS_MAX = 24
"""Whatever takes longer has no hold that lives so long."""
OF_THE_JOB = "the-model-of-the-job"
"""Stands for the model of a line that names none; no request to Mistral has it."""

_ENDPOINTS = {
    "messages": ("/v1/chat/completions", "chat"),
    "prompt": ("/v1/fim/completions", "fim"),
    "input": ("/v1/embeddings", "embeddings"),
}
"""By the field that tells what a body is for: a line does not say it otherwise."""
_SERVED = frozenset(endpoint for endpoint, _ in _ENDPOINTS.values())
_NOT_READ = (
    "The requests of this file are not known here. Upload it through this gateway, with the "
    "purpose 'batch'."
)
_AGENT = "Agents are stored in the operator's account. Name a model."


class Requests:
    """Adds up the bodies of a batch, however they come."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._sum = BoundSum()
        self.endpoint = ""

    def add(self, body: Fields | None, written: bytes, where: str) -> None:
        """Add one body; `written` is no shorter than it. Raises `RefusedRequest`."""
        if body is None:
            raise refused(f"{where}: 'body' is required.")
        endpoint, operation = _endpoint(body, where)
        if self.endpoint not in {"", endpoint}:
            raise refused(f"{where}: the requests of a batch must be for one endpoint.")
        self.endpoint = endpoint
        document = body if body.get("model") is not None else {**body, "model": OF_THE_JOB}
        route = Route("POST", endpoint, Policy.METERED, operation)
        try:
            ask = self._read(route, RequestView(body=written, document=document))
        except RefusedRequest as failure:
            raise numbered(failure, where) from None
        self._sum.add(ask, where)

    def kept(self) -> dict[str, Any]:
        """What a job is held for by, as the note on a file. Raises `RefusedRequest`."""
        return {
            "endpoint": self.endpoint,
            "bound": b64encode(self._sum.bound().SerializeToString()).decode(),
            "model": "" if self._sum.model == OF_THE_JOB else self._sum.model,
            "input": self._sum.delivered_input_tokens,
        }


class BatchFile:
    """Reads a file of bodies as it passes."""

    def __init__(self, read: Read) -> None:
        self._requests = Requests(read)
        self._lines = RequestLines(self._take)

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `RefusedRequest` for a line that cannot be bounded."""
        self._lines.feed(data)

    def note(self) -> str:
        """The sum of all lines. Raises `RefusedRequest` when there are none."""
        self._lines.end()
        note = orjson.dumps(self._requests.kept()).decode()
        if len(note) > NOTE_CHARACTERS_MAX:
            raise refused("The name of the model is too long for a batch.")
        return note

    def _take(self, line: bytes, where: str) -> None:
        try:
            body = mapping(parse_object(line), "body")
        except RefusedRequest as failure:
            raise numbered(failure, where) from None
        self._requests.add(body, line, where)


def reads(read: Read, form: Mapping[str, Any]) -> FileReader | None:
    """Choose what reads a file that is stored: only one of requests is looked at."""
    return BatchFile(read) if form.get("purpose") == PURPOSE else None


def read_job(read: Read, request: RequestView) -> Ask:
    """Read `POST /v1/batch/jobs`: held for by the note on its file, or by its own requests."""
    document = request.document
    forbid(document, {"agent_id": _AGENT})
    endpoint = choice(document, "endpoint", _SERVED)
    if not endpoint:
        raise refused("Missing required parameter: 'endpoint'.", "endpoint")
    integer(document, "timeout_hours", 1, HOURS_MAX)
    model = model_name(document) if document.get("model") is not None else ""
    ask = Ask(model=model, bound=Bound(), body=request.body, creates="batch")
    bodies, files = array(document, "requests") or (), array(document, "input_files") or ()
    if bool(bodies) == bool(files):
        raise refused("Name either 'input_files' or 'requests'.", "input_files")
    if bodies:
        requests = Requests(read)
        for index, value in enumerate(bodies):
            where = f"requests[{index}]"
            body = mapping(element(value, where), "body", where=where)
            requests.add(body, orjson.dumps(body), where)
        return _held_by(ask, endpoint, requests.kept())
    if len(files) != 1 or not isinstance(files[0], str):
        raise refused("'input_files' must hold the id of one file.", "input_files")
    return replace(ask, uses=(ObjectName("file", files[0]),), noted=partial(_noted, ask, endpoint))


def _noted(ask: Ask, endpoint: str, notes: Sequence[str]) -> Ask:
    (note,) = notes
    if not note:
        raise refused(_NOT_READ, "input_files")
    return replace(_held_by(ask, endpoint, orjson.loads(note)), noted=None)


def _held_by(ask: Ask, endpoint: str, kept: Mapping[str, Any]) -> Ask:
    if kept["endpoint"] != endpoint:
        raise refused(f"The requests of this batch are for {kept['endpoint']}.", "endpoint")
    model = kept["model"] or ask.model
    if not model:
        raise refused("You must provide a model parameter.", "model")
    if ask.model and ask.model != model:
        raise refused(f"The requests of this batch name the model {model[:64]!r}.", "model")
    delivered = kept["input"]
    return replace(
        ask,
        model=model,
        bound=Bound.FromString(b64decode(kept["bound"])),
        delivered_input_tokens=delivered,
        later=LaterWork(JOB, b"", {UNIT_INPUT_TOKENS: delivered}, LIVES_MS),
    )


def job_meter(ask: Ask, content_type: str) -> Meter:  # noqa: ARG001 - it charges nothing yet
    """Read the name of a job that has begun."""

    def named(document: dict[str, Any] | None, _size_bytes: int) -> Reading:
        return Reading(provider_request_id=str(fields(document).get("id") or ""))

    return JsonMeter(lambda _document: None, named)


def operation(read: Read) -> Operation:
    """How jobs are read, whose single requests `read` reads."""
    return Operation(
        partial(read_job, read),
        job_meter,
        Terms(
            "the sum of what each request is bounded by, at the batch price where there is one; "
            "requests for one model and endpoint, in a file of the key's or in the body",
            "the usage that each result states, at the end",
        ),
    )


def _endpoint(body: Fields, where: str) -> tuple[str, str]:
    for name, found in _ENDPOINTS.items():
        if body.get(name) is not None:
            return found
    raise refused(f"{where}: only chat, fim and embeddings are served in a batch.")
