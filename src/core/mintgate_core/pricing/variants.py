"""Which of a card's rates and multipliers a request's variants call for.

A variant is "kind=value", for example "service_tier=priority", as the request
or the answer states it. A value that nobody has priced must never come out
cheaper than one that somebody has. Three kinds are read in a way of their own:
"hours=" is a time of day (see `hours`), "addon=" is added on top of whatever
else holds, and what is chosen of pictures, video, speech and pages is one
variant with all parts of the choice ("image=hd/1024x1792").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mintgate_core.pricing.cards import ADDON, HOURS, STANDARD, RateCard, Rates
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

CHOICE_KINDS = frozenset({"image", "video", "speech", "pages"})
"""What a request chooses of media, its parts joined by "/" in the order of docs/prices.md."""

SURCHARGE_KINDS = CHOICE_KINDS | {"service_tier", "speed", "inference_geo"}
"""Kinds whose values can cost more: an unknown one is billed at the dearest known one."""

SURCHARGES = frozenset(
    {
        ("openai", "service_tier=priority"),
        ("openai", "service_tier=fast"),
        ("openai", "service_tier=ultrafast"),
        ("anthropic", "speed=fast"),
        ("gemini", "service_tier=priority"),
        ("xai", "service_tier=priority"),
        ("mistral", "service_tier=priority"),
        ("deepgram", "mip_opt_out=true"),
    }
)
"""Variants that are sold at a multiple of the standard price. Where a card has no price for
one, no other price bounds it, so such a request is refused before it is forwarded."""

BATCH = "processing=batch"
MANY = "requests=many"
"""Of units that are a sum over requests which the provider bills each by itself: their sum
chooses no tier, and none of them was large enough to."""

Levels = tuple[Mapping[Unit, int], ...]
"""Prices by unit, pico-USD, of which the dearest holds."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Rates that apply, the dearest winning, what is added to them, and a factor on both."""

    rates: tuple[Rates, ...]
    addons: tuple[tuple[Rates, ...], ...] = ()
    """Each of these is added, at its dearest."""
    numerator: int = 1
    denominator: int = 1

    def factored(self, unit: int, pico_usd: int) -> int:
        """A unit price after the multipliers, rounded up to a whole pico-USD."""
        if self.denominator == 1 or unit in FEE_UNITS:
            return pico_usd
        return -(-pico_usd * self.numerator // self.denominator)


@dataclass(frozen=True, slots=True)
class Prices:
    """What units cost a request under a selection."""

    selection: Selection
    base: Levels
    addons: tuple[Levels, ...]

    def of(self, unit: Unit) -> int | None:
        """Pico-USD of one `unit`, everything included; None where it has no price."""
        price = dearest(self.base, unit)
        if price is None:
            return None
        added = sum(max((level.get(unit, 0) for level in each), default=0) for each in self.addons)
        return self.selection.factored(unit, price + added)


def select_applied(card: RateCard, variants: Iterable[str]) -> Selection:
    """What an answer that states `variants` is billed under."""
    chosen: list[Rates] = []
    numerator = denominator = 1
    stated = tuple(dict.fromkeys(variants))
    for variant in stated:
        rates, permille = _called_for(card, variant)
        chosen += rates
        if permille != PERMILLE:
            numerator, denominator = numerator * permille, denominator * PERMILLE
    return Selection(
        tuple(chosen) or (card.rates[STANDARD],), _addons(card, stated), numerator, denominator
    )


def select_possible(card: RateCard, variants: Iterable[str]) -> Selection:
    """What an answer may at worst be billed under: the standard at any hour, or any of `variants`.

    Raises `Unpriced` for a surcharge that the card has no price for.
    """
    chosen = [card.rates[STANDARD]]
    chosen += [rates for name, rates in card.rates.items() if name.startswith(HOURS)]
    numerator = denominator = 1
    stated = tuple(dict.fromkeys(variants))
    for variant in stated:
        if not _is_bounded(card, variant):
            raise Unpriced(card.provider, card.model, f"{variant} has no known price")
        rates, permille = _called_for(card, variant)
        chosen += rates
        if permille > PERMILLE:
            numerator, denominator = numerator * permille, denominator * PERMILLE
    return Selection(tuple(chosen), _addons(card, stated), numerator, denominator)


def select_batch(card: RateCard, variants: Iterable[str]) -> Selection:
    """What a batch may at worst be billed under: its own price, where the card has one.

    That price is no surcharge that may be refused, so the standard one does not count.
    Raises `Unpriced` as above.
    """
    stated = tuple(variants)
    possible = select_possible(card, stated)
    return select_applied(card, stated) if BATCH in stated and _knows(card, BATCH) else possible


def is_standard(variant: str) -> bool:
    """Whether a variant says in so many words that nothing special was asked for."""
    kind, _, value = variant.partition("=")
    return value in STANDARD_VALUES.get(kind, ())


def prices_at(selection: Selection, input_tokens: int) -> Prices:
    """The prices in force for a request of exactly `input_tokens`."""

    def levels(each: Iterable[Rates]) -> Levels:
        return tuple(rates.at(input_tokens) for rates in each)

    return Prices(selection, levels(selection.rates), tuple(map(levels, selection.addons)))


def prices_up_to(selection: Selection, input_tokens: int) -> Prices:
    """The prices that a request of at most `input_tokens` may meet, lower tiers included."""

    def levels(each: Iterable[Rates]) -> Levels:
        return tuple(level for rates in each for level in _levels_up_to(rates, input_tokens))

    return Prices(selection, levels(selection.rates), tuple(map(levels, selection.addons)))


def dearest(levels: Levels, unit: Unit) -> int | None:
    """The highest price of a unit over all levels, pico-USD; None when any level has none."""
    highest = 0
    for level in levels:
        price = level.get(unit)
        if price is None:
            return None
        highest = max(highest, price)
    return highest


def _levels_up_to(rates: Rates, input_tokens: int) -> Iterable[Mapping[Unit, int]]:
    yield rates.prices
    yield from (t.prices for t in rates.tiers if t.above_input_tokens < input_tokens)


def _knows(card: RateCard, variant: str) -> bool:
    return variant in card.rates or variant in card.multipliers_permille


def _is_bounded(card: RateCard, variant: str) -> bool:
    """Whether the card itself, or what it sells of the kind, says what a variant costs at most."""
    if variant.startswith(ADDON):
        return any(name.startswith(ADDON) for name in card.rates)
    return (card.provider, variant) not in SURCHARGES or _knows(card, variant)


def _addons(card: RateCard, variants: Iterable[str]) -> tuple[tuple[Rates, ...], ...]:
    """For each addon its rates; for one that the card does not know, those of all that it does."""
    known = tuple(rates for name, rates in card.rates.items() if name.startswith(ADDON))
    return tuple(
        (card.rates[variant],) if variant in card.rates else known
        for variant in variants
        if variant.startswith(ADDON)
    )


def _called_for(card: RateCard, variant: str) -> tuple[list[Rates], int]:
    """The rates and the factor (per mille) of one variant; ([], 1000) means the standard."""
    if variant == STANDARD or variant.startswith((ADDON, HOURS)):
        # The hour is the clock's to say, not the request's: see `hours.in_force`.
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
