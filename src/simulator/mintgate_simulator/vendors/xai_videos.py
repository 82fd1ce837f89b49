"""xAI's videos: begun by one request, told to be made for as many looks as asked."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mintgate_simulator.answer import Whole
from mintgate_simulator.openai import check, wire
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.twin import Around

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

KEPT_MAX = 10_000
"""Videos kept; the oldest go first."""
BEGIN = "/v1/videos/generations"
PREFIX = "/v1/videos/"
DURATION_S = 8
DURATION_S_MAX = 15
RESOLUTION = "480p"
TICKS_PER_SECOND = {"480p": 500_000_000, "720p": 700_000_000, "1080p": 2_500_000_000}
"""Of the plain model, and of one that makes the largest."""
TICKS_PER_PICTURE = 20_000_000


@dataclass(slots=True)
class _Video:
    document: dict[str, Any]
    looks: int
    """So many still find it unfinished."""


@dataclass(slots=True)
class Videos(Around):
    """A twin, and the videos that it makes."""

    _videos: OrderedDict[str, _Video] = field(default_factory=OrderedDict)

    def respond(self, request: Request) -> Answer:
        """The answer about a video, or the twin's."""
        if (request.method, request.path) == ("POST", BEGIN):
            return self._begin(request)
        if request.method == "GET" and request.path.startswith(PREFIX):
            return self._look(request, request.path.removeprefix(PREFIX))
        return self.twin.respond(request)

    def _begin(self, request: Request) -> Answer:
        body = check.body_of(request)
        model = check.model_of(body)
        asked = check.whole_number(body, "duration", smallest=1, largest=DURATION_S_MAX)
        controls = request.controls
        seconds = (asked or DURATION_S) if controls.output is None else controls.output
        pictures = len(body.get("reference_images") or ()) + (body.get("image") is not None)
        second = TICKS_PER_SECOND[body.get("resolution") or RESOLUTION]
        ticks = seconds * second + pictures * TICKS_PER_PICTURE
        address = f"https://vidgen.invalid/{request.number}.mp4"
        video = {"url": address, "duration": seconds, "respect_moderation": True}
        document: dict[str, Any] = {"status": "done", "video": video, "model": model}
        if controls.usage:
            cost = ticks if controls.ticks is None else controls.ticks
            document["usage"] = {"cost_in_usd_ticks": cost}
        if controls.fails:
            why = {"code": "internal_error", "message": "It failed."}
            document = {"status": "failed", "error": why}
        name = f"{request.number:08x}-0000-4000-8000-0000000000a1"
        self._videos[name] = _Video(document, controls.polls)
        if len(self._videos) > KEPT_MAX:
            self._videos.popitem(last=False)
        return wire.whole(request, {"request_id": name})

    def _look(self, request: Request, name: str) -> Answer:
        video = self._videos.get(name)
        if video is None:
            raise Refusal(404, "Requested deferred response was not found.")
        if video.looks:
            video.looks -= 1
            pending = wire.whole(request, {"status": "pending", "progress": 0})
            return Whole(202, pending.headers, pending.body)
        return wire.whole(request, video.document)
