"""The ElevenLabs dialect behind the one interface that the relay calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import (
    Ask,
    Failure,
    Meter,
    ObjectName,
    RequestView,
    Route,
)
from mintgate_facade.dialects.checks import bounded_nesting
from mintgate_facade.dialects.elevenlabs import errors, models
from mintgate_facade.dialects.elevenlabs.audio import (
    read_alignment,
    read_conversion,
    read_isolation,
    read_transcription,
)
from mintgate_facade.dialects.elevenlabs.sound import music_meter, read_effect, read_music
from mintgate_facade.dialects.elevenlabs.speech import read_design, read_dialogue, read_speech
from mintgate_facade.dialects.elevenlabs.terms import TERMS
from mintgate_facade.dialects.media import media_meter
from mintgate_facade.dialects.terms import Terms

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice

_ONE_DOCUMENT = frozenset(
    {"speech_timed", "dialogue_timed", "voice_design", "transcription", "alignment"}
)
"""Operations that answer one JSON document. Those of `/stream/with-timestamps` answer many,
a line each."""
_SONGS = frozenset({"music", "music_events"})


class ElevenLabsDialect:
    """Serves ElevenLabs."""

    name = "elevenlabs"
    terms: Mapping[str, Terms] = TERMS

    def read(self, route: Route, request: RequestView) -> Ask:
        """Turn a metered request into bounds, or raise `RefusedRequest`."""
        with bounded_nesting():
            return self._read(route.operation, request)

    def _read(self, operation: str, request: RequestView) -> Ask:
        match operation:
            case "speech" | "speech_timed":
                return read_speech(request)
            case "dialogue" | "dialogue_timed":
                return read_dialogue(request)
            case "voice_design":
                return read_design(request)
            case "transcription":
                return read_transcription(request)
            case "conversion":
                return read_conversion(request)
            case "isolation":
                return read_isolation(request)
            case "alignment":
                return read_alignment(request)
            case "effect":
                return read_effect(request)
            case "music" | "music_events":
                return read_music(request, measurable=operation == "music")
            case _:
                raise LookupError(f"no reading for the operation {operation!r}")

    def uses(self, route: Route, request: RequestView) -> tuple[ObjectName, ...]:  # noqa: ARG002 - see below
        """Nothing: free requests here only look at what everybody may see."""
        return ()

    def with_output_limit(self, route: Route, ask: Ask, output_tokens: int) -> bytes:  # noqa: ARG002 - nothing here is billed by tokens
        """`ask.body` as it is: no request here has an output limit."""
        return ask.body

    def meter(self, route: Route, ask: Ask, content_type: str) -> Meter:
        """Make the reader of a successful answer."""
        if route.operation in _SONGS:
            return music_meter(ask, content_type)
        return media_meter(ask, one_document=route.operation in _ONE_DOCUMENT)

    def error(self, failure: Failure) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
        """Give a failure ElevenLabs' error body and its extra headers."""
        return errors.error_body(failure)

    def stream_error(self, route: Route, failure: Failure, content_type: str = "") -> bytes:  # noqa: ARG002 - see below
        """Nothing: audio has no place for an error, and the SDK passes over what it cannot read."""
        return b""

    def models(
        self,
        route: Route,  # noqa: ARG002 - there is one route
        prices: Sequence[ModelPrice],
        query: Mapping[str, str],  # noqa: ARG002 - the list is not paged
        path_model: str = "",  # noqa: ARG002 - as above
    ) -> bytes:
        """Answer the models route from the catalogue."""
        return models.list_body(prices)
