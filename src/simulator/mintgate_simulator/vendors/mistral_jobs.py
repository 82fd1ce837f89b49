"""Mistral's files as it describes them, and ``/v1/batch/jobs``, whose results state the usage."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Whole
from mintgate_simulator.batch import answer_alone, one_of
from mintgate_simulator.openai import wire
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import CREATED_AT_S
from mintgate_simulator.stored import FileShape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mintgate_simulator.request import Request
    from mintgate_simulator.stored import Files
    from mintgate_simulator.twin import Twin

KEPT_MAX = 1_000
"""Jobs kept; the oldest go first."""
REQUESTS_EACH_MAX = 10_000


@dataclass(slots=True)
class _Job:
    document: dict[str, Any]
    output: bytes
    errors: bytes
    looks: int
    """So many still find it running."""


class MistralJobs:
    """The batch jobs of one simulator: each request is answered when the job is made."""

    def __init__(self, twin: Twin, files: Files) -> None:
        self._twin = twin
        self._files = files
        self._kept: OrderedDict[str, _Job] = OrderedDict()

    def respond(self, request: Request, parts: list[str]) -> Whole:
        """The answer about jobs; ``parts`` is the path below them."""
        match request.method, parts:
            case "POST", []:
                return wire.whole(request, self._create(request))
            case "GET", []:
                told = [self._told(job) for job in reversed(self._kept.values())]
                return wire.whole(request, {"object": "list", "data": told, "total": len(told)})
            case "GET", [job_id]:
                job = self._found(job_id)
                document = self._told(job)
                job.looks = max(0, job.looks - 1)
                return wire.whole(request, document)
            case "POST", [job_id, "cancel"]:
                return wire.whole(request, self._cancel(self._found(job_id)))
            case "DELETE", [job_id]:
                self._found(job_id)
                del self._kept[job_id]
                body = {"id": job_id, "object": "batch", "deleted": True}
                return wire.whole(request, body)
        raise Refusal(404, f"Invalid URL ({request.method} {request.path})")

    def _create(self, request: Request) -> dict[str, Any]:
        body = request.json_object("invalid JSON")
        inputs = body.get("input_files") or []
        lines = body.get("requests") or [
            orjson.loads(line)
            for file_id in inputs
            for line in self._files.content(file_id).splitlines()
        ]
        if not 0 < len(lines) <= REQUESTS_EACH_MAX:
            raise Refusal(422, "The batch has no requests.", param="requests", code="value_error")
        output, errors, succeeded = bytearray(), bytearray(), 0
        for index, line in enumerate(lines):
            answer = self._answer(request, index, body, line)
            told = {
                "id": f"{request.number:08x}{index:04x}",
                "custom_id": line.get("custom_id"),
                "response": {"status_code": answer.status, "body": orjson.loads(answer.body)},
                "error": None,
            }
            fine = answer.status == 200  # noqa: PLR2004 - HTTP's own number
            succeeded += fine
            (output if fine else errors).extend(orjson.dumps(told) + b"\n")
        job_id = f"{request.number:032x}"
        document = {
            "id": job_id,
            "object": "batch",
            "input_files": inputs,
            "endpoint": body.get("endpoint"),
            "model": body.get("model"),
            "metadata": body.get("metadata"),
            "errors": [],
            "created_at": CREATED_AT_S,
            "total_requests": len(lines),
            "completed_requests": len(lines),
            "succeeded_requests": succeeded,
            "failed_requests": len(lines) - succeeded,
        }
        job = _Job(document, bytes(output), bytes(errors), request.controls.polls)
        self._kept[job_id] = job
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return {**document, **_none_yet(), "status": "QUEUED"}

    def _answer(
        self, request: Request, index: int, job: Mapping[str, Any], line: Mapping[str, Any]
    ) -> Whole:
        body = {"model": job.get("model"), **line["body"]}
        path = str(job.get("endpoint"))
        return answer_alone(self._twin, one_of(request, index, REQUESTS_EACH_MAX, path, body))

    def _told(self, job: _Job) -> dict[str, Any]:
        if job.looks:
            return {**job.document, **_none_yet(), "status": "RUNNING"}
        if job.document.get("status") == "CANCELLED":
            return job.document
        files = {}
        for name, content in (("output_file", job.output), ("error_file", job.errors)):
            file_id = f"{name}-{job.document['id']}" if content else None
            if file_id is not None:
                self._files.add(file_id, f"{file_id}.jsonl", content)
            files[name] = file_id
        return {**job.document, **files, "status": "SUCCESS", "completed_at": CREATED_AT_S}

    def _cancel(self, job: _Job) -> dict[str, Any]:
        if not job.looks:
            return self._told(job)
        job.looks = 0
        job.document |= {**_none_yet(), "status": "CANCELLED"}
        return {**job.document, "status": "CANCELLATION_REQUESTED"}

    def _found(self, job_id: str) -> _Job:
        job = self._kept.get(job_id)
        if job is None:
            raise Refusal(404, f"No job found with id '{job_id}'.", param="id")
        return job


def _none_yet() -> dict[str, Any]:
    return {
        "output_file": None,
        "error_file": None,
        "completed_requests": 0,
        "succeeded_requests": 0,
        "failed_requests": 0,
    }


def _described(file_id: str, filename: str, size: int, fields: Mapping[str, str]) -> dict[str, Any]:
    """The file as ``mistralai/client/models/fileschema.py`` has it."""
    return {
        "id": file_id,
        "object": "file",
        "bytes": size,
        "created_at": CREATED_AT_S,
        "filename": filename,
        "purpose": fields.get("purpose", "ocr"),
        "sample_type": "batch_request" if fields.get("purpose") == "batch" else "ocr_input",
        "num_lines": None,
        "source": "upload",
        "deleted": False,
    }


FILES = FileShape(
    prefix="",
    describe=_described,
    deleted=lambda file_id: {"id": file_id, "object": "file", "deleted": True},
    whole=wire.whole,
    binary=lambda request, content: Whole(
        200, wire.headers(request, b"application/octet-stream"), content
    ),
    cursor="page",
)
