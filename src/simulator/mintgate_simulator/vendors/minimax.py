"""MiniMax: failures with status 200, and no input at the start of a Messages stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator.answer import Kind, Stream
from mintgate_simulator.anthropic import AnthropicTwin
from mintgate_simulator.openai import OpenAITwin, Quirks, chat, check, models, wire
from mintgate_simulator.request import CREATED_AT_S

from .minimax_tasks import Tasks
from .surfaces import SurfacesTwin
from .words import SECONDS_PER_CHARACTER, characters_of, plain_usage, speech_of

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.control import Controls
    from mintgate_simulator.openai.usage import Usage
    from mintgate_simulator.refusal import Refusal
    from mintgate_simulator.request import Request
    from mintgate_simulator.twin import Twin

_MESSAGES = {
    1002: "rate limit",
    1004: "login fail: Please carry the API secret key",
    1008: "insufficient balance",
    1039: "token limit",
    2013: "invalid params",
    2049: "invalid api key",
}
_ERROR_TYPES = {401: "authorized_error", 429: "rate_limit_error"}


def _base_resp(controls: Controls) -> dict[str, Any]:
    code = controls.base_resp
    message = _MESSAGES.get(code, "unknown error") if code else ""
    return {"base_resp": {"status_code": code, "status_msg": message}}


def _usage(usage: Usage, controls: Controls, model: str) -> dict[str, Any]:
    return {**plain_usage(usage, controls, model), "total_characters": 0}


def _error(request: Request, refusal: Refusal) -> dict[str, Any]:
    error = {
        "type": _ERROR_TYPES.get(refusal.status, "bad_request_error"),
        "message": refusal.message,
        "http_code": str(refusal.status),
    }
    return {"type": "error", "error": error, "request_id": f"{request.number:032x}"}


QUIRKS = Quirks(
    headers=((b"x-mm-request-id", b"simulated"),),
    usage=_usage,
    extras=_base_resp,
    error=_error,
    models=("MiniMax-M2", "MiniMax-M2.7", "MiniMax-M3"),
)


def _chat(request: Request, quirks: Quirks) -> Answer:
    """A chat; with the control ``base_resp`` a failure, whose status is 200 all the same."""
    controls = request.controls
    if not controls.base_resp:
        return chat.create(request, quirks)
    failure = {
        "id": f"{request.number:032x}",
        "choices": None,
        "created": CREATED_AT_S,
        "model": "",
        "object": "",
        "usage": None,
        **_base_resp(controls),
    }
    if not request.json_object("invalid params").get("stream"):
        return wire.whole(request, failure, account=quirks.headers)
    return Stream(
        headers=wire.headers(request, b"text/event-stream", quirks.headers),
        events=iter([(Kind.CLOSING, wire.sse(failure))]),
        failure=quirks.stream_error,
    )


def _speak(request: Request, quirks: Quirks) -> Answer:
    """``/v1/t2a_v2``: hexadecimal audio, and the characters that it cost."""
    body = check.body_of(request)
    controls = request.controls
    text = check.required(body, "text")
    if not isinstance(text, str):
        raise check.wrong_type("text", "a string", text)
    trace = {"trace_id": f"{request.number:032x}", **_base_resp(controls)}
    if controls.base_resp:
        return wire.whole(request, {"data": None, **trace}, account=quirks.headers)
    audio = speech_of(text)
    extra = {
        "audio_length": int(len(text) * SECONDS_PER_CHARACTER * 1_000),
        "audio_size": len(audio),
        "audio_format": "mp3",
        "word_count": len(text.split()),
        "usage_characters": characters_of(text),
    }
    stated = {"extra_info": extra} if controls.usage else {}
    last = {"data": {"audio": "", "status": 2}, **stated, **trace}
    if not check.flag(body, "stream"):
        last["data"] = {"audio": audio.hex(), "status": 2}
        return wire.whole(request, last, account=quirks.headers)
    half = len(audio) // 2
    parts = [
        {"data": {"audio": a.hex(), "status": 1}, **trace} for a in (audio[:half], audio[half:])
    ]
    return Stream(
        headers=wire.headers(request, b"text/event-stream", quirks.headers),
        events=iter(
            [
                *((Kind.CONTENT, wire.sse(part)) for part in parts),
                (Kind.CLOSING, wire.sse(last)),
            ]
        ),
        failure=quirks.stream_error,
    )


def twin() -> Twin:
    """Answers as ``https://api.minimax.io`` does."""
    plain = OpenAITwin(
        QUIRKS,
        {
            ("POST", "/v1/chat/completions"): _chat,
            ("POST", "/v1/text/chatcompletion_v2"): _chat,
            ("POST", "/v1/t2a_v2"): _speak,
            ("GET", "/v1/models"): models.list_models,
        },
    )
    messages = AnthropicTwin(input_at_start=False)
    return SurfacesTwin(Tasks(plain, QUIRKS), {"/anthropic/": ("/", messages)})
