"""Background answers of the Responses API: `GET /responses/{id}` until one has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS

from mintgate_facade.dialects.base import BrokenAnswer, Reading
from mintgate_facade.dialects.jobs import Done, Failed, Outcome, Pending, Poll, object_of
from mintgate_facade.dialects.openai.usage import (
    PREVIEW,
    read_usage,
    tier_variant,
    web_searches,
    with_searches,
)
from mintgate_facade.dialects.split import Units, count

if TYPE_CHECKING:
    from mintgate.v1.jobs_pb2 import Job

OPERATION = "background_response"

_WORKING = frozenset({"queued", "in_progress"})
_CUT = frozenset({"cancelled", "failed"})
_ENDED = _CUT | {"completed", "incomplete"}


def state_of(
    delivered_input_tokens: int, *, kept_long: bool = False, previews: bool = False
) -> bytes:
    """What the reader needs later.

    That is our count of the input, for a job that was cut off, whether it writes to caches for
    longer, and whether it searches with the earlier version of the tool.
    """
    state = {"input_tokens": delivered_input_tokens, "kept_long": kept_long, "previews": previews}
    return orjson.dumps(state)


class BackgroundResponse:
    """Reads a background answer of any vendor that speaks this API."""

    def poll(self, job: Job) -> Poll:
        """Ask for the answer's object."""
        return Poll(f"/responses/{quote(job.object_id, safe='')}")

    def read(self, job: Job, body: bytes) -> Outcome:
        """Tell by its status whether it has ended, and by its usage what it cost."""
        document = object_of(body)
        said = document.get("status")
        status = said if isinstance(said, str) else ""
        if status in _WORKING:
            return Pending()
        if status not in _ENDED:
            raise BrokenAnswer(f"a background answer without a status: {status[:32]!r}")
        if (reading := _usage(job, document)) is not None:
            return Done(reading, cut=status in _CUT)
        if status == "failed":
            return Failed()
        return Done(_unstated(job, document, status), cut=status in _CUT)

    def cancel(self, object_id: str) -> Poll:
        """Cancel it."""
        return Poll(f"/responses/{quote(object_id, safe='')}/cancel", "POST")


def _usage(job: Job, document: dict[str, Any]) -> Reading | None:
    state = _state(job)
    usage = read_usage(document.get("usage"), kept_long=bool(state.get("kept_long")))
    if usage is None:
        return None
    units, reasoning = usage
    units = with_searches(units, web_searches(document))
    return Reading(
        units={unit: number for unit, number in units.items() if number},
        basis=SETTLED_BY_USAGE,
        variants=(
            *tier_variant(document.get("service_tier")),
            *((PREVIEW,) if state.get("previews") else ()),
        ),
        model=str(document.get("model") or ""),
        provider_request_id=str(document.get("id") or ""),
        reasoning_tokens=reasoning,
    )


def _unstated(job: Job, document: dict[str, Any], status: str) -> Reading:
    """An end without usage: a complete answer costs the hold, a cancelled one its input."""
    request_id = str(document.get("id") or "")
    if status != "cancelled":
        return Reading(basis=SETTLED_BY_HOLD, provider_request_id=request_id)
    units: Units = {UNIT_INPUT_TOKENS: count(_state(job).get("input_tokens"))}
    return Reading(units=units, basis=SETTLED_BY_COUNTED, provider_request_id=request_id)


def _state(job: Job) -> dict[str, Any]:
    return object_of(job.state) if job.state else {}
