"""OpenAI's credentials and routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from mintgate_simulator import credentials
from mintgate_simulator.refusal import Refusal

from . import audio, chat, completions, embeddings, images, models, moderations, responses, wire
from .background import Background
from .quirks import OPENAI, Quirks

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer, Whole
    from mintgate_simulator.request import Request

Handler = Callable[["Request", Quirks], "Answer"]


def _of_openai_alone(handler: Callable[[Request], Answer]) -> Handler:
    """A route that no vendor answers in a way of its own."""
    return lambda request, _: handler(request)


ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "/v1/chat/completions"): chat.create,
    ("POST", "/v1/completions"): completions.create,
    ("POST", "/v1/responses"): responses.create,
    ("POST", "/v1/responses/compact"): responses.compact,
    ("POST", "/v1/responses/input_tokens"): responses.count_tokens,
    ("POST", "/v1/embeddings"): embeddings.create,
    ("POST", "/v1/images/generations"): images.generate,
    ("POST", "/v1/images/edits"): images.edit,
    ("POST", "/v1/audio/speech"): _of_openai_alone(audio.speak),
    ("POST", "/v1/audio/transcriptions"): _of_openai_alone(audio.transcribe),
    ("POST", "/v1/audio/translations"): _of_openai_alone(audio.translate),
    ("POST", "/v1/moderations"): moderations.create,
    ("GET", "/v1/models"): models.list_models,
}
_MODEL_PREFIX = "/models/"


class OpenAITwin:
    """Answers as ``https://api.openai.com`` does, or as a vendor of the same shape.

    ``routes`` are that vendor's; its quirks say what it answers differently.
    """

    def __init__(
        self,
        quirks: Quirks | None = None,
        routes: Mapping[tuple[str, str], Handler] = MappingProxyType(ROUTES),
    ) -> None:
        self._quirks = quirks or replace(OPENAI, models=models.MODELS)
        self._routes = routes
        # No vendor of the same shape has them.
        self._background = Background(self._quirks) if quirks is None else None
        self._paths = frozenset(path for _, path in routes)

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
        status = self._quirks.wrong_key_status
        return Refusal(status, "Incorrect API key provided.", code="invalid_api_key")

    def refuse(self, request: Request, refusal: Refusal) -> Whole:
        """The refusal in the vendor's words."""
        body = self._quirks.error(request, refusal)
        answer = wire.whole(request, body, refusal.status, self._quirks.headers)
        if refusal.retry_after_s is not None:
            answer.headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
        return answer

    def respond(self, request: Request) -> Answer:
        """The answer of the route; 404 for an unknown URL, 405 for a wrong method."""
        if self._background is not None and self._background.wanted(request):
            return self._background.respond(request)
        handler = self._routes.get((request.method, request.path))
        if handler is not None:
            return handler(request, self._quirks)
        _, found, model = request.path.partition(_MODEL_PREFIX)
        if request.method == "GET" and found:
            return models.get_model(request, self._quirks, model)
        if request.path in self._paths:
            raise Refusal(405, f"Not allowed to {request.method} on {request.path}.")
        raise Refusal(404, f"Invalid URL ({request.method} {request.path})")
