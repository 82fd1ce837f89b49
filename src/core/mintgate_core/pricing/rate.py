"""The exact cost of an answer, from the units that it used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mintgate_core.ledger.money import NanoUsd, nano_from_pico_ceil
from mintgate_core.pricing.cards import RateCard
from mintgate_core.pricing.errors import Unpriced
from mintgate_core.pricing.quote import unit_without_price
from mintgate_core.pricing.units import INPUT_UNITS, Unit
from mintgate_core.pricing.variants import MANY, prices_at, select_applied


@dataclass(frozen=True, slots=True)
class Rated:
    """A cost that can be computed again from itself.

    The sum of each unit's count times its price, in pico-USD, rounded up once
    to nano-USD, is exactly `amount_nano_usd`.
    """

    amount_nano_usd: NanoUsd
    unit_prices: tuple[tuple[Unit, int], ...]
    """(unit, pico-USD), as applied after tier, variant and multiplier; by unit."""
    version: str
    """`RateCard.version` of the card it was taken from."""


def rate(card: RateCard, units: Mapping[Unit, int], variants: Iterable[str] = ()) -> Rated:
    """Price exact `units` under the variants that the answer states.

    The tier is chosen by all input tokens together, cached ones included, and
    holds for the whole request ("cliff"), as every provider here bills; a sum over
    many requests is in the lowest (see `MANY`). Units
    with a count of 0 are left out. A cost that the provider states itself is
    the whole charge: every other unit is then free, priced or not. Raises
    `Unpriced` for a unit without a price and `ValueError` for a negative count.
    """
    stated = bool(units.get(Unit.BILLED_TICKS))
    stated_variants = tuple(variants)
    selection = select_applied(card, stated_variants)
    input_tokens = sum(count for unit, count in units.items() if unit in INPUT_UNITS)
    if MANY in stated_variants:
        input_tokens = 0
    prices = prices_at(selection, input_tokens)
    cost_pico_usd = 0
    unit_prices: list[tuple[Unit, int]] = []
    for unit in sorted(units):
        count = units[unit]
        if count < 0:
            raise ValueError(f"{unit!r} has a negative count")
        if count == 0:
            continue
        if stated and unit != Unit.BILLED_TICKS:
            unit_prices.append((unit, 0))
            continue
        price = prices.of(unit)
        if price is None:
            raise Unpriced(card.provider, card.model, unit_without_price(unit))
        cost_pico_usd += count * price
        unit_prices.append((unit, price))
    return Rated(nano_from_pico_ceil(cost_pico_usd), tuple(unit_prices), card.version)
