"""Mistral: usage on the last chunk of every stream, flat errors, 422 for an unknown field."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

from mintgate_simulator import sounds
from mintgate_simulator.answer import Kind, Stream
from mintgate_simulator.form import read_form
from mintgate_simulator.openai import ROUTES, OpenAITwin, Quirks, UsagePlace, chat, check, wire
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.stored import Keeping
from mintgate_simulator.tokens import tokens_of, utf8_length

from .mistral_jobs import FILES, MistralJobs
from .words import flat_error, speech_of

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.control import Controls
    from mintgate_simulator.openai.usage import Usage
    from mintgate_simulator.request import Request
    from mintgate_simulator.twin import Twin

UNPROCESSABLE = 422


def _usage(usage: Usage, controls: Controls, model: str) -> dict[str, Any]:  # noqa: ARG001
    """Reasoning is folded into the output."""
    return {
        "prompt_tokens": usage.input.total,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.total + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.input.cached},
        "prompt_audio_seconds": None,
        "service_tier": "standard",
    }


def _error(request: Request, refusal: Refusal) -> dict[str, Any]:
    if refusal.status == UNPROCESSABLE:
        where = ["body", refusal.param]
        return {"detail": [{"type": refusal.code, "loc": where, "msg": refusal.message}]}
    return {"object": "error", **flat_error(request, refusal)}


def _stream_error() -> bytes:
    error = {"message": "Service unavailable.", "type": "unreachable_backend"}
    return wire.sse({"object": "error", **error, "param": None, "code": "1100"})


QUIRKS = Quirks(
    headers=((b"x-ratelimit-remaining-req-minute", b"59"), (b"mistral-correlation-id", b"sim")),
    usage=_usage,
    usage_place=UsagePlace.FINISH,
    unknown_fields=frozenset({"stream_options", "max_completion_tokens"}),
    error=_error,
    stream_error=_stream_error,
    models=("mistral-small-2603", "codestral-2508", "mistral-embed"),
    model_card={"type": "base", "capabilities": {"completion_chat": True}},
    embeddings_id=True,
)
_PATHS = frozenset({"/v1/chat/completions", "/v1/embeddings", "/v1/models"})


def _fill_in(request: Request, quirks: Quirks) -> Answer:
    """``/v1/fim/completions``: answered as a chat of one message, the prompt and its suffix."""
    return chat.create_from_prompt(request, quirks)


def _read_pages(request: Request, quirks: Quirks) -> Answer:
    """``/v1/ocr``: as many pages as the control ``output`` says, else those that are named."""
    body = check.body_of(request)
    model = check.model_of(body)
    check.required(body, "document")
    named = body.get("pages")
    count = request.controls.output
    if count is None:
        count = len(named) if isinstance(named, list) else 1
    page: dict[str, Any] = {"markdown": "# Simulated", "images": [], "dimensions": None}
    answer: dict[str, Any] = {
        "pages": [{"index": index, **page} for index in range(count)],
        "model": request.controls.model or model,
        "document_annotation": None,
    }
    if request.controls.usage:
        answer["usage_info"] = {"pages_processed": count, "doc_size_bytes": 12_345}
    return wire.whole(request, answer, account=quirks.headers)


def _speak(request: Request, quirks: Quirks) -> Answer:
    """``/v1/audio/speech``: audio in base64, whole or in deltas."""
    body = check.body_of(request)
    check.model_of(body)
    text = check.required(body, "input")
    if not isinstance(text, str):
        raise check.wrong_type("input", "a string", text)
    audio = base64.b64encode(speech_of(text)).decode()
    if not check.flag(body, "stream"):
        return wire.whole(request, {"audio_data": audio}, account=quirks.headers)
    tokens = tokens_of(utf8_length(text))
    usage = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
    done = {"type": "speech.audio.done", "usage": usage}
    delta = {"type": "speech.audio.delta", "audio_data": audio}
    return Stream(
        headers=wire.headers(request, b"text/event-stream", quirks.headers),
        events=iter(
            [
                (Kind.CONTENT, b"event: speech.audio.delta\n" + wire.sse(delta)),
                (Kind.CLOSING, b"event: speech.audio.done\n" + wire.sse(done)),
            ]
        ),
        failure=quirks.stream_error,
    )


def _write_down(request: Request, quirks: Quirks) -> Answer:
    """``/v1/audio/transcriptions``: by whole seconds, whole or in deltas."""
    form = read_form(request)
    file = form.file("file")
    seconds = None if file is None else sounds.seconds_of(bytes(file.content))
    if seconds is None:
        raise Refusal(400, "Could not read the audio file.")
    usage = {
        "prompt_audio_seconds": math.ceil(seconds),
        "prompt_tokens": 4,
        "completion_tokens": 12,
        "total_tokens": 16,
    }
    answer: dict[str, Any] = {
        "model": request.controls.model or form.fields.get("model"),
        "text": "Hello from the simulator",
        "language": None,
        "segments": [],
        "usage": usage,
    }
    if form.fields.get("stream") != "true":
        return wire.whole(request, answer, account=quirks.headers)
    delta = {"type": "transcription.text.delta", "text": answer["text"]}
    done = {"type": "transcription.done", **answer}
    return Stream(
        headers=wire.headers(request, b"text/event-stream", quirks.headers),
        events=iter(
            [
                (Kind.CONTENT, b"event: transcription.text.delta\n" + wire.sse(delta)),
                (Kind.CLOSING, b"event: transcription.done\n" + wire.sse(done)),
            ]
        ),
        failure=quirks.stream_error,
    )


def twin() -> Twin:
    """Answers as ``https://api.mistral.ai`` does."""
    routes = {key: handler for key, handler in ROUTES.items() if key[1] in _PATHS}
    own = {
        ("POST", "/v1/fim/completions"): _fill_in,
        ("POST", "/v1/ocr"): _read_pages,
        ("POST", "/v1/audio/speech"): _speak,
        ("POST", "/v1/audio/transcriptions"): _write_down,
    }
    plain = OpenAITwin(QUIRKS, {**routes, **own})
    return Keeping(plain, FILES, batches=MistralJobs, batches_at=("v1", "batch", "jobs"))
