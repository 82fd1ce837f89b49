"""OpenAI's credentials and routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mintgate_simulator import credentials
from mintgate_simulator.refusal import Refusal

from . import audio, chat, completions, embeddings, images, models, moderations, responses, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from mintgate_simulator.answer import Answer, Whole
    from mintgate_simulator.request import Request

_ROUTES: dict[tuple[str, str], Callable[[Request], Answer]] = {
    ("POST", "/v1/chat/completions"): chat.create,
    ("POST", "/v1/completions"): completions.create,
    ("POST", "/v1/responses"): responses.create,
    ("POST", "/v1/responses/input_tokens"): responses.count_tokens,
    ("POST", "/v1/embeddings"): embeddings.create,
    ("POST", "/v1/images/generations"): images.generate,
    ("POST", "/v1/audio/speech"): audio.speak,
    ("POST", "/v1/audio/transcriptions"): audio.transcribe,
    ("POST", "/v1/audio/translations"): audio.translate,
    ("POST", "/v1/moderations"): moderations.create,
    ("GET", "/v1/models"): models.list_models,
}
_PATHS = frozenset(path for _, path in _ROUTES)
_MODEL_PREFIX = "/v1/models/"


class OpenAITwin:
    """Answers as ``https://api.openai.com`` does."""

    def credential(self, request: Request) -> str | None:
        """The bearer token, the only place OpenAI looks."""
        return credentials.bearer_token(request)

    def missing_credential(self) -> Refusal:
        """401; the hint names the header, because nothing else is wrong yet."""
        return Refusal(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization "
            "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )

    def wrong_credential(self) -> Refusal:
        """401; the provider would repeat a masked form of the key, this twin repeats nothing."""
        return Refusal(401, "Incorrect API key provided.", code="invalid_api_key")

    def refuse(self, request: Request, refusal: Refusal) -> Whole:
        """The refusal as an ``error`` object."""
        return wire.refuse(request, refusal)

    def respond(self, request: Request) -> Answer:
        """The answer of the route; 404 for an unknown URL, 405 for a wrong method."""
        handler = _ROUTES.get((request.method, request.path))
        if handler is not None:
            return handler(request)
        if request.method == "GET" and request.path.startswith(_MODEL_PREFIX):
            return models.get_model(request, request.path.removeprefix(_MODEL_PREFIX))
        if request.path in _PATHS:
            raise Refusal(405, f"Not allowed to {request.method} on {request.path}.")
        raise Refusal(404, f"Invalid URL ({request.method} {request.path})")
