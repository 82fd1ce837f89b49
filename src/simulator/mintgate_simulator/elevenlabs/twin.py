"""ElevenLabs' credentials and routes."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from mintgate_simulator.refusal import Refusal

from . import audio, sound, speech, wire
from .voices import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable

    from mintgate_simulator.answer import Answer, Whole
    from mintgate_simulator.request import Request

_ROUTES: dict[tuple[str, str], Callable[[Request], Answer]] = {
    ("POST", "/v1/text-to-dialogue"): partial(speech.converse, streamed=False, timed=False),
    ("POST", "/v1/text-to-dialogue/stream"): partial(speech.converse, streamed=True, timed=False),
    ("POST", "/v1/text-to-dialogue/with-timestamps"): partial(
        speech.converse, streamed=False, timed=True
    ),
    ("POST", "/v1/text-to-dialogue/stream/with-timestamps"): partial(
        speech.converse, streamed=True, timed=True
    ),
    ("POST", "/v1/text-to-voice/design"): speech.design,
    ("POST", "/v1/text-to-voice/create-previews"): speech.design,
    ("POST", "/v1/speech-to-text"): audio.transcribe,
    ("POST", "/v1/audio-isolation"): audio.convert,
    ("POST", "/v1/audio-isolation/stream"): audio.convert,
    ("POST", "/v1/forced-alignment"): audio.align,
    ("POST", "/v1/sound-generation"): sound.effect,
    ("POST", "/v1/music"): sound.compose,
    ("POST", "/v1/music/stream"): sound.compose,
    ("POST", "/v1/music/detailed"): sound.compose_detailed,
    ("POST", "/v1/music/detailed/stream"): sound.compose_events,
    ("POST", "/v1/music/plan"): sound.plan,
}
_SPEECH = re.compile(r"/v1/text-to-speech/([^/]+)(/stream)?(/with-timestamps)?")
_CONVERSION = re.compile(r"/v1/(?:speech-to-speech|voice-changer)/[^/]+(?:/stream)?")
_REMIX = re.compile(r"/v1/text-to-voice/[^/]+/remix")
_LISTS: dict[str, Any] = {
    "/v1/shared-voices": {"voices": [], "has_more": False, "last_sort_id": None},
    "/v1/voices/settings/default": {"stability": 0.5, "similarity_boost": 0.75, "style": 0.0},
    "/v1/voices/accents": {"accents": []},
    "/v1/audio-effects/catalog": {"environments": [], "presets": []},
}


class ElevenLabsTwin:
    """Answers as ``https://api.elevenlabs.io`` does."""

    def __init__(self) -> None:
        self._shelf = Shelf()

    def credential(self, request: Request) -> str | None:
        """The header of ElevenLabs' own, the only place where its SDK puts a key."""
        return request.header(b"xi-api-key")

    def missing_credential(self) -> Refusal:
        """401, with a code of its own."""
        return Refusal(401, "Neither authorization header nor xi-api-key received.")

    def wrong_credential(self) -> Refusal:
        """401."""
        return Refusal(401, "Invalid API key", code="invalid_api_key")

    def refuse(self, request: Request, refusal: Refusal) -> Whole:
        """The refusal under ``detail``."""
        return wire.refuse(request, refusal)

    def respond(self, request: Request) -> Answer:
        """The answer of the route; 404 for an unknown URL."""
        kept = self._shelf.respond(request)
        if kept is not None:
            return kept
        handler = _ROUTES.get((request.method, request.path))
        if handler is not None:
            return self._shelf.keep(handler(request))
        if request.method == "GET" and request.path in _LISTS:
            return wire.whole(request, _LISTS[request.path])
        if request.method == "POST":
            spoken = _SPEECH.fullmatch(request.path)
            if spoken is not None:
                voice, streamed, timed = spoken.groups()
                return speech.speak(request, voice, streamed=bool(streamed), timed=bool(timed))
            if _CONVERSION.fullmatch(request.path):
                return audio.convert(request)
            if _REMIX.fullmatch(request.path):
                return self._shelf.keep(speech.design(request))
        raise Refusal(404, "Not Found", code="not_found")
