"""How a batch ends: by its state, and by the usage of its answers, inline or in a file."""

from __future__ import annotations

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

from mintgate_facade.dialects.base import Ask, BrokenAnswer, Reading
from mintgate_facade.dialects.batches import VARIANTS
from mintgate_facade.dialects.checks import Fields
from mintgate_facade.dialects.gemini.content import stored_file
from mintgate_facade.dialects.gemini.usage import read_usage
from mintgate_facade.dialects.jobs import Done, Failed, Further, Outcome, Pending, Poll, object_of
from mintgate_facade.dialects.results import ResultLines
from mintgate_facade.dialects.split import Units, add, count, fields

if TYPE_CHECKING:
    from mintgate.v1.jobs_pb2 import Job

_WORKING = frozenset({"BATCH_STATE_UNSPECIFIED", "BATCH_STATE_PENDING", "BATCH_STATE_RUNNING"})
_CUT = frozenset({"BATCH_STATE_CANCELLED", "BATCH_STATE_EXPIRED", "BATCH_STATE_FAILED"})
_ENDED = _CUT | {"BATCH_STATE_SUCCEEDED"}
_OUTPUTS = ("inlinedResponses", "inlinedEmbedContentResponses")


class Batch:
    """Reads a batch of either kind."""

    def poll(self, job: Job) -> Poll:
        """Ask for the batch, which holds its answers when it has ended."""
        return Poll(_path(job.object_id))

    def read(self, job: Job, body: bytes) -> Outcome | Further:
        """Tell by its state whether it has ended, and add up what its answers cost."""
        metadata = fields(object_of(body).get("metadata"))
        state = metadata.get("state")
        if state in _WORKING:
            return Pending()
        if state not in _ENDED:
            raise BrokenAnswer("a batch without a state")
        output = fields(metadata.get("output")) or fields(object_of(body).get("response"))
        total = Answers(job, cut=state in _CUT)
        file = stored_file(str(output.get("responsesFile")))
        if file is not None:
            path = f"/v1beta/files/{quote(file.id, safe='')}:download?alt=media"
            return Further(Poll(path), total)
        answers = _inline(output)
        if answers is None:
            # Whatever was cut off before anything ran has cost nothing.
            return Failed() if state in _CUT else Done(Reading(basis=SETTLED_BY_HOLD))
        for answer in answers:
            total.add(answer)
        return total.outcome()

    def cancel(self, object_id: str) -> Poll:
        """Cancel it: requests that have not begun then never do."""
        return Poll(f"{_path(object_id)}:cancel", "POST")


class Answers:
    """Adds up the answers of a batch; those that failed, expired or were cancelled are free."""

    def __init__(self, job: Job, *, cut: bool) -> None:
        state = fields(orjson.loads(job.state))
        self._embeds = bool(state.get("embeds"))
        self._counted = count(state.get("input"))
        self._cut = cut
        self._lines = ResultLines(self.add)
        self._units: Units = {}
        self._unstated = False
        self._reading = Reading(
            basis=SETTLED_BY_USAGE, variants=VARIANTS, provider_request_id=job.object_id
        )

    def feed(self, data: bytes) -> None:
        """Take the next bytes of a file of answers, one a line."""
        self._lines.feed(data)

    def add(self, answer: Fields) -> None:
        """Take one answer with what stands around it."""
        response = fields(answer.get("response"))
        if not response:
            return
        used = _embedded(response) if self._embeds else self._generated(response)
        if used is None:
            self._unstated = True
        else:
            add(self._units, used)

    def outcome(self) -> Outcome:
        """What all of them cost.

        Without the usage of one, embeddings cost our count of all texts, and generations the hold.
        """
        self._lines.end()
        reading, units = self._reading, self._units
        if self._unstated and not self._embeds:
            hold = Reading(basis=SETTLED_BY_HOLD, provider_request_id=reading.provider_request_id)
            return Done(hold, self._cut)
        if self._unstated:
            units, reading.basis = {UNIT_INPUT_TOKENS: self._counted}, SETTLED_BY_COUNTED
        reading.units = {unit: number for unit, number in units.items() if number}
        return Done(reading, self._cut)

    def _generated(self, response: Fields) -> Units | None:
        self._reading.model = self._reading.model or str(response.get("modelVersion") or "")
        usage = read_usage(response.get("usageMetadata"), Ask(model="", bound=Bound(), body=b""))
        if usage is None:
            return None
        self._reading.reasoning_tokens += usage[1]
        return usage[0]


def _embedded(response: Fields) -> Units | None:
    stated = response.get("tokenCount")
    if isinstance(stated, str) and stated.isascii() and stated.isdigit():
        stated = int(stated[:16])
    tokens = count(stated)
    return {UNIT_INPUT_TOKENS: tokens} if tokens else None


def _inline(output: Fields) -> list[dict[str, Any]] | None:
    """The answers within a batch; None when it has none, or keeps them elsewhere."""
    for name in _OUTPUTS:
        listed = fields(output.get(name)).get("inlinedResponses")
        if isinstance(listed, list):
            return [fields(each) for each in listed]
    return None


def _path(batch_id: str) -> str:
    return f"/v1beta/batches/{quote(batch_id, safe='')}"
