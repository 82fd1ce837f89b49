"""Reading genai-prices: its price keys in our units, and what of it we can price at all.

Facts about the package are from its own code, version 0.2.3 (`types.py`,
`data_snapshot.py`). Its `calc_price` is never called here; it is the oracle of
the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from datetime import datetime
from decimal import Decimal

from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from mintgate_core.pricing.errors import PriceDataError
from mintgate_core.pricing.hours import variant_of
from mintgate_core.pricing.rows import utc_midnight_ms
from mintgate_core.pricing.table import Price, pico_usd_each
from mintgate_core.pricing.units import Unit

PROVIDER_IDS = {
    "anthropic": "anthropic",
    "cerebras": "cerebras",
    "deepseek": "deepseek",
    "elevenlabs": "elevenlabs",
    "gemini": "google",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "openai": "openai",
    "xai": "x-ai",
}
"""Our provider slugs and the package's. It does not know Deepgram and DashScope."""

MS_PER_HOUR = 3_600_000

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
_OTHERS = {
    "input_mchars": (Unit.INPUT_CHARACTERS, 1_000_000),
    "input_audio_hours": (Unit.INPUT_AUDIO_MS, MS_PER_HOUR),
    "input_document_kpages": (Unit.INPUT_PAGES, 1_000),
    "input_text_messages_kcount": (Unit.SESSION_MESSAGES, 1_000),
    "storage_searches_kcount": (Unit.FILE_SEARCHES, 1_000),
    "web_searches_kcount": (Unit.WEB_SEARCHES, 1_000),
}
"""Our unit, and how many of it a price is for."""

_ALL_AUDIO = "audio_hours"
_ANNOTATED = "input_annotated_document_kpages"
PAGES_ANNOTATED = "pages=annotated"


def is_priced(model: ModelInfo) -> bool:
    """Whether anything prices this model. Unlike zero, an empty price is no price at all."""
    return any(True for prices in _all_prices(model) for _ in named_prices(prices))


def check_understood(model: ModelInfo) -> None:
    """Raise `PriceDataError` for anything in a model's prices that would be priced wrongly."""
    known = {*_PER_MILLION, *_OTHERS, _ALL_AUDIO, _ANNOTATED}
    for prices in _all_prices(model):
        if unknown := {key for key, _ in named_prices(prices)} - known:
            raise PriceDataError(f"{model.id}: unknown price keys {sorted(unknown)}")
    for variant in model.price_variants or ():
        if len(variant.when) != 1:
            raise PriceDataError(f"{model.id}: a variant of several conditions is not supported")
        if isinstance(variant.constraint, TimeOfDateConstraint):
            raise PriceDataError(f"{model.id}: a variant by time of day is not supported")


def prices_of(model: ModelInfo, when: datetime) -> ModelPrice:
    """The model's prices at a moment, whatever the hour."""
    if isinstance(model.prices, ModelPrice):
        return model.prices
    dated = [c for c in model.prices if not isinstance(c.constraint, TimeOfDateConstraint)]
    for conditional in reversed(dated):
        if conditional.constraint is None or conditional.constraint.active(when):
            return conditional.prices
    return model.prices[0].prices


def variants_at(model: ModelInfo, when: datetime) -> Iterator[tuple[str, ModelPrice]]:
    """(variant, prices) of everything but the standard, as in force on a day.

    The package merges over the standard, key by key, every variant of the same condition that
    is active, of which the first that names a key wins; so it merges here.
    """
    merged: dict[str, ModelPrice] = {}
    for variant in model.price_variants or ():
        if variant.constraint is None or variant.constraint.active(when):
            ((kind, value),) = variant.when.items()
            name = f"{kind}={value}"
            merged[name] = _merged(variant.prices, merged.get(name))
    standard = prices_of(model, when)
    yield from ((name, _merged(standard, prices)) for name, prices in merged.items())
    if not isinstance(model.prices, ModelPrice):
        for each in model.prices:
            if isinstance(each.constraint, TimeOfDateConstraint):
                yield variant_of(each.constraint.start_time, each.constraint.end_time), each.prices


def annotated_table(prices: ModelPrice) -> dict[Unit, Price] | None:
    """What pages cost that are annotated besides being read, if the package says so."""
    value = getattr(prices, _ANNOTATED, None)
    return None if value is None else {Unit.INPUT_PAGES: _price(value, 1_000)}


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
        elif key in _OTHERS:
            unit, per = _OTHERS[key]
            table[unit] = _price(value, per)
        elif key == _ALL_AUDIO:
            # Audio of whatever direction: a route counts either what it sent or how long a
            # session was open. A price for input alone comes before this one.
            for unit in (Unit.INPUT_AUDIO_MS, Unit.SESSION_MS):
                table.setdefault(unit, _price(value, MS_PER_HOUR))
    if provider == "gemini" and Unit.WEB_SEARCHES in table:
        # Gemini 2 bills a grounded request, Gemini 3 and later each query, at this one price;
        # whichever of the two the answer is counted in finds it.
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


def _merged(below: ModelPrice, above: ModelPrice | None) -> ModelPrice:
    merged = copy(below)
    if above is not None:
        vars(merged).update(named_prices(above))
    return merged


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
