"""The packaged catalogue, loaded once: nothing in it changes."""

from __future__ import annotations

import pytest
from genai_prices.data import providers
from mintgate_core.pricing import PriceBook
from mintgate_core.pricing.overlay import Overlay
from mintgate_core.pricing.source import BaseCatalogue, load_limits

NOVEMBER_2026_MS = 1_795_392_000_000
"""2026-11-23 UTC, when the packaged data was read."""


@pytest.fixture(scope="session")
def base() -> BaseCatalogue:
    return BaseCatalogue.load()


@pytest.fixture(scope="session")
def bare() -> BaseCatalogue:
    """The price source alone, without our overlay."""
    return BaseCatalogue(providers, Overlay("", ()), load_limits())


@pytest.fixture
def book(base: BaseCatalogue) -> PriceBook:
    return PriceBook(base)


@pytest.fixture(scope="session")
def now_ms() -> int:
    return NOVEMBER_2026_MS
