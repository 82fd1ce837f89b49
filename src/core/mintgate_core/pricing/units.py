"""What a provider bills, numbered as on the wire (proto/mintgate/v1/unit.proto).

Units are disjoint: a token is counted under exactly one of them, so a cost is
the plain sum of count times unit price.
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
FEE_UNITS = frozenset({Unit.WEB_SEARCHES, Unit.GROUNDED_REQUESTS})
"""Counted by the piece; multipliers on tokens leave them alone."""

INPUT_UNITS = frozenset(Unit) - OUTPUT_UNITS - FEE_UNITS - {Unit.UNSPECIFIED}
"""Everything that counts towards a tier's threshold, cached tokens included."""
