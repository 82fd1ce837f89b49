"""How a batch job of Mistral's ends, and what it cost: the usage of each result, one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mintgate.v1.ledger_pb2 import SETTLED_BY_HOLD, SETTLED_BY_USAGE

from mintgate_facade.dialects.base import BrokenAnswer, Reading
from mintgate_facade.dialects.batches import VARIANTS
from mintgate_facade.dialects.jobs import Done, Failed, Further, Outcome, Pending, Poll, object_of
from mintgate_facade.dialects.openai.usage import read_usage
from mintgate_facade.dialects.results import ResultLines
from mintgate_facade.dialects.split import Units, add, count, fields

if TYPE_CHECKING:
    from mintgate.v1.jobs_pb2 import Job

JOB = "mistral_batch"

_WORKING = frozenset({"QUEUED", "RUNNING", "CANCELLATION_REQUESTED"})
_ENDED = frozenset({"SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED"})
_SUCCESS = 200


class MistralBatch:
    """Reads a job, and when it has ended its results."""

    def poll(self, job: Job) -> Poll:
        """Ask for the job."""
        return Poll(_path(job.object_id))

    def read(self, job: Job, body: bytes) -> Outcome | Further:
        """Tell by its status whether there are results."""
        document = object_of(body)
        status = document.get("status")
        if status in _WORKING:
            return Pending()
        if status not in _ENDED:
            raise BrokenAnswer("a job without a status")
        cut = status != "SUCCESS"
        output = document.get("output_file")
        if isinstance(output, str) and output:
            path = f"/v1/files/{quote(output, safe='')}/content"
            return Further(Poll(path), Results(job.object_id, cut=cut))
        if not count(document.get("succeeded_requests")):
            return Failed()
        # Something was made, and nothing tells what it cost.
        reading = Reading(basis=SETTLED_BY_HOLD, provider_request_id=job.object_id)
        return Done(reading, cut=cut)

    def cancel(self, object_id: str) -> Poll:
        """Cancel it: requests that have not begun then never do."""
        return Poll(f"{_path(object_id)}/cancel", "POST")


class Results:
    """Adds up the usage of each result as its line arrives."""

    def __init__(self, job_id: str, *, cut: bool) -> None:
        self._job_id = job_id
        self._cut = cut
        self._lines = ResultLines(self._take)
        self._units: Units = {}
        self._model = ""
        self._unstated = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._lines.feed(data)

    def outcome(self) -> Outcome:
        """What all requests cost; those that failed cost nothing."""
        self._lines.end()
        if self._unstated:
            reading = Reading(basis=SETTLED_BY_HOLD, provider_request_id=self._job_id)
            return Done(reading, cut=self._cut)
        reading = Reading(
            units={unit: number for unit, number in self._units.items() if number},
            basis=SETTLED_BY_USAGE,
            variants=VARIANTS,
            model=self._model,
            provider_request_id=self._job_id,
        )
        return Done(reading, cut=self._cut)

    def _take(self, document: dict[str, Any]) -> None:
        response = fields(document.get("response"))
        if response.get("status_code") != _SUCCESS:
            return
        body = fields(response.get("body"))
        usage = read_usage(body.get("usage"))
        if usage is None:
            self._unstated = True
            return
        add(self._units, usage[0])
        self._model = self._model or str(body.get("model") or "")


def _path(job_id: str) -> str:
    return f"/v1/batch/jobs/{quote(job_id, safe='')}"
