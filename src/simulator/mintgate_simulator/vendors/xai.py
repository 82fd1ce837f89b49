"""xAI: exact costs in ticks, reasoning beside the completion, Messages among the other routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator import sounds
from mintgate_simulator.answer import Whole
from mintgate_simulator.anthropic import AnthropicTwin
from mintgate_simulator.form import read_form
from mintgate_simulator.openai import ROUTES, OpenAITwin, Quirks, check, wire
from mintgate_simulator.openai.usage import response_usage
from mintgate_simulator.pictures import JPEG_BASE64
from mintgate_simulator.refusal import Refusal

from .surfaces import SurfacesTwin
from .words import speech_of
from .xai_videos import Videos

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.control import Controls
    from mintgate_simulator.openai.usage import Usage
    from mintgate_simulator.request import Request
    from mintgate_simulator.twin import Twin

TICKS_PER_TOKEN = {
    "grok-3": (30_000, 7_500, 150_000),
    "grok-4-fast-non-reasoning": (2_000, 500, 5_000),
    "grok-4-fast-reasoning": (2_000, 500, 5_000),
}
"""What xAI bills for a token of input, of cached input and of output, in 10^-10 USD. The answer of
any other model states a cost only where the controls do."""


def _ticks(usage: Usage, controls: Controls, model: str) -> dict[str, int]:
    if controls.ticks is not None:
        return {"cost_in_usd_ticks": controls.ticks}
    prices = TICKS_PER_TOKEN.get(model)
    if prices is None:
        return {}
    fresh, cached, output = prices
    uncached = usage.input.total - usage.input.cached
    cost = uncached * fresh + usage.input.cached * cached + usage.output * output
    return {"cost_in_usd_ticks": cost}


def _usage(usage: Usage, controls: Controls, model: str) -> dict[str, Any]:
    """Reasoning is in the total alone."""
    return {
        "prompt_tokens": usage.input.total,
        "completion_tokens": usage.output - usage.reasoning,
        "total_tokens": usage.input.total + usage.output,
        "prompt_tokens_details": {
            "text_tokens": usage.input.text,
            "audio_tokens": usage.input.audio,
            "image_tokens": usage.input.image,
            "cached_tokens": usage.input.cached,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
        "num_sources_used": 0,
        **_ticks(usage, controls, model),
    }


def _response_usage(usage: Usage, controls: Controls, model: str) -> dict[str, Any]:
    stated = response_usage(usage)
    del stated["input_tokens_details"]["cache_write_tokens"]
    del stated["input_tokens_details"]["cache_write_tokens_details"]
    return {
        **stated,
        "num_sources_used": 0,
        "num_server_side_tools_used": 0,
        **_ticks(usage, controls, model),
    }


def _error(request: Request, refusal: Refusal) -> dict[str, Any]:  # noqa: ARG001
    code = refusal.code or "The request could not be served"
    return {"code": code, "error": refusal.message}


QUIRKS = Quirks(
    headers=((b"x-ratelimit-remaining-requests", b"479"), (b"x-zero-data-retention", b"false")),
    usage=_usage,
    response_usage=_response_usage,
    visible_limit=True,
    error=_error,
    wrong_key_status=400,
    models=tuple(TICKS_PER_TOKEN),
)
TICKS_PER_PICTURE = 200_000_000


def _draw(request: Request, quirks: Quirks) -> Answer:
    """``/v1/images/generations``: pictures, and what they cost."""
    body = check.body_of(request)
    check.model_of(body)
    check.required(body, "prompt")
    made = check.whole_number(body, "n", smallest=1, largest=10) or 1
    picture = {"b64_json": JPEG_BASE64, "revised_prompt": ""}
    if body.get("response_format", "url") == "url":
        picture = {"url": f"https://imgen.invalid/{request.number}.jpeg", "revised_prompt": ""}
    answer: dict[str, Any] = {"data": [picture] * made}
    ticks = request.controls.ticks
    if request.controls.usage:
        cost = made * TICKS_PER_PICTURE if ticks is None else ticks
        answer["usage"] = {"cost_in_usd_ticks": cost}
    return wire.whole(request, answer, account=quirks.headers)


def _speak(request: Request, quirks: Quirks) -> Answer:
    """``/v1/tts``: the audio itself."""
    body = check.body_of(request)
    text = check.required(body, "text")
    if not isinstance(text, str):
        raise check.wrong_type("text", "a string", text)
    return Whole(200, wire.headers(request, b"audio/mpeg", quirks.headers), speech_of(text))


def _write_down(request: Request, quirks: Quirks) -> Answer:
    """``/v1/stt``: a transcript, and how long the recording is."""
    file = read_form(request).file("file")
    seconds = None if file is None else sounds.seconds_of(bytes(file.content))
    if seconds is None:
        raise Refusal(400, "Could not read the audio file.")
    word = {"text": "Hello", "start": 0.0, "end": seconds}
    answer: dict[str, Any] = {"text": "Hello", "language": "English", "words": [word]}
    if request.controls.usage:
        answer["duration"] = round(seconds, 2)
    return wire.whole(request, answer, account=quirks.headers)


_PATHS = frozenset({"/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/models"})


def twin() -> Twin:
    """Answers as ``https://api.x.ai`` does."""
    routes = {key: handler for key, handler in ROUTES.items() if key[1] in _PATHS}
    own = {
        ("POST", "/v1/images/generations"): _draw,
        ("POST", "/v1/stt"): _write_down,
        ("POST", "/v1/tts"): _speak,
    }
    return SurfacesTwin(
        Videos(OpenAITwin(QUIRKS, {**routes, **own})),
        {"/v1/messages": ("/v1/messages", AnthropicTwin())},
    )
