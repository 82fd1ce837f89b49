"""``POST /v1/speak``, ``/v2/speak`` and ``/v1/read``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator import sounds
from mintgate_simulator.answer import Kind, Stream
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.tokens import tokens_of, utf8_length

from . import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

CHARACTERS_MAX = 2_000
SECONDS_PER_CHARACTER = 0.06
PIECE_BYTES = 4_096
_ENCODINGS = {"linear16": (b"audio/wav", sounds.wav), "mp3": (b"audio/mpeg", sounds.mp3)}


def speak(request: Request) -> Answer:
    """The answer to a text that shall be spoken."""
    text = _text(request)
    if len(text) > CHARACTERS_MAX:
        raise Refusal(413, f"Input text exceeds the limit of {CHARACTERS_MAX} characters.")
    content_type, make = _ENCODINGS.get(request.query_value("encoding") or "mp3", _ENCODINGS["mp3"])
    headers = wire.headers(request, content_type)
    headers.append((b"dg-model-name", (request.query_value("model") or "aura-asteria-en").encode()))
    headers.append((b"dg-model-uuid", wire.MODEL_UUID.encode()))
    if request.controls.usage:
        headers.append((b"dg-char-count", str(len(text)).encode()))
    sound = make(len(text) * SECONDS_PER_CHARACTER)

    def events() -> Iterator[tuple[Kind, bytes]]:
        last = max(0, len(sound) - 1) // PIECE_BYTES * PIECE_BYTES
        for start in range(0, len(sound), PIECE_BYTES):
            kind = Kind.CLOSING if start == last else Kind.CONTENT
            yield kind, sound[start : start + PIECE_BYTES]

    return Stream(headers=headers, events=events(), failure=bytes)


def read(request: Request) -> Answer:
    """The answer to a text that shall be summarised or looked through."""
    text = _text(request)
    wanted = [name for name in wire.FEATURES if wire.is_on(request, name)]
    if not wanted:
        raise Refusal(400, "At least one feature must be requested.")
    metadata = {
        "request_id": wire.request_id(request),
        "created": "2026-11-25T12:00:00.000Z",
        "language": request.query_value("language") or "en",
        **wire.infos(request, tokens_of(utf8_length(text))),
    }
    results: dict[str, Any] = {}
    if "summarize" in wanted:
        results["summary"] = {"text": text[:100]}
    for name in ("topics", "intents"):
        if name in wanted:
            results[name] = {"segments": []}
    if "sentiment" in wanted:
        average = {"sentiment": "neutral", "sentiment_score": 0.0}
        results["sentiments"] = {"segments": [], "average": average}
    return wire.whole(request, {"metadata": metadata, "results": results})


def _text(request: Request) -> str:
    body = request.json_object("Failed to deserialize JSON payload.")
    text = body.get("text")
    if isinstance(body.get("url"), str):
        return "What the address leads to."
    if not isinstance(text, str) or not text:
        raise Refusal(400, "The text is missing or empty.")
    return text
