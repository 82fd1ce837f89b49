"""Reads `POST /v1/listen`: a recording that is written down.

Sources: deepgram-sdk 7.17, listen/v1/media; the vendor's API description of 2026-07. Seconds
are billed as they are, for each channel if `multichannel` is on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from mintgate.v1.ledger_pb2 import SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS

from mintgate_facade.dialects.base import Ask, FilePart, Reading, RequestView
from mintgate_facade.dialects.checks import MODEL_NAME_MAX, refused
from mintgate_facade.dialects.deepgram.intelligence import tokens_bound, tokens_stated
from mintgate_facade.dialects.deepgram.query import (
    SHARED,
    Query,
    asked,
    features,
    one,
    opted_out,
    positive,
    read_query,
)
from mintgate_facade.dialects.media import (
    MS_PER_S,
    ROUNDING_MS,
    bound_of,
    charge_of,
    ms_of_samples,
    whole_ms,
)
from mintgate_facade.dialects.split import count, fields

MODEL = "base-general"
"""What Deepgram takes where the query names no model."""
CHANNELS_MAX = 20
HERTZ_MAX = 384_000
WRITTEN_TOKENS_PER_S = 25
"""What a second of speech is written as, at most."""

_KNOWN = SHARED | {
    "alternatives",
    "channels",
    "detect_entities",
    "detect_language",
    "diarize",
    "diarize_model",
    "diarize_version",
    "dictation",
    "encoding",
    "filler_words",
    "keyterm",
    "keywords",
    "language_hint",
    "measurements",
    "multichannel",
    "numerals",
    "paragraphs",
    "profanity_filter",
    "punctuate",
    "redact",
    "replace",
    "sample_rate",
    "search",
    "smart_format",
    "utt_split",
    "utterances",
    "version",
}
_SAMPLE_BYTES = {"linear16": 2, "linear32": 4, "mulaw": 1, "alaw": 1}
_AUDIO = re.compile(r"(audio|video)/[\w.+-]+|application/(octet-stream|ogg)")
_ELSEWHERE = "The length of what an address leads to is not known. Send the recording as the body."
_VERSION = "Only the latest version of a model has a known price. Leave it out."
_ADDONS = {
    "detect_entities": "addon=detect_entities",
    "diarize": "addon=diarize",
    "redact": "addon=redact",
}


@dataclass(frozen=True, slots=True)
class _Length:
    """Of a recording, as far as it can be told."""

    counted_ms: int
    most_ms: int
    channels: int


def read_listen(request: RequestView) -> Ask:
    """Bound a recording that is the body of its request."""
    query = read_query(request, _KNOWN)
    if one(query, "version") not in {"", "latest"}:
        raise refused(_VERSION, "version", "unsupported_parameter")
    if not request.files:
        raise refused(_ELSEWHERE, "url", "unsupported_parameter")
    kind = request.headers.get("content-type", "application/octet-stream")
    if not _AUDIO.fullmatch(kind.partition(";")[0].strip().lower()):
        raise refused(f"The body must be audio, not {kind[:64]!r}.", "content-type")
    model = one(query, "model") or MODEL
    if len(model) > MODEL_NAME_MAX or not model.isprintable():
        raise refused("'model' is not the name of a model.", "model")
    length = _length(query, request.files[0])
    channels = min(length.channels, CHANNELS_MAX) if asked(query, "multichannel") else 1
    variants = _variants(query, model)
    bound = bound_of({UNIT_INPUT_AUDIO_MS: (length.most_ms + ROUNDING_MS) * channels}, variants)
    wanted = features(query)
    if wanted:
        written = -(-length.most_ms * channels * WRITTEN_TOKENS_PER_S // MS_PER_S)
        named = len(request.query_string)
        bound.input_tokens, bound.output_tokens = tokens_bound(wanted, written + named)
    return Ask(
        model=model,
        bound=bound,
        body=b"",
        counted=charge_of(model, {UNIT_INPUT_AUDIO_MS: length.counted_ms * channels}, variants),
        in_document=partial(_stated, model, variants, asked(query, "multichannel")),
    )


def _stated(
    model: str,
    variants: tuple[str, ...],
    multichannel: bool,  # noqa: FBT001 - bound by `partial`
    document: dict[str, Any],
) -> Reading | None:
    """Read what the metadata of a transcript states: its length, channels and tokens."""
    metadata = fields(document.get("metadata"))
    heard_ms = whole_ms(metadata.get("duration"))
    if heard_ms is None:
        return None
    channels = max(1, count(metadata.get("channels"))) if multichannel else 1
    units = {UNIT_INPUT_AUDIO_MS: heard_ms * channels, **tokens_stated(metadata)}
    return charge_of(model, units, variants, SETTLED_BY_USAGE)


def _length(query: Query, file: FilePart) -> _Length:
    """How long a recording is: by its own header, or as raw samples of the stated kind.

    Where it could be either, the longer counts.
    """
    encoding, hertz = one(query, "encoding"), positive(query, "sample_rate", HERTZ_MAX)
    channels = positive(query, "channels", CHANNELS_MAX) or 1
    samples_ms = 0
    if encoding in _SAMPLE_BYTES and hertz:
        bytes_per_s = hertz * _SAMPLE_BYTES[encoding] * channels
        samples_ms = ms_of_samples(file.size_bytes, bytes_per_s)
    if file.unreadable and not samples_ms:
        if encoding in _SAMPLE_BYTES and file.size_bytes:
            raise refused(f"State 'sample_rate' with '{encoding}'.", "sample_rate")
        raise refused(f"The body {file.unreadable}.", "", "invalid_audio")
    return _Length(
        counted_ms=max(samples_ms, file.duration_ms),
        most_ms=max(samples_ms, file.duration_max_ms),
        channels=max(channels, file.channels),
    )


def _variants(query: Query, model: str) -> tuple[str, ...]:
    """The price variants that the query asks for."""
    found = [variant for name, variant in _ADDONS.items() if asked(query, name)]
    if any(term.strip() for term in query.get("keyterm", ())):
        # Terms are words of any kind: "no" is one.
        found.append("addon=keyterm")
    speakers = asked(query, "diarize_model") or asked(query, "diarize_version")
    if speakers and "addon=diarize" not in found:
        found.append("addon=diarize")
    many = one(query, "language").lower() == "multi" or asked(query, "detect_language")
    if many and model.startswith("nova-3") and not model.startswith("nova-3-medical"):
        found.append("speech=multilingual")
    return (*found, *opted_out(query))
