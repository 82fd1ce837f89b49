"""Prices by the time of day: "hours=01:00-04:00" is a set of rates for those hours, UTC.

A request is billed at the rates in force when it was reserved. The whole card
is therefore reduced to one moment before it is frozen in a hold, so that a
settle that comes hours late still finds the right price.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import time

from mintgate_core.pricing.cards import HOURS, STANDARD, RateCard

MS_PER_MINUTE = 60_000
MINUTES_PER_DAY = 1_440
_SPAN = re.compile(r"hours=([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def in_force(card: RateCard, at_ms: int) -> RateCard:
    """The card with the rates of the moment as its standard, and no other hours."""
    spans = _spans(card)
    if not spans:
        return card
    minute = at_ms // MS_PER_MINUTE % MINUTES_PER_DAY
    return _reduced(card, next((s for s in spans if minute in minutes_of(s)), STANDARD))


def forms(card: RateCard) -> list[RateCard]:
    """Everything that `in_force` can make of a card."""
    spans = _spans(card)
    return [_reduced(card, name) for name in (STANDARD, *spans)] if spans else [card]


def _spans(card: RateCard) -> list[str]:
    return [name for name in card.rates if name.startswith(HOURS)]


def _reduced(card: RateCard, standard: str) -> RateCard:
    rates = {name: each for name, each in card.rates.items() if not name.startswith(HOURS)}
    return replace(card, rates={**rates, STANDARD: card.rates[standard]})


def variant_of(start: time, end: time) -> str:
    """The variant of the hours from `start` up to `end`, both UTC and whole minutes."""
    return f"{HOURS}{start:%H:%M}-{end:%H:%M}"


def check_hours(variants: Iterable[str]) -> None:
    """Raise `ValueError` for hours that cannot be read, or that overlap others."""
    taken: set[int] = set()
    for variant in variants:
        if variant.startswith(HOURS):
            minutes = minutes_of(variant)
            if not taken.isdisjoint(minutes):
                raise ValueError(f"{variant} overlaps other hours")
            taken |= minutes


def minutes_of(variant: str) -> frozenset[int]:
    """The minutes of a day that a variant covers; its end may lie on the next day."""
    found = _SPAN.fullmatch(variant)
    if found is None:
        raise ValueError(f"{variant[:40]!r} must read like hours=01:00-04:00")
    start, end = (int(found[i]) * 60 + int(found[i + 1]) for i in (1, 3))
    length = (end - start) % MINUTES_PER_DAY
    if length == 0:
        raise ValueError(f"{variant} is no time at all")
    return frozenset((start + i) % MINUTES_PER_DAY for i in range(length))
