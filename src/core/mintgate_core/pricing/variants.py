"""Which of a card's rates and multipliers a request's variants call for.

A variant is "kind=value", for example "service_tier=priority", as the request
or the answer states it. A value that nobody has priced must never come out
cheaper than one that somebody has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mintgate_core.pricing.cards import STANDARD, RateCard, Rates
from mintgate_core.pricing.errors import Unpriced
from mintgate_core.pricing.table import PERMILLE
from mintgate_core.pricing.units import FEE_UNITS, Unit

STANDARD_VALUES: Mapping[str, frozenset[str]] = {
    "service_tier": frozenset({
        "", "auto", "default", "standard", "standard_only", "unspecified",
    }),
    "speed": frozenset({"", "default", "standard"}),
    "processing": frozenset({"", "default", "standard"}),
    "inference_geo": frozenset({"", "global", "not_available"}),
}  # fmt: skip
"""Values that ask for nothing special (providers-llm, 3.1 to 3.3)."""

SURCHARGE_KINDS = frozenset({"service_tier", "speed", "inference_geo"})
"""Kinds whose values can cost more: an unknown one is billed at the dearest known one."""

SURCHARGES = frozenset(
    {
        ("openai", "service_tier=priority"),
        ("openai", "service_tier=fast"),
        ("openai", "service_tier=ultrafast"),
        ("anthropic", "speed=fast"),
        ("gemini", "service_tier=priority"),
    }
)
"""Variants that are sold at a multiple of the standard price. Where a card has no price for
one, no other price bounds it, so such a request is refused before it is forwarded."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Rates that apply, the dearest winning, and the factor on token prices."""

    rates: tuple[Rates, ...]
    numerator: int = 1
    denominator: int = 1

    def factored(self, unit: int, pico_usd: int) -> int:
        """A unit price after the multipliers, rounded up to a whole pico-USD."""
        if self.denominator == 1 or unit in FEE_UNITS:
            return pico_usd
        return -(-pico_usd * self.numerator // self.denominator)


def select_applied(card: RateCard, variants: Iterable[str]) -> Selection:
    """What an answer that states `variants` is billed under."""
    chosen: list[Rates] = []
    numerator = denominator = 1
    for variant in dict.fromkeys(variants):
        rates, permille = _called_for(card, variant)
        chosen += rates
        if permille != PERMILLE:
            numerator, denominator = numerator * permille, denominator * PERMILLE
    return Selection(tuple(chosen) or (card.rates[STANDARD],), numerator, denominator)


def select_possible(card: RateCard, variants: Iterable[str]) -> Selection:
    """What an answer may at worst be billed under: the standard, or any of `variants`.

    Raises `Unpriced` for a surcharge that the card has no price for.
    """
    chosen = [card.rates[STANDARD]]
    numerator = denominator = 1
    for variant in dict.fromkeys(variants):
        if (card.provider, variant) in SURCHARGES and not _knows(card, variant):
            raise Unpriced(card.provider, card.model, f"{variant} has no known price")
        rates, permille = _called_for(card, variant)
        chosen += rates
        if permille > PERMILLE:
            numerator, denominator = numerator * permille, denominator * PERMILLE
    return Selection(tuple(chosen), numerator, denominator)


def is_standard(variant: str) -> bool:
    """Whether a variant says in so many words that nothing special was asked for."""
    kind, _, value = variant.partition("=")
    return value in STANDARD_VALUES.get(kind, ())


def price_levels(selection: Selection, input_tokens: int) -> tuple[Mapping[Unit, int], ...]:
    """The prices in force for a request of exactly `input_tokens`, one mapping a rate."""
    return tuple(rates.at(input_tokens) for rates in selection.rates)


def possible_levels(selection: Selection, input_tokens: int) -> tuple[Mapping[Unit, int], ...]:
    """The prices that a request of at most `input_tokens` may meet, lower tiers included."""
    levels: list[Mapping[Unit, int]] = []
    for rates in selection.rates:
        levels.append(rates.prices)
        levels += [t.prices for t in rates.tiers if t.above_input_tokens < input_tokens]
    return tuple(levels)


def dearest(levels: tuple[Mapping[Unit, int], ...], unit: Unit) -> int | None:
    """The highest price of a unit over all levels, pico-USD; None when any level has none."""
    highest = 0
    for level in levels:
        price = level.get(unit)
        if price is None:
            return None
        highest = max(highest, price)
    return highest


def _knows(card: RateCard, variant: str) -> bool:
    return variant in card.rates or variant in card.multipliers_permille


def _called_for(card: RateCard, variant: str) -> tuple[list[Rates], int]:
    """The rates and the factor (per mille) of one variant; ([], 1000) means the standard."""
    if variant == STANDARD:
        return [], PERMILLE
    if _knows(card, variant):
        rates = [card.rates[variant]] if variant in card.rates else []
        return rates, card.multipliers_permille.get(variant, PERMILLE)
    kind = variant.partition("=")[0]
    if is_standard(variant) or kind not in SURCHARGE_KINDS:
        return [], PERMILLE
    prefix = f"{kind}="
    rates = [rates for name, rates in card.rates.items() if name.startswith(prefix)]
    if rates:
        rates.append(card.rates[STANDARD])
    factors = (f for name, f in card.multipliers_permille.items() if name.startswith(prefix))
    return rates, max((PERMILLE, *factors))
