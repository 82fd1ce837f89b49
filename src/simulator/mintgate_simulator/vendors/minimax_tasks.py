"""MiniMax's speech that is made later: a task, and the file that it becomes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mintgate_simulator.answer import Whole
from mintgate_simulator.openai import check, wire
from mintgate_simulator.request import CREATED_AT_S
from mintgate_simulator.twin import Around

from .words import characters_of, speech_of

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.openai import Quirks
    from mintgate_simulator.request import Request

KEPT_MAX = 1_000
"""Tasks kept; the oldest go first."""
FIRST_TASK = 95_157_322_500_000
FILES_AFTER = 1_000_000_000
"""A file's number is that of its task and so many more."""
_FINE = {"base_resp": {"status_code": 0, "status_msg": "success"}}
_NO_SUCH = {"base_resp": {"status_code": 2013, "status_msg": "invalid params, no such id"}}


@dataclass(slots=True)
class _Task:
    text: str
    looks: int
    """So many still find it running."""


@dataclass(slots=True)
class Tasks(Around):
    """A twin, and its tasks of speech."""

    quirks: Quirks
    _kept: OrderedDict[int, _Task] = field(default_factory=OrderedDict)

    def respond(self, request: Request) -> Answer:
        """The answer about a task or its file, or the twin's."""
        match request.method, request.path:
            case "POST", "/v1/t2a_async_v2":
                return self._told(request, self._begin(request))
            case "GET", "/v1/query/t2a_async_query_v2":
                return self._told(request, self._look(_number(request, "task_id")))
            case "GET", "/v1/files/retrieve":
                return self._told(request, self._described(_number(request, "file_id")))
            case "GET", "/v1/files/retrieve_content":
                return self._content(request, _number(request, "file_id"))
        return self.twin.respond(request)

    def _begin(self, request: Request) -> dict[str, Any]:
        body = check.body_of(request)
        text = check.required(body, "text")
        if not isinstance(text, str):
            raise check.wrong_type("text", "a string", text)
        if code := request.controls.base_resp:
            return {"base_resp": {"status_code": code, "status_msg": "invalid params"}}
        task_id = FIRST_TASK + request.number
        self._kept[task_id] = _Task(text, request.controls.polls)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        stated = {"usage_characters": characters_of(text)} if request.controls.usage else {}
        named = {"task_id": task_id, "task_token": "simulated", "file_id": task_id + FILES_AFTER}
        return {**named, **stated, **_FINE}

    def _look(self, task_id: int) -> dict[str, Any]:
        task = self._kept.get(task_id)
        if task is None:
            return _NO_SUCH
        status = "Processing" if task.looks else "Success"
        task.looks = max(0, task.looks - 1)
        return {"task_id": task_id, "status": status, "file_id": task_id + FILES_AFTER, **_FINE}

    def _described(self, file_id: int) -> dict[str, Any]:
        task = self._kept.get(file_id - FILES_AFTER)
        if task is None:
            return _NO_SUCH
        file = {
            "file_id": file_id,
            "bytes": len(speech_of(task.text)),
            "created_at": CREATED_AT_S,
            "filename": f"{file_id}.mp3",
            "purpose": "t2a_async",
            "download_url": f"https://files.invalid/{file_id}",
        }
        return {"file": file, **_FINE}

    def _content(self, request: Request, file_id: int) -> Whole:
        task = self._kept.get(file_id - FILES_AFTER)
        if task is None:
            return self._told(request, _NO_SUCH)
        headers = wire.headers(request, b"audio/mpeg", self.quirks.headers)
        return Whole(200, headers, speech_of(task.text))

    def _told(self, request: Request, body: dict[str, Any]) -> Whole:
        return wire.whole(request, body, account=self.quirks.headers)


def _number(request: Request, name: str) -> int:
    text = request.query_value(name) or ""
    return int(text) if text.isdecimal() else 0
