"""Recordings that are written down, spoken by another voice, cleaned or aligned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator import sounds
from mintgate_simulator.form import read_form
from mintgate_simulator.refusal import Refusal

from . import wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.form import Form
    from mintgate_simulator.request import Request

WORDS_PER_SECOND = 2
CHANNELS_MAX = 5
CREDITS_PER_MINUTE = 1_000
PCM_BYTES_PER_S = 32_000


def transcribe(request: Request) -> Answer:
    """The answer to a recording that shall be written down."""
    form = read_form(request)
    if not form.fields.get("model_id"):
        raise Refusal(422, "Field required", param="model_id")
    content, seconds = _recording(form, "file")
    text = " ".join(["word"] * (1 + int(seconds * WORDS_PER_SECOND)))
    length: dict[str, Any] = {}
    if request.controls.usage:
        length = {"audio_duration_secs": round(seconds, 6)}
    heard = {
        "language_code": "eng",
        "language_probability": 0.98,
        "text": text,
        "words": [_word(index, word) for index, word in enumerate(text.split(" "))],
        "transcription_id": f"tr{request.number:018x}",
        **length,
    }
    if form.fields.get("use_multi_channel") != "true":
        return wire.whole(request, heard)
    channels = min(sounds.channels_of(content), CHANNELS_MAX)
    if form.fields.get("multichannel_output_style") == "combined":
        return wire.whole(request, heard)
    transcripts = [{**heard, "channel_index": index} for index in range(channels)]
    return wire.whole(
        request,
        {"transcripts": transcripts, "transcription_id": heard["transcription_id"], **length},
    )


def convert(request: Request) -> Answer:
    """The answer to a recording that shall be heard in another voice, or without noise."""
    _, seconds = _recording(read_form(request), "audio")
    return wire.sound(request, seconds, str(-(-int(seconds * CREDITS_PER_MINUTE) // 60)))


def align(request: Request) -> Answer:
    """The answer to a recording and its text, that shall be brought together."""
    form = read_form(request)
    text = form.fields.get("text")
    if not text:
        raise Refusal(422, "Field required", param="text")
    _recording(form, "file")
    characters = [
        {"text": letter, "start": index / 10, "end": index / 10 + 0.1}
        for index, letter in enumerate(text)
    ]
    words = [
        {"text": word, "start": float(index), "end": index + 1.0, "loss": 0.1}
        for index, word in enumerate(text.split())
    ]
    return wire.whole(request, {"characters": characters, "words": words, "loss": 0.1})


def _recording(form: Form, name: str) -> tuple[bytes, float]:
    file = form.file(name)
    if file is None:
        raise Refusal(422, "Field required", param=name)
    content = bytes(file.content)
    if form.fields.get("file_format") == "pcm_s16le_16":
        return content, len(content) / PCM_BYTES_PER_S
    seconds = sounds.seconds_of(content)
    if seconds is None:
        raise Refusal(400, "The audio is corrupted or not supported.", code="invalid_audio")
    return content, seconds


def _word(index: int, word: str) -> dict[str, Any]:
    start = index / WORDS_PER_SECOND
    return {"text": word, "start": start, "end": start + 0.4, "type": "word", "logprob": -0.1}
