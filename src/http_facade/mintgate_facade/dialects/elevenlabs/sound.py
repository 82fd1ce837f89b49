"""Reads what is billed by the sound that is made: effects, and music.

Sources: elevenlabs-python 2.78, text_to_sound_effects/client.py and music/client.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from mintgate.v1.ledger_pb2 import SETTLED_BY_HOLD
from mintgate.v1.unit_pb2 import UNIT_OUTPUT_AUDIO_MS, UNIT_REQUESTS

from mintgate_facade.dialects.audio_clock import Mp3Clock
from mintgate_facade.dialects.base import Ask, Meter, Reading, RequestView
from mintgate_facade.dialects.checks import Fields, forbid, integer, mapping, objects, refused, text
from mintgate_facade.dialects.elevenlabs.fields import UNSPOKEN, model_of
from mintgate_facade.dialects.media import bound_of, charge_of
from mintgate_facade.dialects.opaque import OpaqueMeter
from mintgate_facade.dialects.split import Units

EFFECT_PRODUCT = "sound-generation"
EFFECT_S_MAX = 30
MUSIC_PRODUCT = "music"
MUSIC_MS_MIN = 3_000
MUSIC_MS_MAX = 600_000

_COUNTED_FORMATS = ("mp3_", "auto")
_COUNTED_TYPES = ("audio/mpeg", "audio/mp3", "multipart/")
_SONG = "Songs that were made before are stored objects, which all users would share."


def read_effect(request: RequestView) -> Ask:
    """Bound one sound effect, which is billed by the piece."""
    document = request.document
    forbid(document, UNSPOKEN)
    if not text(document, "text"):
        raise refused("'text' must be a non-empty string.", "text")
    seconds = document.get("duration_seconds")
    if seconds is not None and (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not 0 < seconds <= EFFECT_S_MAX
    ):
        raise refused(
            f"'duration_seconds' must be a number of at most {EFFECT_S_MAX}.", "duration_seconds"
        )
    model = model_of(document, EFFECT_PRODUCT)
    return Ask(
        model=model,
        bound=bound_of({UNIT_REQUESTS: 1}),
        body=request.body,
        counted=charge_of(model, {UNIT_REQUESTS: 1}),
    )


def read_music(request: RequestView, *, measurable: bool) -> Ask:
    """Bound a song by its stated length, or by the longest that there is.

    `measurable`: the answer is audio, so that one of no stated length can be measured.
    """
    document = request.document
    forbid(document, UNSPOKEN)
    stated = _stated_ms(document)
    if stated is None and not measurable:
        raise refused(
            "State 'music_length_ms': what this route makes cannot be measured as it passes.",
            "music_length_ms",
        )
    if stated is None and not _is_counted(request.query_string):
        raise refused(
            "State 'music_length_ms', or use an MP3 format: others cannot be measured as they "
            "pass.",
            "output_format",
        )
    model = model_of(document, MUSIC_PRODUCT)
    made: Units = {UNIT_OUTPUT_AUDIO_MS: stated or MUSIC_MS_MAX}
    return Ask(
        model=model,
        bound=bound_of(made),
        body=request.body,
        counted=charge_of(model, made) if stated else None,
    )


def music_meter(ask: Ask, content_type: str) -> Meter:
    """Charge a song by its stated length, or by the frames of MP3 in its answer.

    An answer that is neither MP3 nor has it as a part is charged as the whole hold.
    """
    stated = ask.counted
    if stated is not None:
        return OpaqueMeter(lambda _size_bytes: stated)
    if not content_type.startswith(_COUNTED_TYPES):
        return OpaqueMeter(lambda _size_bytes: Reading(basis=SETTLED_BY_HOLD))
    clock = Mp3Clock()

    def by_length(_size_bytes: int) -> Reading:
        return charge_of(ask.model, {UNIT_OUTPUT_AUDIO_MS: min(clock.elapsed_ms, MUSIC_MS_MAX)})

    return OpaqueMeter(by_length, clock.see)


def _is_counted(query_string: str) -> bool:
    """Whether every format that the query names can be measured: it may name two."""
    formats = [v for n, v in parse_qsl(query_string) if n == "output_format"]
    return all(form.startswith(_COUNTED_FORMATS) for form in formats)


def _stated_ms(document: Fields) -> int | None:
    plan = mapping(document, "composition_plan")
    if plan is None:
        return integer(document, "music_length_ms", MUSIC_MS_MIN, MUSIC_MS_MAX)
    # "respect_sections_durations" off lets the model choose other lengths for its sections.
    free = document.get("respect_sections_durations") is False
    total = sum(_section_lengths(plan))
    if total > MUSIC_MS_MAX:
        raise refused(
            f"The sections of 'composition_plan' are {total} ms long; at most {MUSIC_MS_MAX} "
            "are allowed.",
            "composition_plan",
        )
    return None if free or not total else max(total, MUSIC_MS_MIN)


def _section_lengths(plan: Fields) -> Iterator[int]:
    for part in ("sections", "chunks"):
        for index, section in enumerate(objects(plan, part, where="composition_plan")):
            where = f"composition_plan.{part}[{index}]"
            if _names_a_song(section):
                raise refused(_SONG, where, "unsupported_parameter")
            yield integer(section, "duration_ms", 1, MUSIC_MS_MAX, where=where) or MUSIC_MS_MAX


def _names_a_song(section: Fields) -> bool:
    referring: list[Any] = [section, section.get("source_from"), section.get("conditioning_ref")]
    return any(isinstance(part, dict) and part.get("song_id") for part in referring)
