"""Meters of OpenAI's audio routes."""

from __future__ import annotations

from typing import Any

from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_INPUT_AUDIO_MS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_CHARACTERS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
)

from mintgate_facade.dialects.audio_clock import Mp3Clock, PcmClock
from mintgate_facade.dialects.base import Ask, Meter, Reading
from mintgate_facade.dialects.counted import tokens_in, utf8_bytes, within_limit
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.opaque import OpaqueMeter
from mintgate_facade.dialects.openai.audio import MS_PER_S, is_by_character, is_by_time
from mintgate_facade.dialects.openai.usage import read_usage
from mintgate_facade.dialects.split import Units
from mintgate_facade.dialects.streams import Fate, SseMeter

PCM_BYTES_PER_S = 48_000
"""24 kHz, 16 bits, one channel: `pcm`, and `wav` after its header."""
MS_PER_SPEECH_TOKEN = 50


def speech_meter(ask: Ask, content_type: str) -> Meter:
    """Make the reader of an answer that is audio."""
    if is_by_character(ask.model):
        characters = {fee.unit: fee.count for fee in ask.bound.fees}[UNIT_INPUT_CHARACTERS]

        def by_character(_size_bytes: int) -> Reading:
            return _counted(ask, {UNIT_INPUT_CHARACTERS: characters})

        return OpaqueMeter(by_character)
    clock = Mp3Clock() if "mpeg" in content_type else PcmClock(PCM_BYTES_PER_S)

    def by_length(_size_bytes: int) -> Reading:
        tokens = -(-clock.elapsed_ms // MS_PER_SPEECH_TOKEN)
        units: Units = {UNIT_INPUT_TOKENS: ask.delivered_input_tokens, UNIT_OUTPUT_TOKENS: tokens}
        return _counted(ask, units)

    return OpaqueMeter(by_length, clock.see)


def transcript_meter(ask: Ask, content_type: str) -> Meter:
    """Make the reader of a transcript that is one document or plain text."""
    if content_type.startswith("application/json"):
        return JsonMeter(
            lambda document: _exact(ask, document),
            lambda _document, size_bytes: _transcribed(ask, size_bytes),
        )
    return OpaqueMeter(lambda size_bytes: _transcribed(ask, size_bytes))


class AudioStreamMeter(SseMeter):
    """Deltas, then one `speech.audio.done` or `transcript.text.done` with usage."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask)
        self._usage: tuple[Units, int] | None = None

    @property
    def final(self) -> bool:
        """The last event was seen with its usage."""
        return self._usage is not None

    def _see(self, event: dict[str, Any]) -> Fate:
        kind = str(event.get("type") or "")
        if kind == "transcript.text.delta":
            self._text_bytes += utf8_bytes(str(event.get("delta") or ""))
        if not kind.endswith(".done"):
            return Fate.PASS
        self._complete = True
        units = _stated(event.get("usage"))
        if units is not None:
            self._usage = units, 0
        return Fate.KEEP

    def _exact(self) -> tuple[Units, int] | None:
        return self._usage

    def _counted_units(self) -> Units:
        """The input was heard before the first word; of speech, all that was asked for is made."""
        if self._ask.counted_ms:
            return _transcribed(self._ask, self._text_bytes).units
        units = super()._counted_units()
        return {**units, UNIT_OUTPUT_TOKENS: self._ask.bound.output_tokens}


def _exact(ask: Ask, document: Document) -> Reading | None:
    units = _stated(document.get("usage"))
    if units is None:
        return None
    return Reading(units=units, basis=SETTLED_BY_USAGE, model=ask.model)


def _stated(usage: Any) -> Units | None:
    """Units of a stated usage, in tokens or in seconds (openai/types/audio/transcription.py)."""
    if isinstance(usage, dict) and usage.get("type") == "duration":
        seconds = usage.get("seconds")
        if isinstance(seconds, int | float) and seconds >= 0:
            return {UNIT_INPUT_AUDIO_MS: int(-(-seconds * MS_PER_S // 1))}
        return None
    if isinstance(usage, dict) and "input_token_details" in usage:
        # The other routes say "tokens" here.
        usage = {**usage, "input_tokens_details": usage["input_token_details"]}
    read = read_usage(usage)
    return None if read is None else read[0]


def _transcribed(ask: Ask, written_bytes: int) -> Reading:
    """What to charge for a transcript that states nothing: the length of its audio."""
    if is_by_time(ask.model):
        return _counted(ask, {UNIT_INPUT_AUDIO_MS: ask.counted_ms})
    units: Units = {
        UNIT_INPUT_AUDIO_TOKENS: ask.delivered_input_tokens,
        UNIT_OUTPUT_TOKENS: within_limit(ask, tokens_in(written_bytes)),
    }
    return _counted(ask, units)


def _counted(ask: Ask, units: Units) -> Reading:
    return Reading(
        units={unit: number for unit, number in units.items() if number},
        basis=SETTLED_BY_COUNTED,
        model=ask.model,
    )
