"""``/v1/batches``: every request of a file is answered at once, and told about after some looks."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Whole
from mintgate_simulator.batch import answer_alone, one_of
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import CREATED_AT_S

from . import wire

if TYPE_CHECKING:
    from mintgate_simulator.request import Request
    from mintgate_simulator.stored import Files
    from mintgate_simulator.twin import Twin

KEPT_MAX = 1_000
"""Batches kept; the oldest go first."""
REQUESTS_EACH_MAX = 50_000
_DETAILS = ("input_tokens_details", "cached_tokens"), ("output_tokens_details", "reasoning_tokens")


@dataclass(slots=True)
class _Batch:
    document: dict[str, Any]
    output: bytes
    errors: bytes
    usage: dict[str, Any]
    looks: int
    """So many still find it unfinished."""


class Batches:
    """The batches of one simulator."""

    def __init__(self, twin: Twin, files: Files) -> None:
        self._twin = twin
        self._files = files
        self._kept: OrderedDict[str, _Batch] = OrderedDict()

    def respond(self, request: Request, parts: list[str]) -> Whole:
        """The answer about batches; ``parts`` is the path below them."""
        match request.method, parts:
            case "POST", []:
                return wire.whole(request, self._create(request))
            case "GET", []:
                documents = [self._told(batch) for batch in reversed(self._kept.values())]
                body = {"object": "list", "data": documents, "has_more": False}
                return wire.whole(request, body)
            case "GET", [batch_id]:
                batch = self._found(batch_id)
                told = self._told(batch)
                batch.looks = max(0, batch.looks - 1)
                return wire.whole(request, told)
            case "POST", [batch_id, "cancel"]:
                return wire.whole(request, self._cancel(self._found(batch_id)))
        raise Refusal(404, f"Invalid URL ({request.method} {request.path})")

    def _create(self, request: Request) -> dict[str, Any]:
        body = request.json_object("invalid JSON")
        lines = self._files.content(str(body.get("input_file_id"))).splitlines()
        if len(lines) > REQUESTS_EACH_MAX:
            raise Refusal(400, f"A batch holds at most {REQUESTS_EACH_MAX} requests.")
        output, errors = bytearray(), bytearray()
        usages = []
        for index, line in enumerate(lines):
            one = orjson.loads(line)
            answer = self._answer(request, index, one)
            told = {
                "id": f"batch_req_{request.number:020x}{index:04x}",
                "custom_id": one["custom_id"],
                "response": {"status_code": answer.status, "body": orjson.loads(answer.body)},
                "error": None,
            }
            fine = answer.status == 200  # noqa: PLR2004 - HTTP's own number
            (output if fine else errors).extend(orjson.dumps(told) + b"\n")
            if fine:
                usages.append(orjson.loads(answer.body).get("usage") or {})
        batch_id = f"batch_{request.number:024x}"
        document = {
            "id": batch_id,
            "object": "batch",
            "endpoint": body.get("endpoint"),
            "errors": None,
            "input_file_id": body.get("input_file_id"),
            "completion_window": body.get("completion_window"),
            "created_at": CREATED_AT_S,
            "metadata": body.get("metadata"),
            "model": orjson.loads(lines[0])["body"].get("model") if lines else None,
            "request_counts": {
                "total": len(lines),
                "completed": len(usages),
                "failed": len(lines) - len(usages),
            },
        }
        batch = _Batch(
            document, bytes(output), bytes(errors), _total(usages), request.controls.polls
        )
        self._kept[batch_id] = batch
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return {**document, **_files(), "status": "validating", "usage": _total([])}

    def _answer(self, request: Request, index: int, one: dict[str, Any]) -> Whole:
        inner = one_of(request, index, REQUESTS_EACH_MAX, one["url"], one["body"])
        return answer_alone(self._twin, inner)

    def _told(self, batch: _Batch) -> dict[str, Any]:
        if batch.looks:
            return {**batch.document, **_files(), "status": "in_progress", "usage": _total([])}
        if batch.document.get("status") == "cancelled":
            return batch.document
        files = {}
        number = batch.document["id"].removeprefix("batch_")
        for name, content in (("output", batch.output), ("error", batch.errors)):
            file_id = f"file-{name}{number}" if content else None
            if file_id is not None:
                self._files.add(file_id, f"{batch.document['id']}_{name}.jsonl", content)
            files[f"{name}_file_id"] = file_id
        return {
            **batch.document,
            **files,
            "status": "completed",
            "completed_at": CREATED_AT_S,
            "usage": batch.usage,
        }

    def _cancel(self, batch: _Batch) -> dict[str, Any]:
        if not batch.looks:
            return self._told(batch)
        batch.looks = 0
        batch.document |= {**_files(), "status": "cancelled", "usage": _total([])}
        batch.document["request_counts"]["completed"] = 0
        return {**batch.document, "status": "cancelling"}

    def _found(self, batch_id: str) -> _Batch:
        batch = self._kept.get(batch_id)
        if batch is None:
            raise Refusal(404, f"No batch found with id '{batch_id}'.", param="id")
        return batch


def _files() -> dict[str, None]:
    return {"output_file_id": None, "error_file_id": None}


def _total(usages: list[dict[str, Any]]) -> dict[str, Any]:
    """The usage of all requests (openai/types/batch_usage.py); chat says it in older words."""

    def added(*names: str) -> int:
        return sum(next((int(u[n]) for n in names if u.get(n) is not None), 0) for u in usages)

    inputs, outputs = (
        added("input_tokens", "prompt_tokens"),
        added("output_tokens", "completion_tokens"),
    )
    details: dict[str, Any] = {}
    for name, field in _DETAILS:
        older = name.replace("input", "prompt").replace("output", "completion")
        parts = [usage.get(name) or usage.get(older) or {} for usage in usages]
        details[name] = {field: sum(int(part.get(field) or 0) for part in parts)}
    return {
        "input_tokens": inputs,
        "output_tokens": outputs,
        "total_tokens": inputs + outputs,
        **details,
    }
