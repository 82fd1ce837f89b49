"""DashScope's credentials and routes, and the two other shapes beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator import credentials
from mintgate_simulator.anthropic import AnthropicTwin
from mintgate_simulator.openai import ROUTES, OpenAITwin, Quirks
from mintgate_simulator.openai.files import OPENAI_FILES
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.stored import Keeping
from mintgate_simulator.vendors.surfaces import SurfacesTwin
from mintgate_simulator.vendors.words import plain_usage

from . import generation, pieces, wire
from .batches import Batches
from .tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from mintgate_simulator.answer import Answer, Whole
    from mintgate_simulator.control import Controls
    from mintgate_simulator.openai.usage import Usage
    from mintgate_simulator.request import Request
    from mintgate_simulator.twin import Twin


def _multimodal(request: Request) -> Answer:
    """The one route for all media: the model and the input say what is meant."""
    body, inputs, _ = wire.sections(request)
    if "messages" not in inputs and "text" in inputs:
        return pieces.speak(request)
    if "-image" in body["model"]:
        return pieces.draw(request)
    return generation.generate(request, parts=True)


_ROUTES: dict[tuple[str, str], Callable[[Request], Answer]] = {
    ("POST", "/services/aigc/text-generation/generation"): lambda request: generation.generate(
        request, parts=False
    ),
    ("POST", "/services/aigc/multimodal-generation/generation"): _multimodal,
    ("POST", "/services/audio/tts/SpeechSynthesizer"): pieces.speak,
    ("POST", "/services/embeddings/text-embedding/text-embedding"): pieces.embed,
    ("POST", "/services/rerank/text-rerank/text-rerank"): pieces.rank,
    ("POST", "/tokenizer"): pieces.count_tokens,
}


class DashScopeTwin:
    """Answers as ``https://dashscope.aliyuncs.com/api/v1`` does."""

    def __init__(self) -> None:
        self._tasks = Tasks()

    def credential(self, request: Request) -> str | None:
        """The bearer token."""
        return credentials.bearer_token(request)

    def missing_credential(self) -> Refusal:
        """401."""
        return Refusal(401, "No API-key provided.")

    def wrong_credential(self) -> Refusal:
        """401."""
        return Refusal(401, "Invalid API-key provided.")

    def refuse(self, request: Request, refusal: Refusal) -> Whole:
        """The refusal, flat."""
        return wire.refuse(request, refusal)

    def respond(self, request: Request) -> Answer:
        """The answer of the route. What only a gateway must stop is refused here, too."""
        if request.header(b"x-dashscope-encryptionkey") is not None:
            raise Refusal(400, "This twin cannot decrypt.")
        if self._tasks.wanted(request):
            return self._tasks.respond(request)
        handler = _ROUTES.get((request.method, request.path))
        if handler is None:
            raise Refusal(404, "url error, please check url!", code="InvalidURL")
        return handler(request)


def _usage(usage: Usage, controls: Controls, model: str) -> dict[str, Any]:
    """OpenAI's usage; what is written to the cache has a name of its own."""
    stated = plain_usage(usage, controls, model)
    if usage.input.cache_write:
        details = stated["prompt_tokens_details"]
        details["cache_creation_input_tokens"] = usage.input.cache_write
        details["cache_type"] = "ephemeral"
    return stated


_COMPATIBLE = Quirks(
    headers=((b"x-ratelimit-remaining-requests", b"1199"),),
    usage=_usage,
    visible_limit=True,
    models=("qwen-plus", "qwen3-max", "qwen3-coder-plus"),
)
_COMPATIBLE_PATHS = frozenset({"/v1/chat/completions", "/v1/embeddings", "/v1/models"})


def dashscope_twin() -> Twin:
    """Answers as ``https://dashscope.aliyuncs.com`` does, below each of its three roots."""
    routes = {key: handler for key, handler in ROUTES.items() if key[1] in _COMPATIBLE_PATHS}
    compatible = Keeping(OpenAITwin(_COMPATIBLE, routes), OPENAI_FILES, batches=Batches)
    return SurfacesTwin(
        compatible,
        {
            "/api/v1/": ("/", DashScopeTwin()),
            "/compatible-mode/": ("/", compatible),
            "/apps/anthropic/": ("/", AnthropicTwin(visible_limit=True)),
        },
    )
