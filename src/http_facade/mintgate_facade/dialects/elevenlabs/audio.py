"""Reads what is billed by the length of an uploaded recording.

Sources: elevenlabs-python 2.78, speech_to_text/client.py (surcharges, smallest lengths,
channels), speech_to_speech, audio_isolation, forced_alignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mintgate.v1.ledger_pb2 import SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS

from mintgate_facade.dialects.base import Ask, FilePart, Reading, RequestView
from mintgate_facade.dialects.checks import Fields, choice, model_name, refused
from mintgate_facade.dialects.elevenlabs.fields import model_of
from mintgate_facade.dialects.elevenlabs.voices import TRANSCRIPT, transcript_in, voice_of_path
from mintgate_facade.dialects.media import (
    ROUNDING_MS,
    bound_of,
    charge_of,
    is_true,
    ms_of_samples,
    the_audio,
    the_file,
    whole_ms,
)

REPEATED = frozenset({"keyterms", "secondary_language_codes"})
"""Fields of a transcription's form that come once for each value."""
CONVERSION_PRODUCT = "voice-changer"
ISOLATION_PRODUCT = "audio-isolation"
ALIGNMENT_PRODUCT = "forced-alignment"
"""Names of the price book for what has no model to choose, or may leave it out."""
CHANNELS_MAX = 5
EDITED_MS_MIN = 10_000
"""A transcript that is edited is billed for at least that long."""
KEYTERMS_FREE_OF_MIN = 100
KEYTERMS_MS_MIN = 20_000
"""With more key terms a transcript is billed for at least that long."""

_PCM = "pcm_s16le_16"
_PCM_BYTES_PER_S = 32_000
"""16 kHz, 16 bits, one channel."""
_FORMATS = frozenset({"", "other", _PCM})
_ELSEWHERE = "The length of what an address leads to is not known. Send the recording in 'file'."
_LATER = "The transcript would go elsewhere, and what it cost would not be seen. Wait for it."
_LIBRARY = "The speaker library is shared by all users of this gateway. Leave it out."
_REFUSED = {
    "cloud_storage_url": _ELSEWHERE,
    "source_url": _ELSEWHERE,
    "webhook": _LATER,
    "webhook_id": _LATER,
    "use_speaker_library": _LIBRARY,
}
_ADDONS = {
    "keyterms": "addon=keyterms",
    "detect_speaker_roles": "addon=speaker_roles",
    "transcript_edit": "addon=transcript_edit",
    "entity_detection": "addon=entities",
    "entity_redaction": "addon=entities",
}


@dataclass(frozen=True, slots=True)
class _Transcription:
    """What a transcript is billed by, besides the length of the recording."""

    model: str
    channels: int
    ms_min: int
    variants: tuple[str, ...]

    def charge(self, heard_ms: int, channels: int) -> dict[int, int]:
        return {UNIT_INPUT_AUDIO_MS: max(heard_ms, self.ms_min) * channels}


def read_transcription(request: RequestView) -> Ask:
    """Bound a recording that is written down."""
    document = request.document
    for name, reason in _REFUSED.items():
        if is_true(document.get(name, "")):
            raise refused(reason, name, "unsupported_parameter")
    file, pcm = _recording(request, "file")
    how = _Transcription(
        model=model_name(document, name="model_id"),
        channels=_channels(document, file, pcm=pcm),
        ms_min=_ms_min(document),
        variants=tuple(dict.fromkeys(v for n, v in _ADDONS.items() if _is_asked(document, n))),
    )
    most = how.charge(file.duration_max_ms + ROUNDING_MS, how.channels)
    return Ask(
        model=how.model,
        bound=bound_of(most, how.variants),
        body=b"",
        counted=charge_of(how.model, how.charge(file.duration_ms, how.channels), how.variants),
        in_document=partial(_stated, how),
        creates=TRANSCRIPT,
        made=transcript_in,
    )


def read_conversion(request: RequestView) -> Ask:
    """Bound a recording that is spoken by another voice."""
    file, _ = _recording(request, "audio")
    ask = _by_length(file, model_of(request.document, CONVERSION_PRODUCT, mark="_sts_"))
    return replace(ask, uses=voice_of_path(request))


def read_isolation(request: RequestView) -> Ask:
    """Bound a recording that is cleaned."""
    file, _ = _recording(request, "audio")
    return _by_length(file, ISOLATION_PRODUCT)


def read_alignment(request: RequestView) -> Ask:
    """Bound a recording that is brought together with its text."""
    return _by_length(the_audio(request, "file"), ALIGNMENT_PRODUCT)


def _by_length(file: FilePart, model: str) -> Ask:
    most = file.duration_max_ms + ROUNDING_MS
    return Ask(
        model=model,
        bound=bound_of({UNIT_INPUT_AUDIO_MS: most}),
        body=b"",
        counted=charge_of(model, {UNIT_INPUT_AUDIO_MS: file.duration_ms}),
    )


def _stated(how: _Transcription, document: dict[str, Any]) -> Reading | None:
    """Read the length that a transcript states: once, or for each channel."""
    transcripts = document.get("transcripts")
    parts = [part for part in transcripts if isinstance(part, dict)] if transcripts else []
    heard_ms = whole_ms(document.get("audio_duration_secs"))
    if heard_ms is None and parts:
        lengths = [whole_ms(part.get("audio_duration_secs")) for part in parts]
        heard_ms = max((ms for ms in lengths if ms is not None), default=None)
    if heard_ms is None:
        return None
    channels = min(len(parts) or how.channels, CHANNELS_MAX)
    return charge_of(how.model, how.charge(heard_ms, channels), how.variants, SETTLED_BY_USAGE)


def _recording(request: RequestView, name: str) -> tuple[FilePart, bool]:
    """Find the recording and its length, and whether it is said to be raw samples."""
    form = choice(request.document, "file_format", _FORMATS)
    if form != _PCM:
        return the_audio(request, name), False
    file = the_file(request, name)
    # A file that says so, but has a header, may be read by the header: the longer counts.
    as_samples = ms_of_samples(file.size_bytes, _PCM_BYTES_PER_S)
    if not as_samples:
        raise refused(f"'{name}' has no audio in it.", name, "invalid_audio")
    return FilePart(
        name=file.name,
        size_bytes=file.size_bytes,
        duration_ms=max(as_samples, file.duration_ms),
        duration_max_ms=max(as_samples, file.duration_max_ms),
        channels=file.channels,
    ), True


def _channels(document: Fields, file: FilePart, *, pcm: bool) -> int:
    if not is_true(document.get("use_multi_channel", "")):
        return 1
    return 1 if pcm else min(max(1, file.channels), CHANNELS_MAX)


def _ms_min(document: Fields) -> int:
    if _terms(document) > KEYTERMS_FREE_OF_MIN:
        return KEYTERMS_MS_MIN
    return EDITED_MS_MIN if _is_asked(document, "transcript_edit") else 0


def _terms(document: Fields) -> int:
    """Count key terms; one field with several, separated by commas, counts as so many."""
    values: Sequence[str] = document.get("keyterms") or ()
    return sum(1 + value.count(",") for value in values)


def _is_asked(document: Fields, name: str) -> bool:
    value = document.get(name, "")
    if name == "keyterms":
        # Terms are words of any kind: "no" is one.
        return any(term.strip() for term in value)
    # Free text is an instruction, whatever it says.
    return bool(value) if name == "transcript_edit" else is_true(value)
