"""``POST /v1/text-to-speech/...``, ``/v1/text-to-dialogue...`` and ``/v1/text-to-voice/...``.

A character costs a credit, or half of one with the faster models. A voice of the library may
have a rate of its own: ``DEAR_VOICE`` costs twice as much, the most that a gateway holds for.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator import sounds
from mintgate_simulator.answer import Stream
from mintgate_simulator.refusal import Refusal

from . import wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

DEAR_VOICE = "voiceOfTheLibraryAt2"
SECONDS_PER_CHARACTER = 0.06
TEXT_CHARACTERS_MAX = 40_000
DIALOGUE_CHARACTERS_MAX = 5_000
PREVIEW_CHARACTERS_MIN = 100
PREVIEW_CHARACTERS_MAX = 1_000
PREVIEWS = 3
OWN_TEXT = "The quick brown fox jumps over the lazy dog, and every letter is heard once. " * 3
_HALF = ("eleven_flash_", "eleven_turbo_", "eleven_v4_turbo", "eleven_v3_conversational")
_LINE = b"application/x-ndjson"


def speak(request: Request, voice: str, *, streamed: bool, timed: bool) -> Answer:
    """The answer to a text for one voice."""
    body = body_of(request)
    text = required_text(body, "text")
    if len(text) > TEXT_CHARACTERS_MAX:
        raise Refusal(400, "The text is too long.", code="max_character_limit_exceeded")
    cost = credits_of(str(body.get("model_id") or "eleven_multilingual_v2"), len(text), voice)
    return _spoken(request, text, cost, streamed=streamed, timed=timed)


def converse(request: Request, *, streamed: bool, timed: bool) -> Answer:
    """The answer to a dialogue."""
    body = body_of(request)
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise Refusal(422, "Field required", param="inputs")
    texts = [required_text(turn if isinstance(turn, dict) else {}, "text") for turn in inputs]
    voices = {str(turn.get("voice_id")) for turn in inputs}
    text = "".join(texts)
    if len(text) > DIALOGUE_CHARACTERS_MAX:
        raise Refusal(400, "The dialogue is too long.", code="max_character_limit_exceeded")
    voice = DEAR_VOICE if DEAR_VOICE in voices else ""
    cost = credits_of(str(body.get("model_id") or "eleven_v3"), len(text), voice)
    return _spoken(request, text, cost, streamed=streamed, timed=timed)


def design(request: Request) -> Answer:
    """The answer to a voice that is described: three previews for the price of one text."""
    body = body_of(request)
    required_text(body, "voice_description")
    text = body.get("text")
    if body.get("auto_generate_text") or not text:
        text = OWN_TEXT
    if not PREVIEW_CHARACTERS_MIN <= len(text) <= PREVIEW_CHARACTERS_MAX:
        raise Refusal(422, "String should have 100 to 1000 characters", param="text")
    audio = base64.b64encode(sounds.mp3(1)).decode()
    previews = [
        {
            "audio_base_64": audio,
            "generated_voice_id": f"gen{request.number:08x}{index}",
            "media_type": "audio/mpeg",
            "duration_secs": 1.0,
            "language": "en",
        }
        for index in range(PREVIEWS)
    ]
    answer = {"previews": previews, "text": text}
    return wire.whole(request, answer, cost_credits=credits_of("", len(text), ""))


def credits_of(model: str, characters: int, voice: str) -> str:
    """What characters cost, in credits."""
    halves = characters * (1 if model.startswith(_HALF) else 2) * (2 if voice == DEAR_VOICE else 1)
    return f"{halves // 2}.5" if halves % 2 else str(halves // 2)


def body_of(request: Request) -> dict[str, Any]:
    """The request's JSON object."""
    return request.json_object("Input should be a valid dictionary")


def required_text(fields: dict[str, Any], name: str) -> str:
    """A field that must be a text with something in it."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise Refusal(422, "Field required", param=name)
    if not value:
        raise Refusal(400, "The text is empty.", code="invalid_parameters")
    return value


def _spoken(request: Request, text: str, cost: str, *, streamed: bool, timed: bool) -> Answer:
    seconds = len(text) * SECONDS_PER_CHARACTER
    if not timed:
        return wire.sound(request, seconds, cost)
    if not streamed:
        return wire.whole(request, _timed(text, 0), cost_credits=cost)
    half = len(text) // 2
    lines = [_timed(text[:half], 0), _timed(text[half:], half)]
    body = b"\n".join(orjson.dumps(line) for line in lines) + b"\n"
    answer: Stream = wire.pieces(request, _LINE, body, cost)
    return answer


def _timed(text: str, first: int) -> dict[str, Any]:
    starts = [round((first + index) * SECONDS_PER_CHARACTER, 3) for index in range(len(text))]
    ends = [round(start + SECONDS_PER_CHARACTER, 3) for start in starts]
    alignment = {
        "characters": list(text),
        "character_start_times_seconds": starts,
        "character_end_times_seconds": ends,
    }
    return {
        "audio_base64": base64.b64encode(sounds.mp3(len(text) * SECONDS_PER_CHARACTER)).decode(),
        "alignment": alignment,
        "normalized_alignment": alignment,
        "voice_segments": [],
    }
