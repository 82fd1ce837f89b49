"""``/v1/messages/batches``: each message is made at once, and told about after some looks."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Whole
from mintgate_simulator.batch import one_of
from mintgate_simulator.refusal import Refusal

from . import wire

if TYPE_CHECKING:
    from mintgate_simulator.request import Request
    from mintgate_simulator.stored import Files
    from mintgate_simulator.twin import Twin

KEPT_MAX = 1_000
"""Batches kept; the oldest go first."""
REQUESTS_EACH_MAX = 100_000
_MADE_AT = "2026-09-22T00:00:00Z"
_JSONL = b"application/x-jsonl"


@dataclass(slots=True)
class _Batch:
    batch_id: str
    results: list[dict[str, Any]]
    looks: int
    """So many still find it unfinished."""
    cancelled: bool = False

    def document(self) -> dict[str, Any]:
        """What it looks like now."""
        ended = not self.looks
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        for result in self.results:
            counts[result["result"]["type"] if ended else "processing"] += 1
        return {
            "id": self.batch_id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": counts,
            "created_at": _MADE_AT,
            "expires_at": "2026-09-23T00:00:00Z",
            "ended_at": _MADE_AT if ended else None,
            "cancel_initiated_at": _MADE_AT if self.cancelled else None,
            "archived_at": None,
            "results_url": (
                f"https://api.anthropic.com/v1/messages/batches/{self.batch_id}/results"
                if ended
                else None
            ),
        }


class Batches:
    """The batches of one simulator."""

    def __init__(self, twin: Twin, _files: Files) -> None:
        self._twin = twin
        self._kept: OrderedDict[str, _Batch] = OrderedDict()

    def respond(self, request: Request, parts: list[str]) -> Whole:
        """The answer about batches; ``parts`` is the path below them."""
        match request.method, parts:
            case "POST", []:
                return wire.whole(request, self._create(request).document())
            case "GET", []:
                documents = [batch.document() for batch in reversed(self._kept.values())]
                return wire.whole(request, {"data": documents, "has_more": False})
            case "GET", [batch_id]:
                batch = self._found(batch_id)
                told = batch.document()
                batch.looks = max(0, batch.looks - 1)
                return wire.whole(request, told)
            case "GET", [batch_id, "results"]:
                return self._results(request, self._found(batch_id))
            case "POST", [batch_id, "cancel"]:
                batch = self._found(batch_id)
                if batch.looks:
                    batch.looks, batch.cancelled = 0, True
                    batch.results = [
                        {**each, "result": {"type": "canceled"}} for each in batch.results
                    ]
                return wire.whole(request, batch.document())
            case "DELETE", [batch_id]:
                self._found(batch_id)
                del self._kept[batch_id]
                return wire.whole(request, {"id": batch_id, "type": "message_batch_deleted"})
        raise Refusal(404, "Not Found")

    def _create(self, request: Request) -> _Batch:
        asked = request.json_object("invalid JSON").get("requests")
        if not isinstance(asked, list) or not asked or len(asked) > REQUESTS_EACH_MAX:
            raise Refusal(400, f"requests: from 1 to {REQUESTS_EACH_MAX} are needed")
        results = [
            {"custom_id": one["custom_id"], "result": self._result(request, index, one["params"])}
            for index, one in enumerate(asked)
        ]
        batch = _Batch(f"msgbatch_{request.number:024x}", results, request.controls.polls)
        self._kept[batch.batch_id] = batch
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return batch

    def _result(self, request: Request, index: int, params: dict[str, Any]) -> dict[str, Any]:
        inner = one_of(request, index, REQUESTS_EACH_MAX, "/v1/messages", params)
        try:
            answer = self._twin.respond(inner)
        except Refusal as refusal:
            error = orjson.loads(self._twin.refuse(inner, refusal).body)
            return {"type": "errored", "error": error}
        if not isinstance(answer, Whole):
            raise Refusal(400, "requests: a message of a batch cannot be streamed")
        message = orjson.loads(answer.body)
        if message.get("usage"):
            message["usage"]["service_tier"] = "batch"
        return {"type": "succeeded", "message": message}

    def _results(self, request: Request, batch: _Batch) -> Whole:
        if batch.looks:
            raise Refusal(400, f"Batch {batch.batch_id} has no available results.")
        body = b"".join(orjson.dumps(each) + b"\n" for each in batch.results)
        return Whole(200, wire.headers(request, _JSONL), body)

    def _found(self, batch_id: str) -> _Batch:
        batch = self._kept.get(batch_id)
        if batch is None:
            raise Refusal(404, f"Message batch {batch_id} not found")
        return batch
