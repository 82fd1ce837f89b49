"""Tasks: begun by a request of their own kind, told to be running for as many looks as asked."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mintgate_simulator.refusal import Refusal

from . import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

KEPT_MAX = 10_000
"""Tasks kept; the oldest go first."""
PREFIX = "/tasks/"
PICTURES_MAX = 12
DURATION_S = 5
"""Of a video that does not say how long it shall be."""
DURATION_S_MAX = 60
HEARD_S = 9
"""How long every recording is."""
RESOLUTION = 1_080
_RAN_AT = {"submit_time": "2026-11-25 10:00:00.000", "scheduled_time": "2026-11-25 10:00:01.000"}
_ENDED_AT = {"end_time": "2026-11-25 10:00:09.000"}

Made = tuple[dict[str, Any], dict[str, Any]]
"""What the end of a task adds to its output, and its usage."""


@dataclass(slots=True)
class _Task:
    """A task, and how it is told."""

    id: str
    made: Made
    looks: int
    """So many still find it unfinished."""
    fails: bool
    canceled: bool = False

    def document(self) -> dict[str, Any]:
        """What it looks like now."""
        if self.canceled:
            return {"output": {**self._head("CANCELED"), **_ENDED_AT}}
        if self.looks:
            return {"output": self._head("RUNNING")}
        if self.fails:
            why = {"code": "InternalError.Algo", "message": "It failed."}
            return {"output": {**self._head("FAILED"), **_ENDED_AT, **why}}
        output, usage = self.made
        stated = {"usage": usage} if usage else {}
        return {"output": {**self._head("SUCCEEDED"), **_ENDED_AT, **output}, **stated}

    def _head(self, status: str) -> dict[str, Any]:
        return {"task_id": self.id, "task_status": status, **_RAN_AT}


class Tasks:
    """The tasks of one simulator."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[str, _Task] = OrderedDict()

    def wanted(self, request: Request) -> bool:
        """Whether a request begins a task, or is about one."""
        return request.path.startswith(PREFIX) or request.path in _MAKERS

    def respond(self, request: Request) -> Answer:
        """Begin one, tell how far it is, or end it."""
        if request.path.startswith(PREFIX):
            return self._known(request)
        if request.method != "POST":
            raise Refusal(404, "url error, please check url!", code="InvalidURL")
        if request.header(b"x-dashscope-async") != "enable":
            raise Refusal(403, "current user api does not support synchronous calls.")
        _, inputs, parameters = wire.sections(request)
        controls = request.controls
        if controls.base_resp:
            return wire.whole(request, wire.failed(request))
        output, usage = _MAKERS[request.path](request, inputs, parameters)
        task = _Task(
            id=f"{request.number:08x}-0000-4000-8000-000000000000",
            made=(output, usage if controls.usage else {}),
            looks=controls.polls,
            fails=controls.fails,
        )
        self._tasks[task.id] = task
        if len(self._tasks) > KEPT_MAX:
            self._tasks.popitem(last=False)
        output = {"task_id": task.id, "task_status": "PENDING"}
        return wire.whole(request, {"output": output})

    def _known(self, request: Request) -> Answer:
        task_id, _, below = request.path.removeprefix(PREFIX).partition("/")
        task = self._tasks.get(task_id)
        match request.method, below:
            case "GET", "":
                if task is None:
                    output = {"task_id": task_id, "task_status": "UNKNOWN"}
                    return wire.whole(request, {"output": output})
                document = task.document()
                task.looks = max(0, task.looks - 1)
                return wire.whole(request, document)
            case "POST", "cancel":
                if task is None or not task.looks:
                    message = "Failed to cancel the task, please confirm if the task is in PENDING."
                    raise Refusal(400, message, code="UnsupportedOperation")
                task.canceled = True
                return wire.whole(request, {})
        raise Refusal(404, "url error, please check url!", code="InvalidURL")


def _pictures(request: Request, inputs: dict[str, Any], parameters: dict[str, Any]) -> Made:
    """As many as asked for; the control ``output`` says how many were really made."""
    if not inputs.get("prompt") and not inputs.get("messages"):
        raise Refusal(400, "input.prompt is required")
    asked = wire.whole_number(parameters, "n", PICTURES_MAX) or 1
    made = asked if request.controls.output is None else request.controls.output
    usage = {"image_count": made}
    address = f"https://simulated.invalid/{wire.request_id(request)}.png"
    if "messages" in inputs:
        message = {"role": "assistant", "content": [{"type": "image", "image": address}]}
        choices = [{"finish_reason": "stop", "message": message}] * made
        return {"choices": choices, "finished": True}, usage
    metrics = {"TOTAL": asked, "SUCCEEDED": made, "FAILED": max(0, asked - made)}
    return {"results": [{"url": address}] * made, "task_metrics": metrics}, usage


def _video(request: Request, inputs: dict[str, Any], parameters: dict[str, Any]) -> Made:
    """One; the control ``output`` says how many seconds long it became."""
    if not inputs.get("prompt") and not inputs.get("media") and not inputs.get("img_url"):
        raise Refusal(400, "input.prompt is required")
    asked = wire.whole_number(parameters, "duration", DURATION_S_MAX) or DURATION_S
    seconds = asked if request.controls.output is None else request.controls.output
    resolution = str(parameters.get("resolution") or f"{RESOLUTION}P")
    usage = {
        "duration": seconds,
        "input_video_duration": 0,
        "output_video_duration": seconds,
        "video_count": 1,
        "SR": int(resolution[:-1]),
        "ratio": "16:9",
    }
    return {"video_url": f"https://simulated.invalid/{wire.request_id(request)}.mp4"}, usage


def _transcripts(request: Request, inputs: dict[str, Any], parameters: dict[str, Any]) -> Made:
    """Of every recording; the control ``output`` says how long they are together."""
    addresses = inputs.get("file_urls")
    if not isinstance(addresses, list) or not addresses:
        raise Refusal(400, "input.file_urls is required")
    channels = len(parameters.get("channel_id") or (0,))
    heard = len(addresses) * channels * HEARD_S
    seconds = heard if request.controls.output is None else request.controls.output
    result = {"transcription_url": "https://simulated.invalid/1.json"}
    results = [
        {"file_url": address, "subtask_status": "SUCCEEDED", **result} for address in addresses
    ]
    return {"results": results}, {"duration": seconds}


_MAKERS: dict[str, Callable[[Request, dict[str, Any], dict[str, Any]], Made]] = {
    "/services/aigc/text2image/image-synthesis": _pictures,
    "/services/aigc/image2image/image-synthesis": _pictures,
    "/services/aigc/image-generation/generation": _pictures,
    "/services/aigc/video-generation/video-synthesis": _video,
    "/services/aigc/image2video/video-synthesis": _video,
    "/services/audio/asr/transcription": _transcripts,
}
