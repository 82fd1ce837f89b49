"""Gemini's credentials and routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mintgate_simulator import credentials
from mintgate_simulator.refusal import Refusal

from . import embeddings, generate, models, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from mintgate_simulator.answer import Answer, Whole
    from mintgate_simulator.request import Request

_PATH = re.compile(r"/(?:v1beta|v1alpha|v1)/models(?:/(?P<model>[^/:]+)(?::(?P<verb>\w+))?)?")
_VERBS: dict[str, Callable[[Request, str], Answer]] = {
    "generateContent": generate.generate,
    "streamGenerateContent": generate.stream,
    "countTokens": generate.count_tokens,
    "embedContent": embeddings.embed,
    "batchEmbedContents": embeddings.embed_batch,
}


class GeminiTwin:
    """Answers as ``https://generativelanguage.googleapis.com`` does."""

    def credential(self, request: Request) -> str | None:
        """``x-goog-api-key``, ``?key=``, ``?access_token=`` or a bearer token."""
        return (
            request.header(b"x-goog-api-key")
            or request.query_value("key")
            or request.query_value("access_token")
            or credentials.bearer_token(request)
        )

    def missing_credential(self) -> Refusal:
        """403: a caller without an identity is anonymous to Google, not wrong."""
        return Refusal(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). "
            "Please use API Key or other form of API consumer identity to call this API.",
        )

    def wrong_credential(self) -> Refusal:
        """401 as for a bad token (Google answers a malformed key with 400, ``status=400`` here)."""
        return Refusal(
            401,
            "Request had invalid authentication credentials. Expected a valid API key or OAuth 2 "
            "access token.",
            code="API_KEY_INVALID",
        )

    def refuse(self, request: Request, refusal: Refusal) -> Whole:
        """The refusal as a ``google.rpc.Status``."""
        return wire.refuse(request, refusal)

    def respond(self, request: Request) -> Answer:
        """The answer of the method; 404 for anything else."""
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise Refusal(404, f"The requested URL {request.path} was not found on this server.")
        model, verb = match["model"], match["verb"]
        if verb is not None:
            handler = _VERBS.get(verb)
            if handler is not None and request.method == "POST":
                return handler(request, model)
        elif request.method == "GET":
            return models.list_models() if model is None else models.get_model(model)
        raise Refusal(404, f"Method not found: {request.method} {request.path}")
