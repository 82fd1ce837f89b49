"""Batches of the OpenAI-compatible shape (Model Studio, "OpenAI compatible - Batch").

As OpenAI's, but a batch states no usage: each line of its output file does, and is read for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mintgate.v1.ledger_pb2 import SETTLED_BY_HOLD, SETTLED_BY_USAGE

from mintgate_facade.dialects.base import Ask, Reading, RequestView
from mintgate_facade.dialects.batches import VARIANTS
from mintgate_facade.dialects.checks import Fields, choice, refused
from mintgate_facade.dialects.dashscope.answer import has_thought
from mintgate_facade.dialects.dashscope.thinking import OFF, may_reason
from mintgate_facade.dialects.jobs import Done, Further, Outcome, Poll, object_of
from mintgate_facade.dialects.openai.batch import read_batch, unended, was_cut
from mintgate_facade.dialects.openai.usage import read_usage
from mintgate_facade.dialects.results import ResultLines
from mintgate_facade.dialects.split import Units, add, count, fields
from mintgate_facade.dialects.terms import Terms

if TYPE_CHECKING:
    from mintgate.v1.jobs_pb2 import Job

OPERATION = "qwen_batch"
"""Of the job; the route's is `batch`, as everywhere."""
CHAT = "/v1/chat/completions"
TERMS = Terms(
    "the sum of what each request of its file is bounded by, at the batch price; files that were "
    "stored with the purpose `batch`, of one model",
    "the usage of each line of its output file, when it has ended",
)

_TWO_PRICES = re.compile(r"qwen-(plus|turbo)")
"""Models of which an answer without reasoning costs less: a sum could not tell them apart."""
_REASONS = (
    "'{}' has two prices, with and without reasoning, which the sum of a batch does not tell "
    "apart. Set 'enable_thinking' to false."
)


def check_line(model: str, document: Fields) -> None:
    """Refuse a request of a batch whose price would depend on its answer."""
    if _TWO_PRICES.match(model) and may_reason(model, document):
        raise refused(_REASONS.format(model), "enable_thinking", "unsupported_parameter")


def read_compatible_batch(request: RequestView) -> Ask:
    """Read `POST /batches`: what it costs at most is in the note on its file."""
    choice(request.document, "endpoint", frozenset({CHAT}))
    ask = read_batch(request)
    return replace(ask, noted=partial(_noted, ask))


def _noted(ask: Ask, notes: Sequence[str]) -> Ask:
    if ask.noted is None:
        raise LookupError("a batch that reads no file")
    noted = ask.noted(notes)
    later = noted.later
    return replace(noted, later=None if later is None else replace(later, operation=OPERATION))


class Batch:
    """Reads a batch, and when it has ended its output file."""

    def poll(self, job: Job) -> Poll:
        """Ask for the batch."""
        return Poll(f"/v1/batches/{quote(job.object_id, safe='')}")

    def read(self, job: Job, body: bytes) -> Outcome | Further:
        """Tell by its status whether there is output."""
        document = object_of(body)
        if (standing := unended(document)) is not None:
            return standing
        cut = was_cut(document)
        output = document.get("output_file_id")
        if isinstance(output, str) and output:
            path = f"/v1/files/{quote(output, safe='')}/content"
            return Further(Poll(path), Results(job.object_id, cut=cut))
        if count(fields(document.get("request_counts")).get("completed")):
            return Done(Reading(basis=SETTLED_BY_HOLD), cut=cut)
        return Done(Reading(basis=SETTLED_BY_USAGE, variants=VARIANTS), cut=cut)

    def cancel(self, object_id: str) -> Poll:
        """Cancel it: requests that have not begun then never do."""
        return Poll(f"/v1/batches/{quote(object_id, safe='')}/cancel", "POST")


class Results:
    """Adds up the usage of each answer as its line arrives."""

    def __init__(self, batch_id: str, *, cut: bool) -> None:
        self._cut = cut
        self._lines = ResultLines(self._take)
        self._units: Units = {}
        self._thought = self._unstated = False
        self._reading = Reading(basis=SETTLED_BY_USAGE, provider_request_id=batch_id)

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `BrokenAnswer` for what is no line of results."""
        self._lines.feed(data)

    def outcome(self) -> Outcome:
        """What all answers cost; requests that failed are in another file, and cost nothing."""
        self._lines.end()
        reading = self._reading
        if self._unstated:
            return Done(replace(reading, basis=SETTLED_BY_HOLD), cut=self._cut)
        reading.units = {unit: number for unit, number in self._units.items() if number}
        reading.variants = VARIANTS if self._thought else (*VARIANTS, OFF)
        return Done(reading, cut=self._cut)

    def _take(self, document: dict[str, Any]) -> None:
        answer = fields(fields(document.get("response")).get("body"))
        usage = read_usage(answer.get("usage"))
        if usage is None:
            self._unstated = True
            return
        units, reasoning = usage
        add(self._units, units)
        self._thought = self._thought or bool(reasoning) or has_thought(answer)
        self._reading.reasoning_tokens += reasoning
        self._reading.model = self._reading.model or str(answer.get("model") or "")
