"""Background answers: made at once, told to be unfinished for as many looks as asked."""

from __future__ import annotations

from collections import OrderedDict
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


class Background:
    """The background answers of one simulator."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._kept: OrderedDict[str, tuple[Plan, int]] = OrderedDict()
        """By id: the answer, and how many looks still find it unfinished."""

    def wanted(self, request: Request) -> bool:
        """Whether a request is about a background answer."""
        if request.method == "GET":
            return request.path.startswith(PREFIX)
        asks = request.method == "POST" and request.path == "/v1/responses"
        # Looked for before it is read: this is also the upstream of the benchmarks.
        mentioned = asks and b'"background"' in request.body
        return mentioned and check.flag(check.body_of(request), "background")

    def respond(self, request: Request) -> Answer:
        """Begin one, or tell how far it is."""
        if request.method == "GET":
            return wire.whole(request, self._look(request.path.removeprefix(PREFIX)))
        body = check.body_of(request)
        if check.flag(body, "stream"):
            raise Refusal(
                400,
                "This simulator streams no background answers.",
                param="stream",
                code="unsupported_parameter",
            )
        plan = responses.plan(request, self._quirks, body)
        begun = _object(plan, "queued")
        self._kept[begun["id"]] = plan, request.controls.polls
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return wire.whole(request, begun)

    def _look(self, response_id: str) -> dict[str, Any]:
        found = self._kept.get(response_id)
        if found is None:
            message = f"Response with id '{response_id}' not found."
            raise Refusal(404, message, param="id")
        plan, looks = found
        if looks:
            self._kept[response_id] = plan, looks - 1
            return _object(plan, "in_progress")
        return _object(plan, plan.final_status)


def _object(plan: Plan, status: str) -> dict[str, Any]:
    done = status == plan.final_status
    return plan.response(status, plan.items() if done else [], done=done) | {"background": True}
