"""Units of money. Integers only: nano-USD for amounts, pico-USD for unit prices."""

from __future__ import annotations

from typing import NewType

NanoUsd = NewType("NanoUsd", int)
"""10^-9 US dollars. int64 in stores and on the wire; the range is 9.2 billion dollars."""

PICO_PER_NANO = 1_000

AMOUNT_NANO_USD_MAX = NanoUsd(2**62)
"""Largest amount that any field may hold: two of them still add up within int64."""

UNLIMITED = AMOUNT_NANO_USD_MAX
"""Ceiling of a line without one of its own: a postpaid wallet, a key without a cap."""


def nano_from_pico_ceil(pico_usd: int) -> NanoUsd:
    """Round a cost up to whole nano-USD: once per request, always in the house's favour."""
    return NanoUsd(-(-pico_usd // PICO_PER_NANO))
