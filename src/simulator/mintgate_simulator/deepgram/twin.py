"""Deepgram's credentials and routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mintgate_simulator.refusal import Refusal

from . import listen, text, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from mintgate_simulator.answer import Answer, Whole
    from mintgate_simulator.request import Request

_ROUTES: dict[str, Callable[[Request], Answer]] = {
    "/v1/listen": listen.transcribe,
    "/v1/speak": text.speak,
    "/v2/speak": text.speak,
    "/v1/read": text.read,
}


class DeepgramTwin:
    """Answers as ``https://api.deepgram.com`` does."""

    def credential(self, request: Request) -> str | None:
        """The token of ``Authorization: Token``; a bearer is a short-lived one, which is none."""
        scheme, _, token = (request.header(b"authorization") or "").partition(" ")
        return token.strip() or None if scheme.lower() == "token" else None

    def missing_credential(self) -> Refusal:
        """401."""
        return Refusal(401, "Invalid credentials.")

    def wrong_credential(self) -> Refusal:
        """401, in the same words."""
        return Refusal(401, "Invalid credentials.")

    def refuse(self, request: Request, refusal: Refusal) -> Whole:
        """The refusal in Deepgram's older or newer words."""
        return wire.refuse(request, refusal)

    def respond(self, request: Request) -> Answer:
        """The answer of the route; 404 for an unknown URL."""
        handler = _ROUTES.get(request.path)
        if handler is None or request.method != "POST":
            raise Refusal(404, "Not Found", code="NOT_FOUND")
        return handler(request)
