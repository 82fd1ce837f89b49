"""Batches: many generations or embeddings in one request (google/genai/batches.py).

Each request of a batch is bounded as if it came alone, and the batch is held for their sum at the
batch price. They stand in it, or in a file that was read when it was stored. When the batch has
ended it holds their answers, each with its own usage, or names the file of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, Bound
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS

from mintgate_facade.dialects.base import (
    Ask,
    LaterWork,
    ObjectName,
    Reading,
    RefusedRequest,
    RequestView,
)
from mintgate_facade.dialects.batches import LIVES_MS, VARIANTS, BoundSum, numbered
from mintgate_facade.dialects.checks import Fields, forbid, inside, mapping, objects, refused, text
from mintgate_facade.dialects.gemini.batch_file import bound_of_note, read_item
from mintgate_facade.dialects.gemini.content import stored_file
from mintgate_facade.dialects.gemini.names import unify
from mintgate_facade.dialects.gemini.request import check_model, check_query
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.split import fields

OPERATION = "batch"
EMBEDDING = "batch_embed"
KIND = "batch"
DESCRIBED_BY = (
    "fields=name,done,error,metadata(@type,name,displayName,model,state,createTime,updateTime,"
    "endTime,batchStats,output/responsesFile)"
)
"""All of a batch but its inline answers, which may be many megabytes."""

_NAME = re.compile(r"batches/([A-Za-z0-9_-]{1,128})")
_CONFIG = "batch.inputConfig"
_FORBIDDEN = {"webhookConfig": "'batch.webhookConfig' would tell others of the batch. Poll it."}


def read_batch(request: RequestView, *, embeds: bool) -> Ask:
    """Bound a batch by the sum of its requests. Raises `RefusedRequest`."""
    check_query(request)
    batch = unify(mapping(unify(request.document), "batch") or {}, "batch")
    check_model(batch, request.path_model, "batch.model")
    forbid(batch, _FORBIDDEN)
    config = unify(mapping(batch, "inputConfig", where="batch") or {}, _CONFIG)
    ask = Ask(request.path_model, Bound(), request.body, creates=KIND)
    named = text(config, "fileName", where=_CONFIG)
    if not named:
        return _bounded(ask, *_inline(config, request.path_model, embeds=embeds), embeds=embeds)
    file = stored_file(named)
    param = inside(_CONFIG, "fileName")
    if file is None:
        raise refused(f"'{param}' must be the name of a file, files/...", param)
    if config.get("requests"):
        raise refused(f"Set '{_CONFIG}.requests' or '{param}', not both.", param)
    return replace(ask, uses=(file,), noted=partial(_noted, ask, embeds))


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


def files_of(document: Mapping[str, Any]) -> Sequence[ObjectName]:
    """The file of a batch's answers, where it names one."""
    output = fields(fields(document.get("metadata")).get("output"))
    file = stored_file(str(output.get("responsesFile")))
    return () if file is None else (file,)


def _inline(config: Fields, model: str, *, embeds: bool) -> tuple[Bound, int]:
    """The sum of the requests that stand in a batch, and our count of their input."""
    where = f"{_CONFIG}.requests"
    items = objects(unify(mapping(config, "requests") or {}, where), "requests", where=where)
    total = BoundSum()
    for index, item in enumerate(items):
        place = f"{where}.requests[{index}]"
        try:
            ask = read_item(item, model, place, embeds=embeds)
        except RefusedRequest as failure:
            raise numbered(failure, place) from None
        total.add(ask, place)
    return total.bound(), total.delivered_input_tokens


def _noted(ask: Ask, embeds: bool, notes: Sequence[str]) -> Ask:  # noqa: FBT001 - bound by `partial`
    bound, delivered = bound_of_note(notes, ask.model, embeds=embeds)
    return _bounded(ask, bound, delivered, embeds=embeds)


def _bounded(ask: Ask, bound: Bound, delivered: int, *, embeds: bool) -> Ask:
    state = orjson.dumps({"embeds": embeds, "input": delivered})
    return replace(
        ask,
        bound=bound,
        delivered_input_tokens=delivered,
        later=LaterWork(OPERATION, state, {UNIT_INPUT_TOKENS: delivered}, LIVES_MS),
    )
