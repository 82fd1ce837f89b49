"""What a provider bills, numbered as on the wire (proto/mintgate/v1/unit.proto).

Units are disjoint: a token, a character, a picture is counted under exactly one
of them, so a cost is the plain sum of count times unit price.
"""

from __future__ import annotations

import enum


class Unit(enum.IntEnum):
    """One kind of thing that a provider bills; the numbers are the contract's."""

    UNSPECIFIED = 0
    INPUT_TOKENS = 1
    CACHE_READ_TOKENS = 2
    CACHE_WRITE_5M_TOKENS = 3
    CACHE_WRITE_1H_TOKENS = 4
    OUTPUT_TOKENS = 5
    INPUT_AUDIO_TOKENS = 6
    CACHE_READ_AUDIO_TOKENS = 7
    OUTPUT_AUDIO_TOKENS = 8
    INPUT_IMAGE_TOKENS = 9
    CACHE_READ_IMAGE_TOKENS = 10
    OUTPUT_IMAGE_TOKENS = 11
    INPUT_VIDEO_TOKENS = 12
    CACHE_READ_VIDEO_TOKENS = 13
    OUTPUT_VIDEO_TOKENS = 14
    WEB_SEARCHES = 15
    GROUNDED_REQUESTS = 16
    INPUT_CHARACTERS = 17
    INPUT_AUDIO_MS = 18
    OUTPUT_AUDIO_MS = 19
    INPUT_IMAGES = 20
    OUTPUT_IMAGES = 21
    INPUT_VIDEO_MS = 22
    OUTPUT_VIDEO_MS = 23
    INPUT_PAGES = 24
    SESSION_MS = 25
    SESSION_MESSAGES = 26
    FILE_SEARCHES = 27
    SOCIAL_SEARCHES = 28
    MAP_SEARCHES = 29
    CODE_EXECUTIONS = 30
    REQUESTS = 31
    BILLED_TICKS = 32
    CACHE_STORAGE_TOKEN_HOURS = 33


CACHE_READ_UNITS = frozenset(
    {
        Unit.CACHE_READ_TOKENS,
        Unit.CACHE_READ_AUDIO_TOKENS,
        Unit.CACHE_READ_IMAGE_TOKENS,
        Unit.CACHE_READ_VIDEO_TOKENS,
    }
)
CACHE_WRITE_UNITS = frozenset({Unit.CACHE_WRITE_5M_TOKENS, Unit.CACHE_WRITE_1H_TOKENS})
OUTPUT_UNITS = frozenset(
    {
        Unit.OUTPUT_TOKENS,
        Unit.OUTPUT_AUDIO_TOKENS,
        Unit.OUTPUT_IMAGE_TOKENS,
        Unit.OUTPUT_VIDEO_TOKENS,
    }
)
MEDIA_UNITS = frozenset(
    {
        Unit.INPUT_CHARACTERS,
        Unit.INPUT_AUDIO_MS,
        Unit.OUTPUT_AUDIO_MS,
        Unit.INPUT_IMAGES,
        Unit.OUTPUT_IMAGES,
        Unit.INPUT_VIDEO_MS,
        Unit.OUTPUT_VIDEO_MS,
        Unit.INPUT_PAGES,
        Unit.SESSION_MS,
        Unit.SESSION_MESSAGES,
    }
)
"""Work that is no tokens. Bounded by `BoundSpec.fees`; multipliers hold for it as for tokens."""

FEE_UNITS = frozenset(
    {
        Unit.WEB_SEARCHES,
        Unit.GROUNDED_REQUESTS,
        Unit.FILE_SEARCHES,
        Unit.SOCIAL_SEARCHES,
        Unit.MAP_SEARCHES,
        Unit.CODE_EXECUTIONS,
        Unit.REQUESTS,
        Unit.BILLED_TICKS,
        Unit.CACHE_STORAGE_TOKEN_HOURS,
    }
)
"""Counted by the piece, rent, or already money; multipliers leave them alone."""

COUNTED_UNITS = MEDIA_UNITS | FEE_UNITS
"""Everything that is no token: no usage total of tokens and no tier's threshold counts it."""

INPUT_UNITS = frozenset(Unit) - OUTPUT_UNITS - COUNTED_UNITS - {Unit.UNSPECIFIED}
"""Everything that counts towards a tier's threshold, cached tokens included."""

PICO_USD_PER_BILLED_TICK = 100
"""A tick is 10^-10 USD."""
