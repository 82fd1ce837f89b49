"""``POST /v1/sound-generation`` and ``/v1/music...``."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator import sounds
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import is_int

from . import speech, wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

EFFECT_S = 2.0
"""Of an effect whose length is left to the model."""
EFFECT_CREDITS = "100"
MUSIC_MS = 12_000
"""Of a song whose length is left to the model, unless ``output`` asks for so many seconds."""
MUSIC_MS_MIN = 3_000
MUSIC_MS_MAX = 600_000
_BOUNDARY = b"--simulated-boundary"


def effect(request: Request) -> Answer:
    """The answer to a sound that is described."""
    body = speech.body_of(request)
    speech.required_text(body, "text")
    seconds = body.get("duration_seconds")
    return wire.sound(request, EFFECT_S if seconds is None else float(seconds), EFFECT_CREDITS)


def compose(request: Request) -> Answer:
    """The answer to a song that is described."""
    return wire.sound(request, _length_ms(request) / 1_000)


def compose_detailed(request: Request) -> Answer:
    """The same with its plan before it, in a body of two parts."""
    length_ms = _length_ms(request)
    told = orjson.dumps({"composition_plan": _plan(length_ms), "song_metadata": _METADATA})
    body = b"\r\n".join(
        [
            _BOUNDARY,
            b"Content-Type: application/json",
            b"",
            told,
            _BOUNDARY,
            b"Content-Type: audio/mpeg",
            b'Content-Disposition: attachment; filename="song.mp3"',
            b"",
            sounds.mp3(length_ms / 1_000),
        ]
    )
    kind = b"multipart/mixed; boundary=simulated-boundary"
    return wire.pieces(request, kind, body)


def compose_events(request: Request) -> Answer:
    """The same, a line for each piece."""
    length_ms = _length_ms(request)
    audio = base64.b64encode(sounds.mp3(length_ms / 1_000)).decode()
    lines = [{"composition_plan": _plan(length_ms)}, {"audio_base64": audio}]
    body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    return wire.pieces(request, b"application/x-ndjson", body)


def plan(request: Request) -> Answer:
    """The answer to a song that shall only be planned."""
    speech.required_text(speech.body_of(request), "prompt")
    return wire.whole(request, _plan(MUSIC_MS))


_METADATA: dict[str, Any] = {
    "title": "Simulated",
    "description": "Silence",
    "genres": ["ambient"],
    "languages": [],
    "is_explicit": False,
}


def _plan(length_ms: int) -> dict[str, Any]:
    section = {
        "section_name": "All",
        "positive_local_styles": [],
        "negative_local_styles": [],
        "duration_ms": length_ms,
        "lines": [],
    }
    return {
        "positive_global_styles": ["quiet"],
        "negative_global_styles": [],
        "sections": [section],
    }


def _length_ms(request: Request) -> int:
    body = speech.body_of(request)
    planned = body.get("composition_plan")
    if isinstance(planned, dict):
        parts = [*planned.get("sections", ()), *planned.get("chunks", ())]
        return max(MUSIC_MS_MIN, sum(int(part["duration_ms"]) for part in parts))
    speech.required_text(body, "prompt")
    stated = body.get("music_length_ms")
    if stated is None:
        seconds = request.controls.output
        return MUSIC_MS if seconds is None else min(seconds * 1_000, MUSIC_MS_MAX)
    if not is_int(stated) or not MUSIC_MS_MIN <= stated <= MUSIC_MS_MAX:
        raise Refusal(
            422, "Input should be from 3000 to 600000", param="music_length_ms", code="range"
        )
    return stated
