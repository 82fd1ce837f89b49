"""What a model costs over time: cards by the moment from which each is in force."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from mintgate_core.pricing.cards import RateCard


class Timeline:
    """Cards in order of time. Immutable; between two starts the earlier card is in force."""

    __slots__ = ("_cards", "_starts_ms")

    def __init__(self, steps: Iterable[tuple[int, RateCard]] = ()) -> None:
        """Take (start in milliseconds since 1970, card); of equal starts the last one wins."""
        ordered = sorted(dict(steps).items())
        self._starts_ms = [start for start, _ in ordered]
        self._cards = [card for _, card in ordered]

    def at(self, at_ms: int) -> RateCard | None:
        """The card in force at a moment; None before the first."""
        index = bisect_right(self._starts_ms, at_ms)
        return self._cards[index - 1] if index else None

    @property
    def starts_ms(self) -> Sequence[int]:
        """The moments at which another card comes into force."""
        return self._starts_ms

    @property
    def cards(self) -> Sequence[RateCard]:
        """Every card, oldest first."""
        return self._cards

    def with_card(self, card: RateCard) -> Timeline:
        """A copy with one more card, from its own `effective_at_ms` on."""
        steps = zip(self._starts_ms, self._cards, strict=True)
        return Timeline([*steps, (card.effective_at_ms, card)])


def layered(layers: Sequence[Timeline]) -> Timeline:
    """One timeline in which, at each moment, the first layer that has a card decides."""
    steps: list[tuple[int, RateCard]] = []
    for start in sorted({start for layer in layers for start in layer.starts_ms}):
        in_force = next(card for layer in layers if (card := layer.at(start)) is not None)
        # A change in a layer that a higher one covers is no change.
        if not steps or steps[-1][1] is not in_force:
            steps.append((start, in_force))
    return Timeline(steps)
