"""Prices: what a request may cost at most, and what an answer did cost, exactly.

Pure: integers only, no clock, no I/O but reading the packaged data. Start at
`PriceBook`; `quote` is for reserving, `rate` for settling.
"""

from mintgate_core.pricing.book import EVERY_ACCOUNT, Override, PriceBook
from mintgate_core.pricing.cards import STANDARD, RateCard, Rates, Tier
from mintgate_core.pricing.errors import PriceDataError, Unpriced
from mintgate_core.pricing.hours import forms, in_force
from mintgate_core.pricing.quote import BoundSpec, Quote, quote
from mintgate_core.pricing.rate import Rated, rate
from mintgate_core.pricing.units import (
    CACHE_READ_UNITS,
    CACHE_WRITE_UNITS,
    INPUT_UNITS,
    OUTPUT_UNITS,
    Unit,
)

__all__ = [
    "CACHE_READ_UNITS",
    "CACHE_WRITE_UNITS",
    "EVERY_ACCOUNT",
    "INPUT_UNITS",
    "OUTPUT_UNITS",
    "STANDARD",
    "BoundSpec",
    "Override",
    "PriceBook",
    "PriceDataError",
    "Quote",
    "RateCard",
    "Rated",
    "Rates",
    "Tier",
    "Unit",
    "Unpriced",
    "forms",
    "in_force",
    "quote",
    "rate",
]
