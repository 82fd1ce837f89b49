"""From the prices that a source names to complete rates.

Sources name few prices and mean many: a model without a price for cached
input bills it as input. The fallbacks are compiled here, once, so that rating
is a lookup and no unit is ever free because its price was left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from mintgate_core.pricing.cards import ADDON, STANDARD, RateCard, Rates, Tier
from mintgate_core.pricing.units import PICO_USD_PER_BILLED_TICK, Unit

PERMILLE = 1_000
PICO_PER_USD = 10**12

_INPUT_OF_CACHE_READ = {
    Unit.CACHE_READ_AUDIO_TOKENS: Unit.INPUT_AUDIO_TOKENS,
    Unit.CACHE_READ_IMAGE_TOKENS: Unit.INPUT_IMAGE_TOKENS,
    Unit.CACHE_READ_VIDEO_TOKENS: Unit.INPUT_VIDEO_TOKENS,
}
_BILLED_AS_INPUT = (
    Unit.CACHE_READ_TOKENS,
    Unit.CACHE_WRITE_5M_TOKENS,
    Unit.INPUT_AUDIO_TOKENS,
    Unit.INPUT_IMAGE_TOKENS,
    Unit.INPUT_VIDEO_TOKENS,
)
_BILLED_AS_OUTPUT = (
    Unit.OUTPUT_AUDIO_TOKENS,
    Unit.OUTPUT_IMAGE_TOKENS,
    Unit.OUTPUT_VIDEO_TOKENS,
)
_STATES_COSTS = frozenset({"xai"})
"""Providers whose answers say what they cost, in ticks of 10^-10 USD."""


@dataclass(frozen=True, slots=True)
class Price:
    """One unit's price, pico-USD, and what it becomes above input thresholds."""

    base: int
    above: tuple[tuple[int, int], ...] = ()
    """(threshold in input tokens, price) by rising threshold."""

    def just_above(self, threshold: int) -> int:
        """The price of a request whose input passes `threshold` and no higher one."""
        price = self.base
        for start, raised in self.above:
            if start > threshold:
                break
            price = raised
        return price

    def scaled(self, permille: int) -> Price:
        """This price times `permille`/1000, rounded up to a whole pico-USD."""
        return Price(
            scale(self.base, permille),
            tuple((start, scale(price, permille)) for start, price in self.above),
        )


Table = Mapping[Unit, Price]
"""The prices that a source names itself, before any fallback."""


def pico_usd_each(usd: Decimal | int, per: int) -> int:
    """Pico-USD of one unit sold at `usd` for `per` of them, rounded up (to 10^-12 USD)."""
    exact = Decimal(usd) * PICO_PER_USD / per
    return int(exact.to_integral_value(ROUND_CEILING))


def scale(pico_usd: int, permille: int) -> int:
    """A price times `permille`/1000, rounded up to a whole pico-USD."""
    return -(-pico_usd * permille // PERMILLE)


def implied(provider: str) -> Table:
    """Prices that every card of a provider has unless it names its own."""
    if provider in _STATES_COSTS:
        return {Unit.BILLED_TICKS: Price(PICO_USD_PER_BILLED_TICK)}
    return {}


def compile_rates(table: Table) -> Rates:
    """Complete rates: fallbacks filled in below and above every threshold."""
    base = _with_fallbacks({unit: price.base for unit, price in table.items()})
    tiers: list[Tier] = []
    below = base
    for threshold in sorted({start for price in table.values() for start, _ in price.above}):
        prices = _with_fallbacks({u: price.just_above(threshold) for u, price in table.items()})
        if prices != below:
            tiers.append(Tier(threshold, prices))
        below = prices
    return Rates(base, tuple(tiers))


def compile_addon(table: Table) -> Rates:
    """The rates of an addon: what it names and nothing else. Flat: none has tiers."""
    return Rates({unit: price.base for unit, price in table.items()})


def table_of(rates: Rates) -> dict[Unit, Price]:
    """The prices that `rates` names; a unit that a tier leaves out keeps its lower price."""
    return {
        unit: Price(
            base,
            tuple(
                (tier.above_input_tokens, tier.prices[unit])
                for tier in rates.tiers
                if unit in tier.prices
            ),
        )
        for unit, base in rates.prices.items()
    }


def completed(card: RateCard) -> RateCard:
    """The card with every fallback filled in; a complete card comes back equal.

    A variant states what differs from the standard, unit by unit: where it
    names a price, the standard's price and tiers of that unit do not apply.
    An addon is no price of its own and stays as it is.
    """
    standard = {**implied(card.provider), **table_of(card.rates[STANDARD])}
    return replace(
        card,
        rates={
            variant: compile_rates({**standard, **table_of(rates)})
            if not variant.startswith(ADDON)
            else rates
            for variant, rates in card.rates.items()
        },
    )


def _with_fallbacks(named: Mapping[Unit, int]) -> dict[Unit, int]:
    """Prices of all units that can be priced, from those that are named (pico-USD)."""
    prices = dict(named)
    if (text_input := named.get(Unit.INPUT_TOKENS)) is not None:
        for unit in _BILLED_AS_INPUT:
            prices.setdefault(unit, text_input)
        # A longer-lived write is never cheaper than a short one or than plain input.
        longest = max(prices[Unit.CACHE_WRITE_5M_TOKENS], text_input)
        prices.setdefault(Unit.CACHE_WRITE_1H_TOKENS, longest)
        for unit, uncached in _INPUT_OF_CACHE_READ.items():
            # Of "cached" and "audio" each may have its price; without one for both, the dearer.
            parents = [named[p] for p in (Unit.CACHE_READ_TOKENS, uncached) if p in named]
            prices.setdefault(unit, max(parents, default=text_input))
    if (text_output := named.get(Unit.OUTPUT_TOKENS)) is not None:
        for unit in _BILLED_AS_OUTPUT:
            prices.setdefault(unit, text_output)
    return prices
