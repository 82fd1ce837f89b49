"""``POST /v1/audio/speech``, ``/transcriptions`` and ``/translations``."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from mintgate_simulator import sounds
from mintgate_simulator.answer import Kind, Stream, Whole
from mintgate_simulator.form import read_form
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.tokens import tokens_of, utf8_length

from . import check, wire
from .responses_stream import EventWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

CHARACTERS_MAX = 4_096
SECONDS_PER_CHARACTER = 0.06
TOKENS_PER_HEARD_SECOND = 10
TOKENS_PER_SPOKEN_SECOND = 20
WORDS_PER_SECOND = 2
FILE_BYTES_MAX = 25 << 20
_SOUNDS = {
    "mp3": (b"audio/mpeg", sounds.mp3),
    "wav": (b"audio/wav", sounds.wav),
    "pcm": (b"audio/pcm", sounds.pcm),
}
_FORMATS = frozenset({*_SOUNDS, "opus", "aac", "flac"})


def speak(request: Request) -> Answer:
    """The answer to a text that shall be spoken."""
    body = check.body_of(request)
    model = check.model_of(body)
    text = check.required(body, "input")
    check.required(body, "voice")
    if not isinstance(text, str) or not 0 < len(text) <= CHARACTERS_MAX:
        raise Refusal(
            400, f"[{{'type': 'string_too_long', 'loc': ('body', 'input')}}] {CHARACTERS_MAX}"
        )
    form = check.choice(body, "response_format", _FORMATS, "mp3")
    seconds = len(text) * SECONDS_PER_CHARACTER
    content_type, make = _SOUNDS.get(form, (b"application/octet-stream", sounds.mp3))
    if body.get("stream_format") != "sse":
        return Whole(200, wire.headers(request, content_type), make(seconds))
    if model.startswith("tts-1"):
        raise Refusal(400, "stream_format 'sse' is not supported for this model.")
    usage = {
        "input_tokens": tokens_of(utf8_length(text)),
        "output_tokens": -(-int(seconds * 1_000) * TOKENS_PER_SPOKEN_SECOND // 1_000),
    }
    usage["total_tokens"] = usage["input_tokens"] + usage["output_tokens"]
    writer = EventWriter()
    return Stream(
        headers=wire.headers(request, b"text/event-stream; charset=utf-8"),
        events=_spoken(writer, make(seconds), usage if request.controls.usage else None),
        failure=writer.failure,
        ping=wire.PING,
        crlf_allowed=True,
    )


def transcribe(request: Request) -> Answer:
    """The answer to a recording that shall be written down."""
    return _written(request, translated=False)


def translate(request: Request) -> Answer:
    """The answer to a recording that shall be written down in English."""
    return _written(request, translated=True)


def _written(request: Request, *, translated: bool) -> Answer:
    form = read_form(request)
    file = form.file("file")
    if file is None:
        raise Refusal(400, "you must provide a file", param="file")
    model = form.fields.get("model")
    if not model:
        raise Refusal(400, "you must provide a model parameter")
    if len(file.content) > FILE_BYTES_MAX:
        raise Refusal(413, "413: Maximum content size limit (26214400) exceeded")
    seconds = sounds.seconds_of(bytes(file.content))
    if seconds is None:
        raise Refusal(
            400, "Audio file might be corrupted or unsupported", code="invalid_value", param="file"
        )
    text = " ".join(["word"] * (1 + int(seconds * WORDS_PER_SECOND)))
    shape = form.fields.get("response_format", "json")
    if shape in {"text", "srt", "vtt"}:
        return Whole(
            200, wire.headers(request, b"text/plain; charset=utf-8"), _plain(shape, text, seconds)
        )
    usage = _usage(model, seconds, text)
    if not request.controls.usage or translated:
        usage = {}
    if form.fields.get("stream") == "true" and not model.startswith("whisper"):
        return _stream(request, text, usage)
    answer: dict[str, Any] = {"text": text, **usage}
    if shape == "verbose_json":
        answer |= {"task": "transcribe", "language": "english", "duration": seconds, "segments": []}
    return wire.whole(request, answer)


def _usage(model: str, seconds: float, text: str) -> dict[str, Any]:
    if model.startswith(("whisper", "gpt-transcribe")):
        return {"usage": {"type": "duration", "seconds": -(-seconds // 1)}}
    heard = -(-int(seconds * 1_000) * TOKENS_PER_HEARD_SECOND // 1_000)
    written = tokens_of(utf8_length(text))
    return {
        "usage": {
            "type": "tokens",
            "input_tokens": heard,
            "input_token_details": {"audio_tokens": heard, "text_tokens": 0},
            "output_tokens": written,
            "total_tokens": heard + written,
        }
    }


def _plain(shape: str, text: str, seconds: float) -> bytes:
    if shape == "text":
        return text.encode() + b"\n"
    mark = "," if shape == "srt" else "."
    clock = f"00:00:{int(seconds):02d}{mark}000"
    head = "WEBVTT\n\n" if shape == "vtt" else "1\n"
    return f"{head}00:00:00{mark}000 --> {clock}\n{text}\n\n".encode()


def _stream(request: Request, text: str, usage: dict[str, Any]) -> Stream:
    writer = EventWriter()

    def events() -> Iterator[tuple[Kind, bytes]]:
        for word in text.split(" "):
            yield Kind.CONTENT, writer.event("transcript.text.delta", delta=f"{word} ")
        yield Kind.CLOSING, writer.event("transcript.text.done", text=text, **usage)

    return Stream(
        headers=wire.headers(request, b"text/event-stream; charset=utf-8"),
        events=events(),
        failure=writer.failure,
        ping=wire.PING,
        crlf_allowed=True,
    )


def _spoken(
    writer: EventWriter, sound: bytes, usage: dict[str, Any] | None
) -> Iterator[tuple[Kind, bytes]]:
    piece = 3 * 4_096
    for start in range(0, len(sound), piece):
        audio = base64.b64encode(sound[start : start + piece]).decode()
        yield Kind.CONTENT, writer.event("speech.audio.delta", audio=audio)
    stated = {} if usage is None else {"usage": usage}
    yield Kind.CLOSING, writer.event("speech.audio.done", **stated)
