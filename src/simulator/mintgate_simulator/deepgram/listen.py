"""``POST /v1/listen``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from mintgate_simulator import sounds
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.tokens import tokens_of, utf8_length

from . import wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

WORDS_PER_SECOND = 2
LINKED_S = 10.0
"""How long what an address leads to is."""
_SAMPLE_BYTES = {"linear16": 2, "linear32": 4, "mulaw": 1, "alaw": 1}


def transcribe(request: Request) -> Answer:
    """The answer to a recording that shall be written down."""
    if request.query_value("callback"):
        return wire.whole(request, {"request_id": wire.request_id(request)})
    seconds, recorded_channels = _recording(request)
    several = wire.is_on(request, "multichannel")
    channels = recorded_channels if several else 1
    text = " ".join(["word"] * (1 + int(seconds * WORDS_PER_SECOND)))
    length: dict[str, Any] = {}
    if request.controls.usage:
        length = {"duration": round(seconds, 6), "channels": channels}
    model = request.query_value("model") or "base-general"
    metadata = {
        "transaction_key": "deprecated",
        "request_id": wire.request_id(request),
        "sha256": hashlib.sha256(request.body).hexdigest(),
        "created": "2026-11-25T12:00:00.000Z",
        **length,
        "models": [wire.MODEL_UUID],
        "model_info": {wire.MODEL_UUID: {"name": model, "version": "2026-01-09.0", "arch": model}},
        **wire.infos(request, tokens_of(utf8_length(text)) * channels),
    }
    heard = {"alternatives": [{"transcript": text, "confidence": 0.99, "words": _words(text)}]}
    results: dict[str, Any] = {"channels": [heard] * channels}
    if wire.is_on(request, "summarize"):
        results["summary"] = {"result": "success", "short": "Words were said."}
    return wire.whole(request, {"metadata": metadata, "results": results})


def _recording(request: Request) -> tuple[float, int]:
    """How long the recording is, and how many channels it has."""
    if (request.header(b"content-type") or "").startswith("application/json"):
        if not isinstance(request.json_object("The body is no JSON.").get("url"), str):
            raise Refusal(400, "Invalid JSON submitted: it must have a url.")
        return LINKED_S, 1
    sample_bytes = _SAMPLE_BYTES.get(request.query_value("encoding") or "")
    hertz = request.query_value("sample_rate")
    seconds = sounds.seconds_of(request.body)
    if seconds is not None:
        return seconds, sounds.channels_of(request.body)
    if sample_bytes is not None and hertz is not None and request.body:
        channels = int(request.query_value("channels") or "1")
        return len(request.body) / (int(hertz) * sample_bytes * channels), channels
    raise Refusal(
        400,
        "Bad Request: failed to process audio: corrupt or unsupported data",
        code="Bad Request",
    )


def _words(text: str) -> list[dict[str, Any]]:
    return [
        {
            "word": word,
            "start": index / WORDS_PER_SECOND,
            "end": index / WORDS_PER_SECOND + 0.4,
            "confidence": 0.99,
        }
        for index, word in enumerate(text.split(" "))
    ]
