"""Turns a provider's overlapping token counts into disjoint units.

Providers report a total and, beside it, parts that overlap: by modality, by
cache. A unit is billed once, so the parts are taken out of each other here.
Numbers that contradict each other are clamped: no unit is negative, and the
units of one side always sum to its total.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_READ_AUDIO_TOKENS,
    UNIT_CACHE_READ_IMAGE_TOKENS,
    UNIT_CACHE_READ_TOKENS,
    UNIT_CACHE_READ_VIDEO_TOKENS,
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_IMAGE_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_INPUT_VIDEO_TOKENS,
    UNIT_OUTPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_IMAGE_TOKENS,
    UNIT_OUTPUT_TOKENS,
    UNIT_OUTPUT_VIDEO_TOKENS,
)

COUNT_MAX = 2**40
"""Largest count a unit may have on the wire to the core."""

Units = dict[int, int]


@dataclass(frozen=True, slots=True)
class Modalities:
    """Token counts by modality; what is left of the total is text."""

    audio: int = 0
    image: int = 0
    video: int = 0


NO_MODALITIES = Modalities()


def count(value: Any) -> int:
    """Read a provider's count: anything that is no number from 0 to 2^40 is brought there."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
        return 0
    return int(min(max(value, 0), COUNT_MAX))


def fields(value: Any) -> dict[str, Any]:
    """Read an optional object: anything else is empty."""
    return value if isinstance(value, dict) else {}


def split_input(
    total: int,
    *,
    cached: int = 0,
    written: int = 0,
    written_long: int = 0,
    parts: Modalities = NO_MODALITIES,
    cached_parts: Modalities = NO_MODALITIES,
) -> Units:
    """Split an input total of which `cached` and `written` tokens are subsets.

    `written_long` are those of `written` that are kept for longer, at a price of their own.

    Cached tokens whose modality is not told are taken from text first, then
    image, video and audio: the dearest tokens stay at their full price, so an
    unclear report is never billed below cost. Written tokens are taken from text
    first, too, then from image and video, which cost no more than a write of them.
    """
    audio = min(parts.audio, total)
    video = min(parts.video, total - audio)
    image = min(parts.image, total - audio - video)
    text = total - audio - video - image
    left = min(cached, total)
    cached_audio = min(cached_parts.audio, audio, left)
    left -= cached_audio
    cached_video = min(cached_parts.video, video, left)
    left -= cached_video
    cached_image = min(cached_parts.image, image, left)
    left -= cached_image
    cached_text = min(text, left)
    left -= cached_text
    more = min(image - cached_image, left)
    cached_image, left = cached_image + more, left - more
    more = min(video - cached_video, left)
    cached_video, left = cached_video + more, left - more
    cached_audio += left
    written_text = min(written, text - cached_text)
    written_image = min(written - written_text, image - cached_image)
    written_video = min(written - written_text - written_image, video - cached_video)
    written = written_text + written_image + written_video
    written_long = min(written_long, written)
    return _without_zeros(
        {
            UNIT_INPUT_TOKENS: text - cached_text - written_text,
            UNIT_CACHE_READ_TOKENS: cached_text,
            UNIT_CACHE_WRITE_5M_TOKENS: written - written_long,
            UNIT_CACHE_WRITE_1H_TOKENS: written_long,
            UNIT_INPUT_AUDIO_TOKENS: audio - cached_audio,
            UNIT_CACHE_READ_AUDIO_TOKENS: cached_audio,
            UNIT_INPUT_IMAGE_TOKENS: image - cached_image - written_image,
            UNIT_CACHE_READ_IMAGE_TOKENS: cached_image,
            UNIT_INPUT_VIDEO_TOKENS: video - cached_video - written_video,
            UNIT_CACHE_READ_VIDEO_TOKENS: cached_video,
        }
    )


def split_output(total: int, parts: Modalities = NO_MODALITIES) -> Units:
    """Split an output total by modality; what is left is text."""
    audio = min(parts.audio, total)
    video = min(parts.video, total - audio)
    image = min(parts.image, total - audio - video)
    return _without_zeros(
        {
            UNIT_OUTPUT_TOKENS: total - audio - video - image,
            UNIT_OUTPUT_AUDIO_TOKENS: audio,
            UNIT_OUTPUT_IMAGE_TOKENS: image,
            UNIT_OUTPUT_VIDEO_TOKENS: video,
        }
    )


def add(into: Units, more: Units) -> Units:
    """Add `more` to `into` and return it."""
    for unit, number in more.items():
        into[unit] = min(into.get(unit, 0) + number, COUNT_MAX)
    return into


def _without_zeros(units: Units) -> Units:
    return {unit: number for unit, number in units.items() if number}
