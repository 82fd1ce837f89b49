"""Batches: many generations or embeddings in one request (google/genai/batches.py).

Each request of a batch is bounded as if it came alone, and the batch is held for their sum at the
batch price. When it has ended it holds their answers, each with its own usage.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from mintgate.v1.ledger_pb2 import (
    SETTLED_BY_COUNTED,
    SETTLED_BY_HOLD,
    SETTLED_BY_USAGE,
    Bound,
)
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS

from mintgate_facade.dialects.base import (
    Ask,
    BrokenAnswer,
    LaterWork,
    Reading,
    RefusedRequest,
    RequestView,
)
from mintgate_facade.dialects.batches import LIVES_MS, VARIANTS, BoundSum, numbered
from mintgate_facade.dialects.checks import Fields, forbid, inside, mapping, objects, refused
from mintgate_facade.dialects.gemini.embeddings import read_embedding
from mintgate_facade.dialects.gemini.names import unify
from mintgate_facade.dialects.gemini.request import check_model, check_query, read_generate
from mintgate_facade.dialects.gemini.usage import read_usage
from mintgate_facade.dialects.jobs import Done, Failed, Outcome, Pending, Poll
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.split import Units, add, count, fields

if TYPE_CHECKING:
    from mintgate.v1.jobs_pb2 import Job

OPERATION = "batch"
EMBEDDING = "batch_embed"
KIND = "batch"
DESCRIBED_BY = (
    "fields=name,done,error,metadata(@type,name,displayName,model,state,createTime,updateTime,"
    "endTime,batchStats)"
)
"""What a list tells of each batch: all but its answers, which may be many megabytes."""

_NAME = re.compile(r"batches/([A-Za-z0-9_-]{1,128})")
_WORKING = frozenset({"BATCH_STATE_UNSPECIFIED", "BATCH_STATE_PENDING", "BATCH_STATE_RUNNING"})
_CUT = frozenset({"BATCH_STATE_CANCELLED", "BATCH_STATE_EXPIRED", "BATCH_STATE_FAILED"})
_ENDED = _CUT | {"BATCH_STATE_SUCCEEDED"}
_OUTPUTS = ("inlinedResponses", "inlinedEmbedContentResponses")
_FILE = (
    "The requests of a stored file are not known here before they run. Send them inline, in "
    "'batch.inputConfig.requests'."
)
_FORBIDDEN = {"webhookConfig": "'batch.webhookConfig' would tell others of the batch. Poll it."}

Read = Callable[[RequestView], Ask]


def read_batch(request: RequestView, *, embeds: bool) -> Ask:
    """Bound a batch by the sum of its requests. Raises `RefusedRequest`."""
    check_query(request)
    where = "batch"
    batch = unify(mapping(unify(request.document), where) or {}, where)
    check_model(batch, request.path_model, inside(where, "model"))
    forbid(batch, _FORBIDDEN)
    where = "batch.inputConfig"
    config = unify(mapping(batch, "inputConfig", where="batch") or {}, where)
    if config.get("fileName"):
        raise refused(_FILE, f"{where}.fileName")
    where = f"{where}.requests"
    items = objects(unify(mapping(config, "requests") or {}, where), "requests", where=where)
    total = BoundSum()
    for index, item in enumerate(items):
        _add(total, item, request.path_model, f"{where}.requests[{index}]", embeds=embeds)
    bound, delivered = total.bound(), total.delivered_input_tokens
    state = orjson.dumps({"embeds": embeds, "input": delivered})
    return Ask(
        model=request.path_model,
        bound=bound,
        body=request.body,
        creates=KIND,
        delivered_input_tokens=delivered,
        later=LaterWork(OPERATION, state, {UNIT_INPUT_TOKENS: delivered}, LIVES_MS),
    )


def batch_meter(ask: Ask) -> JsonMeter:
    """Make the meter of a batch that has begun: it only names it."""

    def begun(document: Document | None) -> Reading:
        found = _NAME.fullmatch(str((document or {}).get("name")))
        return Reading(
            units={UNIT_INPUT_TOKENS: ask.delivered_input_tokens},
            basis=SETTLED_BY_COUNTED,
            variants=VARIANTS,
            provider_request_id=found[1] if found else "",
        )

    return JsonMeter(lambda _document: None, lambda document, _size_bytes: begun(document))


class Batch:
    """Reads a batch of either kind."""

    def poll(self, job: Job) -> Poll:
        """Ask for the batch, which holds its answers when it has ended."""
        return Poll(_path(job.object_id))

    def read(self, job: Job, body: bytes) -> Outcome:
        """Tell by its state whether it has ended, and add up what its answers cost."""
        try:
            document = fields(orjson.loads(body))
        except orjson.JSONDecodeError:
            document = {}
        metadata = fields(document.get("metadata"))
        state = metadata.get("state")
        if state in _WORKING:
            return Pending()
        if state not in _ENDED:
            raise BrokenAnswer("a batch without a state")
        answers = _answers(fields(metadata.get("output")) or fields(document.get("response")))
        if answers is None:
            # Whatever was cut off before anything ran has cost nothing.
            return Failed() if state in _CUT else Done(Reading(basis=SETTLED_BY_HOLD))
        return Done(_reading(job, answers), cut=state in _CUT)

    def cancel(self, object_id: str) -> Poll:
        """Cancel it: requests that have not begun then never do."""
        return Poll(f"{_path(object_id)}:cancel", "POST")


def _add(total: BoundSum, item: Fields, model: str, where: str, *, embeds: bool) -> None:
    document = mapping(unify(item, where), "request", where=where)
    if document is None:
        raise refused(f"'{where}.request' is required.", f"{where}.request")
    # Tokens are made of the text, which is no longer than this.
    view = RequestView(body=orjson.dumps(document), document=document, path_model=model)
    try:
        ask = read_embedding(view, batch=False) if embeds else read_generate(view, stream=False)
    except RefusedRequest as failure:
        raise numbered(failure, where) from None
    total.add(ask, where)


def _answers(output: Fields) -> list[dict[str, Any]] | None:
    """The answers within a batch; None when it has none, or keeps them elsewhere."""
    for name in _OUTPUTS:
        listed = fields(output.get(name)).get("inlinedResponses")
        if isinstance(listed, list):
            return [fields(each) for each in listed]
    return None


def _reading(job: Job, answers: list[dict[str, Any]]) -> Reading:
    """Add up the answers; those that failed, expired or were cancelled cost nothing."""
    state = fields(orjson.loads(job.state))
    made = [answer for each in answers if (answer := fields(each.get("response")))]
    reading = Reading(basis=SETTLED_BY_USAGE, variants=VARIANTS, provider_request_id=job.object_id)
    units: Units = {}
    for answer in made:
        used = _embedded(answer) if state.get("embeds") else _generated(answer, reading)
        if used is None:
            return _unstated(job, state)
        add(units, used)
    reading.units = {unit: number for unit, number in units.items() if number}
    return reading


def _generated(answer: dict[str, Any], reading: Reading) -> Units | None:
    reading.model = reading.model or str(answer.get("modelVersion") or "")
    usage = read_usage(answer.get("usageMetadata"), Ask(model="", bound=Bound(), body=b""))
    if usage is None:
        return None
    reading.reasoning_tokens += usage[1]
    return usage[0]


def _embedded(answer: dict[str, Any]) -> Units | None:
    stated = answer.get("tokenCount")
    if isinstance(stated, str) and stated.isascii() and stated.isdigit():
        stated = int(stated[:16])
    tokens = count(stated)
    return {UNIT_INPUT_TOKENS: tokens} if tokens else None


def _unstated(job: Job, state: dict[str, Any]) -> Reading:
    """An answer without usage: embeddings cost our count of all texts, generations the hold."""
    if not state.get("embeds"):
        return Reading(basis=SETTLED_BY_HOLD, provider_request_id=job.object_id)
    return Reading(
        units={UNIT_INPUT_TOKENS: count(state.get("input"))},
        basis=SETTLED_BY_COUNTED,
        variants=VARIANTS,
        provider_request_id=job.object_id,
    )


def _path(batch_id: str) -> str:
    return f"/v1beta/batches/{quote(batch_id, safe='')}"
