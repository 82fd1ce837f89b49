"""Tasks: `GET /tasks/{id}` until one has ended, and what it cost then (v2/resources/_jobs.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from mintgate.v1.ledger_pb2 import SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_OUTPUT_IMAGES, UNIT_OUTPUT_VIDEO_MS

from mintgate_facade.dialects.base import BrokenAnswer, Reading
from mintgate_facade.dialects.dashscope.tasks import PICTURES, TRANSCRIPT, VIDEO
from mintgate_facade.dialects.jobs import Done, Failed, Outcome, Pending, Poll, object_of
from mintgate_facade.dialects.media import whole_ms
from mintgate_facade.dialects.split import Units, count, fields

if TYPE_CHECKING:
    from mintgate.v1.jobs_pb2 import Job

_WORKING = frozenset({"PENDING", "RUNNING", "SUSPENDED", "UNKNOWN"})
"""DashScope does not know a task a day after its end, nor one that it has yet to see. In both
cases the money stays held until the job's deadline, and costs its estimate then."""
_CUT = frozenset({"FAILED", "CANCELED"})

Used = Callable[[dict[str, Any]], Units | None]
"""From a task's usage; none when it states nothing."""


class Task:
    """Reads tasks of one kind."""

    def __init__(self, used: Used) -> None:
        self._used = used

    def poll(self, job: Job) -> Poll:
        """Ask for the task."""
        return Poll(f"/api/v1/tasks/{quote(job.object_id, safe='')}")

    def read(self, job: Job, body: bytes) -> Outcome:
        """Tell by its status whether it has ended, and by its usage what it cost."""
        document = object_of(body)
        said = fields(document.get("output")).get("task_status")
        status = said if isinstance(said, str) else ""
        if status in _WORKING:
            return Pending()
        if status != "SUCCEEDED" and status not in _CUT:
            raise BrokenAnswer("a task without a status")
        usage = fields(document.get("usage"))
        units = self._used(usage)
        if status in _CUT and not any((units or {}).values()):
            return Failed()
        if units is None:
            return Done(Reading(basis=SETTLED_BY_HOLD))
        return Done(
            Reading(
                units={unit: number for unit, number in units.items() if number},
                basis=SETTLED_BY_USAGE,
                variants=_variants(job, usage),
            ),
            cut=status in _CUT,
        )

    def cancel(self, object_id: str) -> Poll:
        """Cancel it, which helps as long as it waits for its turn."""
        return Poll(f"/api/v1/tasks/{quote(object_id, safe='')}/cancel", "POST")


def _variants(job: Job, usage: Mapping[str, Any]) -> tuple[str, ...]:
    """The resolution that was made, else the one that was asked for."""
    made = count(usage.get("SR"))
    if made:
        return (f"video={made}p",)
    return tuple(orjson.loads(job.state)["variants"])


def _pictures(usage: dict[str, Any]) -> Units | None:
    made = usage.get("image_count")
    return None if made is None else {UNIT_OUTPUT_IMAGES: count(made)}


def _video(usage: dict[str, Any]) -> Units | None:
    """Of a video that continues another one `duration` is both; older models state another name."""
    lengths = [
        ms
        for name in ("duration", "video_duration", "output_video_duration")
        if (ms := whole_ms(usage.get(name))) is not None
    ]
    return {UNIT_OUTPUT_VIDEO_MS: max(lengths)} if lengths else None


def _speech(usage: dict[str, Any]) -> Units | None:
    heard_ms = whole_ms(usage.get("duration"))
    return None if heard_ms is None else {UNIT_INPUT_AUDIO_MS: heard_ms}


TASKS: Mapping[str, Task] = {
    PICTURES: Task(_pictures),
    VIDEO: Task(_video),
    TRANSCRIPT: Task(_speech),
}
"""By the operation of a job."""
