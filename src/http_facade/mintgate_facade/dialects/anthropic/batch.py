"""Message batches: many messages in one request (anthropic/types/messages/message_batch.py).

The batch itself states no usage. Its results do, each message its own, one a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from mintgate.v1.ledger_pb2 import SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_CACHE_WRITE_1H_TOKENS, UNIT_INPUT_TOKENS

from mintgate_facade.dialects.anthropic.request import read_message
from mintgate_facade.dialects.anthropic.usage import MessageUsage
from mintgate_facade.dialects.base import (
    Ask,
    BrokenAnswer,
    LaterWork,
    Reading,
    RefusedRequest,
    RequestView,
)
from mintgate_facade.dialects.batches import LIVES_MS, VARIANTS, BoundSum, numbered
from mintgate_facade.dialects.checks import array, element, mapping, refused
from mintgate_facade.dialects.jobs import Done, Further, Outcome, Pending, Poll, object_of
from mintgate_facade.dialects.results import ResultLines
from mintgate_facade.dialects.split import Units, add, fields

if TYPE_CHECKING:
    from mintgate.v1.jobs_pb2 import Job

    from mintgate_facade.dialects.anthropic.flavor import Flavor

OPERATION = "batch"

_WORKING = frozenset({"in_progress", "canceling"})
_BY_BATCH = "service_tier="
"""Every result of a batch names the tier "batch", which is what a batch costs anyway."""


def read_batch(request: RequestView, flavor: Flavor) -> Ask:
    """Bound a batch by the sum of its messages. Raises `RefusedRequest`."""
    requests = array(request.document, "requests")
    if requests is None:
        raise refused("requests: Field required", "requests", "missing_required_parameter")
    total = BoundSum()
    for index, value in enumerate(requests):
        where = f"requests[{index}]"
        params = mapping(element(value, where), "params", where=where)
        if params is None:
            raise refused(f"{where}.params: Field required", f"{where}.params")
        try:
            # Tokens are made of the text, which is no longer than this.
            ask = read_message(RequestView(body=orjson.dumps(params), document=params), flavor)
        except RefusedRequest as failure:
            raise numbered(failure, where) from None
        total.add(ask, where)
    bound, delivered = total.bound(), total.delivered_input_tokens
    state = orjson.dumps({"cached_1h": UNIT_CACHE_WRITE_1H_TOKENS in bound.input_units})
    return Ask(
        model=total.model,
        bound=bound,
        body=request.body,
        creates="batch",
        delivered_input_tokens=delivered,
        later=LaterWork(OPERATION, state, {UNIT_INPUT_TOKENS: delivered}, LIVES_MS),
    )


class MessageBatch:
    """Reads a batch, and when it has ended its results."""

    def poll(self, job: Job) -> Poll:
        """Ask for the batch."""
        return Poll(_path(job.object_id))

    def read(self, job: Job, body: bytes) -> Outcome | Further:
        """Tell by its status whether there are results."""
        status = object_of(body).get("processing_status")
        if status in _WORKING:
            return Pending()
        if status != "ended":
            raise BrokenAnswer("a batch without a status")
        state = orjson.loads(job.state) if job.state else {}
        cached_1h = bool(state.get("cached_1h"))
        return Further(
            Poll(f"{_path(job.object_id)}/results"), Results(job.object_id, cached_1h=cached_1h)
        )

    def cancel(self, object_id: str) -> Poll:
        """Cancel it: requests that have not begun then never do."""
        return Poll(f"{_path(object_id)}/cancel", "POST")


class Results:
    """Adds up the usage of each result as its line arrives."""

    def __init__(self, batch_id: str, *, cached_1h: bool) -> None:
        self._cached_1h = cached_1h
        self._lines = ResultLines(self._take)
        self._units: Units = {}
        self._variants: set[str] = set()
        self._reading = Reading(basis=SETTLED_BY_USAGE, provider_request_id=batch_id)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._lines.feed(data)

    def outcome(self) -> Outcome:
        """What all messages cost; those that failed, expired or were cancelled cost nothing."""
        self._lines.end()
        reading = self._reading
        reading.units = {unit: number for unit, number in self._units.items() if number}
        reading.variants = (*VARIANTS, *sorted(self._variants))
        return Done(reading)

    def _take(self, document: dict[str, Any]) -> None:
        result = fields(document.get("result"))
        if result.get("type") != "succeeded":
            return
        message = fields(result.get("message"))
        usage = MessageUsage(cached_1h=self._cached_1h)
        usage.merge(message.get("usage"))
        add(self._units, usage.units())
        self._variants.update(v for v in usage.variants() if not v.startswith(_BY_BATCH))
        self._reading.reasoning_tokens += usage.reasoning_tokens
        self._reading.model = self._reading.model or str(message.get("model") or "")


def _path(batch_id: str) -> str:
    return f"/v1/messages/batches/{quote(batch_id, safe='')}"
