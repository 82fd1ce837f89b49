"""Reading genai-prices: its price keys in our units, and what of it we can price at all.

Facts about the package are from its own code, version 0.2.3 (`types.py`,
`data_snapshot.py`). Its `calc_price` is never called here; it is the oracle of
the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices

from mintgate_core.pricing.errors import PriceDataError
from mintgate_core.pricing.overlay import utc_midnight_ms
from mintgate_core.pricing.table import Price, pico_usd_each
from mintgate_core.pricing.units import Unit

if TYPE_CHECKING:
    from genai_prices.types import TimeOfDateConstraint

PROVIDER_IDS = {"anthropic": "anthropic", "gemini": "google", "openai": "openai"}
"""Our provider slugs and the package's."""

_PER_MILLION = {
    "input_mtok": Unit.INPUT_TOKENS,
    "cache_read_mtok": Unit.CACHE_READ_TOKENS,
    "cache_write_mtok": Unit.CACHE_WRITE_5M_TOKENS,
    "cache_write_1h_mtok": Unit.CACHE_WRITE_1H_TOKENS,
    "output_mtok": Unit.OUTPUT_TOKENS,
    "input_audio_mtok": Unit.INPUT_AUDIO_TOKENS,
    "cache_audio_read_mtok": Unit.CACHE_READ_AUDIO_TOKENS,
    "output_audio_mtok": Unit.OUTPUT_AUDIO_TOKENS,
    "input_image_mtok": Unit.INPUT_IMAGE_TOKENS,
    "cache_image_read_mtok": Unit.CACHE_READ_IMAGE_TOKENS,
    "output_image_mtok": Unit.OUTPUT_IMAGE_TOKENS,
    "input_video_mtok": Unit.INPUT_VIDEO_TOKENS,
    "cache_video_read_mtok": Unit.CACHE_READ_VIDEO_TOKENS,
    "output_video_mtok": Unit.OUTPUT_VIDEO_TOKENS,
}
_WEB_SEARCHES = "web_searches_kcount"
_BILLED_ELSEWHERE = frozenset({"storage_searches_kcount"})
"""Fees of hosted tools that no unit of ours counts; the routes that run them are denied."""

_BILLED_BY_TIME_OR_TEXT = frozenset({"audio_hours", "input_audio_hours", "input_mchars"})
"""A model priced in these has no price in our units, so it stays out of the catalogue."""


def is_priced_in_our_units(model: ModelInfo) -> bool:
    """Whether tokens price this model. Unlike zero, an empty price is no price at all."""
    keys = {key for prices in _all_prices(model) for key, _ in named_prices(prices)}
    return "input_mtok" in keys and keys.isdisjoint(_BILLED_BY_TIME_OR_TEXT)


def check_understood(model: ModelInfo) -> None:
    """Raise `PriceDataError` for anything in a model's prices that would be priced wrongly."""
    known = {*_PER_MILLION, _WEB_SEARCHES, *_BILLED_ELSEWHERE}
    for prices in _all_prices(model):
        if unknown := {key for key, _ in named_prices(prices)} - known:
            raise PriceDataError(f"{model.id}: unknown price keys {sorted(unknown)}")
    for constraint in _constraints(model):
        if not isinstance(constraint, StartDateConstraint):
            raise PriceDataError(f"{model.id}: prices by time of day are not supported")
    for variant in model.price_variants or ():
        if len(variant.when) != 1:
            raise PriceDataError(f"{model.id}: a variant of several conditions is not supported")


def moments_ms(model: ModelInfo) -> set[int]:
    """When any price of the model comes into force; 0 for those that always were."""
    starts = (c.start_date for c in _constraints(model) if isinstance(c, StartDateConstraint))
    return {0, *(utc_midnight_ms(start) for start in starts)}


def price_table(provider: str, prices: ModelPrice) -> dict[Unit, Price]:
    """The prices that the package names, in our units and pico-USD."""
    table: dict[Unit, Price] = {}
    for key, value in named_prices(prices):
        if unit := _PER_MILLION.get(key):
            table[unit] = _price(value, 1_000_000)
        elif key == _WEB_SEARCHES:
            table[Unit.WEB_SEARCHES] = _price(value, 1_000)
            if provider == "gemini":
                # Gemini 2 bills a grounded request, Gemini 3 and later each query, at this one
                # price; whichever of the two the answer is counted in finds it.
                table[Unit.GROUNDED_REQUESTS] = table[Unit.WEB_SEARCHES]
    return table


def named_prices(prices: ModelPrice) -> Iterator[tuple[str, Decimal | TieredPrices]]:
    """The (key, price) pairs that a set of prices really has."""
    for key, value in vars(prices).items():
        if value is not None and not key.startswith("_"):
            yield key, value


def _price(value: Decimal | TieredPrices, per: int) -> Price:
    if isinstance(value, TieredPrices):
        above = tuple((tier.start, pico_usd_each(tier.price, per)) for tier in value.tiers)
        return Price(pico_usd_each(value.base, per), above)
    return Price(pico_usd_each(value, per))


def _all_prices(model: ModelInfo) -> Iterator[ModelPrice]:
    if isinstance(model.prices, ModelPrice):
        yield model.prices
    else:
        yield from (conditional.prices for conditional in model.prices)
    yield from (variant.prices for variant in model.price_variants or ())


def _constraints(model: ModelInfo) -> Iterator[StartDateConstraint | TimeOfDateConstraint]:
    conditional = [] if isinstance(model.prices, ModelPrice) else model.prices
    for item in (*conditional, *(model.price_variants or ())):
        if item.constraint is not None:
            yield item.constraint
