"""Background answers: made at once, told to be unfinished for as many looks as asked."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mintgate_simulator.refusal import Refusal

from . import check, responses, wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

    from .quirks import Quirks
    from .responses import Plan

KEPT_MAX = 10_000
"""Answers kept; the oldest go first."""
PREFIX = "/v1/responses/"
_NO_IDS = frozenset({"/v1/responses/input_tokens", "/v1/responses/compact"})


@dataclass(slots=True)
class _Made:
    """An answer, and how it is told."""

    plan: Plan
    looks: int
    """So many still find it unfinished."""
    cancelled: bool = False

    def document(self) -> dict[str, Any]:
        """What it looks like now."""
        if self.cancelled:
            return self.plan.response("cancelled", [])
        if self.looks:
            return self.plan.response("in_progress", [])
        return self.plan.response(self.plan.final_status, self.plan.items(), done=True)


class Background:
    """The background answers of one simulator."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._made: OrderedDict[str, _Made] = OrderedDict()

    def wanted(self, request: Request) -> bool:
        """Whether a request is about a background answer."""
        if request.path.startswith(PREFIX) and request.path not in _NO_IDS:
            return True
        asks = request.method == "POST" and request.path == "/v1/responses"
        # Looked for before it is read: this is also the upstream of the benchmarks.
        mentioned = asks and b'"background"' in request.body
        return mentioned and check.flag(check.body_of(request), "background")

    def respond(self, request: Request) -> Answer:
        """Begin one, tell how far it is, or end it."""
        if request.path.startswith(PREFIX):
            response_id, _, below = request.path.removeprefix(PREFIX).partition("/")
            return self._known(request, self._found(response_id), below)
        body = check.body_of(request)
        if body.get("store") is False:
            raise Refusal(400, "Background mode requires 'store' to be true.", param="store")
        plan = responses.plan(request, self._quirks, body)
        begun = plan.response("queued", [])
        self._made[begun["id"]] = _Made(plan, request.controls.polls)
        if len(self._made) > KEPT_MAX:
            self._made.popitem(last=False)
        if check.flag(body, "stream"):
            return responses.streamed(request, self._quirks, plan)
        return wire.whole(request, begun)

    def _known(self, request: Request, made: _Made, below: str) -> Answer:
        match request.method, below:
            case "GET", "":
                if request.query_value("stream") == "true":
                    after = int(request.query_value("starting_after") or -1)
                    return responses.streamed(request, self._quirks, made.plan, after)
                document = made.document()
                made.looks = max(0, made.looks - 1)
                return wire.whole(request, document)
            case "POST", "cancel":
                # One that has ended stays as it is.
                made.cancelled = made.looks > 0
                return wire.whole(request, made.document())
        raise Refusal(404, f"Invalid URL ({request.method} {request.path})")

    def _found(self, response_id: str) -> _Made:
        made = self._made.get(response_id)
        if made is None:
            message = f"Response with id '{response_id}' not found."
            raise Refusal(404, message, param="id")
        return made
