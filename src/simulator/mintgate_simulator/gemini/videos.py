"""``:predictLongRunning`` of Veo: operations whose videos are there after some looks."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mintgate_simulator.refusal import Refusal

from . import check, pages, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

KEPT_MAX = 1_000
VIDEOS_MAX = 4
VIDEO = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
"""How an MP4 begins, which is all that there is of one here."""
_FIELDS = frozenset({"instances", "parameters"})
_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"
_FAILED = {"code": 13, "message": "Video generation failed due to an internal server issue."}
_FILTERED = "We encountered an issue with the audio for your prompt. You have not been charged."


@dataclass(slots=True)
class _Operation:
    name: str
    uris: list[str]
    looks: int
    """So many still find it unfinished."""
    filtered: int = 0
    failed: bool = False

    def document(self) -> dict[str, Any]:
        """What it looks like now."""
        if self.looks:
            return {"name": self.name}
        if self.failed:
            return {"name": self.name, "done": True, "error": _FAILED}
        answer: dict[str, Any] = {}
        if self.uris:
            answer["generatedSamples"] = [{"video": {"uri": uri}} for uri in self.uris]
        if self.filtered:
            answer["raiMediaFilteredCount"] = self.filtered
            answer["raiMediaFilteredReasons"] = [_FILTERED] * self.filtered
        response = {"@type": _TYPE, "generateVideoResponse": answer}
        return {"name": self.name, "done": True, "response": response}


@dataclass(slots=True)
class Videos:
    """The operations of one account."""

    keep: Callable[[str, str, bytes], str]
    """Keeps a file that the provider made: from id, type and content to its uri."""
    _kept: OrderedDict[str, _Operation] = field(default_factory=OrderedDict)

    def begin(self, request: Request, model: str) -> Answer:
        """The answer to ``:predictLongRunning``.

        ``output`` videos pass the filters, and with ``base_resp`` it fails.
        """
        body = check.body_of(request, _FIELDS)
        instances = check.objects(body, "instances")
        if not instances or not (instances[0].get("prompt") or instances[0].get("image")):
            raise Refusal(400, "The prompt is required.")
        parameters = check.mapping(body, "parameters")
        asked = check.whole_number(parameters, "sample_count", smallest=1, largest=VIDEOS_MAX) or 1
        controls = request.controls
        passed = asked if controls.output is None else min(asked, controls.output)
        uris = [
            self.keep(f"v{request.number:010x}{index}", "video/mp4", VIDEO)
            for index in range(passed)
        ]
        operation_id = f"op{request.number:010x}"
        operation = _Operation(
            f"models/{model}/operations/{operation_id}",
            uris,
            controls.polls,
            asked - passed,
            failed=bool(controls.base_resp),
        )
        self._kept[operation_id] = operation
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return wire.whole({"name": operation.name})

    def respond(self, request: Request, model: str, parts: list[str]) -> Answer:
        """The answer about operations of a model; ``parts`` is the path below them."""
        match request.method, parts:
            case "GET", []:
                mine = (o.document() for o in self._kept.values() if o.name.split("/")[1] == model)
                return pages.page(request, "operations", mine)
            case "GET", [operation_id]:
                operation = self._kept.get(operation_id)
                if operation is None or operation.name.split("/")[1] != model:
                    raise Refusal(404, f"Operation {operation_id} not found.")
                told = operation.document()
                operation.looks = max(0, operation.looks - 1)
                return wire.whole(told)
        raise Refusal(404, f"Method not found: {request.method} {request.path}")
