"""Anthropic's credentials and routes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mintgate_simulator import credentials
from mintgate_simulator.refusal import Refusal

from . import messages, models, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from mintgate_simulator.answer import Answer, Whole
    from mintgate_simulator.request import Request

_ROUTES: dict[tuple[str, str], Callable[[Request], Answer]] = {
    ("POST", "/v1/messages"): messages.create,
    ("POST", "/v1/messages/count_tokens"): messages.count_tokens,
    ("GET", "/v1/models"): models.list_models,
}
_PATHS = frozenset(path for _, path in _ROUTES)
_MODEL_PREFIX = "/v1/models/"


class AnthropicTwin:
    """Answers as ``https://api.anthropic.com`` does, or as a vendor's Messages API.

    ``input_at_start`` is false for a vendor whose streams state their input only at the end,
    ``visible_limit`` true for one whose output limit does not hold the thinking.
    """

    def __init__(self, *, input_at_start: bool = True, visible_limit: bool = False) -> None:
        create = partial(
            messages.create, input_at_start=input_at_start, visible_limit=visible_limit
        )
        self._routes: dict[tuple[str, str], Callable[[Request], Answer]] = {
            **_ROUTES,
            ("POST", "/v1/messages"): create,
        }

    def credential(self, request: Request) -> str | None:
        """``x-api-key``, or the bearer token that newer SDKs send instead."""
        return request.header(b"x-api-key") or credentials.bearer_token(request)

    def missing_credential(self) -> Refusal:
        """401 with the name of the missing header."""
        return Refusal(401, "x-api-key header is required")

    def wrong_credential(self) -> Refusal:
        """401 for a key nobody knows."""
        return Refusal(401, "invalid x-api-key")

    def refuse(self, request: Request, refusal: Refusal) -> Whole:
        """The refusal as a ``type: error`` object."""
        return wire.refuse(request, refusal)

    def respond(self, request: Request) -> Answer:
        """The answer of the route; 404 for an unknown path, 405 for a wrong method."""
        handler = self._routes.get((request.method, request.path))
        if handler is not None:
            return handler(request)
        if request.method == "GET" and request.path.startswith(_MODEL_PREFIX):
            return models.get_model(request, request.path.removeprefix(_MODEL_PREFIX))
        if request.path in _PATHS:
            raise Refusal(405, "Method Not Allowed")
        raise Refusal(404, "Not Found")
