"""A price from the wire, checked."""

from __future__ import annotations

from collections.abc import Iterable

from mintgate.v1 import meter_pb2, unit_pb2

from mintgate_core.ledger.errors import Invalid
from mintgate_core.pricing import RateCard, Rates, Tier, Unit
from mintgate_core.pricing.book import SOURCE
from mintgate_core.service import requests

RATE_SETS_MAX = 64
MULTIPLIERS_MAX = 16
TIERS_MAX = 8


def card_from(message: meter_pb2.ModelPrice) -> RateCard:
    """Check a price and make its card. Raises `Invalid` saying what is wrong.

    Limits may be 0: the book then takes them from the price that it replaces.
    """
    if not 1 <= len(message.rates) <= RATE_SETS_MAX:
        raise Invalid(f"give 1 to {RATE_SETS_MAX} sets of rates", field="price.rates")
    rates: dict[str, Rates] = {}
    for rate_set in message.rates:
        if rate_set.variant in rates:
            raise Invalid("a variant is given twice", field="price.rates")
        variant = requests.text(
            rate_set.variant, "price.rates.variant", requests.MODEL_CHARACTERS_MAX
        )
        rates[variant] = _rates(rate_set)
    provider = requests.slug(message.provider, "price.provider")
    model = requests.text(message.model, "price.model", requests.MODEL_CHARACTERS_MAX, least=1)
    requests.number(
        len(message.multipliers_permille), "price.multipliers_permille", MULTIPLIERS_MAX
    )
    source = requests.text(message.source, "price.source", requests.MODEL_CHARACTERS_MAX)
    try:
        return RateCard(
            provider=provider,
            model=model,
            context_window=message.context_window,
            max_output_tokens=message.max_output_tokens,
            rates=rates,
            multipliers_permille=dict(message.multipliers_permille),
            effective_at_ms=message.effective_at_ms,
            source=source or SOURCE,
        )
    except ValueError as error:
        raise Invalid(str(error), field="price") from None


def _rates(message: meter_pb2.RateSet) -> Rates:
    requests.number(len(message.tiers), "price.rates.tiers", TIERS_MAX)
    tiers = sorted(message.tiers, key=lambda tier: tier.above_input_tokens)
    try:
        return Rates(
            prices=_prices(message.prices),
            tiers=tuple(Tier(tier.above_input_tokens, _prices(tier.prices)) for tier in tiers),
        )
    except ValueError as error:
        raise Invalid(str(error), field="price.rates") from None


def _prices(prices: Iterable[unit_pb2.UnitPrice]) -> dict[Unit, int]:
    found: dict[Unit, int] = {}
    for price in prices:
        unit = requests.known_unit(price.unit, "price.rates.prices")
        if unit in found:
            raise Invalid("a unit is priced twice", field="price.rates.prices")
        found[unit] = price.pico_usd
    if not found:
        raise Invalid(
            "rates without a price would make everything free", field="price.rates.prices"
        )
    return found
