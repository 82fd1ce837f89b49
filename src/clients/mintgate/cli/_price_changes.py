"""What differs between the prices in force and those of a newer source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mintgate import words
from mintgate.v1.unit_pb2 import Unit

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice

ADDED: Final = "added"
CHANGED: Final = "changed"
REMOVED: Final = "removed"
KEPT: Final = "kept"

BY_HAND: Final = "override"
"""The source of a price that a person has set; a newer list does not know better."""

STANDARD: Final = "standard"

Name = tuple[str, str]
"""(variant with its tier, unit)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure that differs."""

    variant: str
    unit: str
    old: int | None
    """Pico-USD a unit, per mille of a factor, or tokens of a limit; None: there was none."""
    new: int | None

    @property
    def per_mille(self) -> int | None:
        """How much more it is, in per mille of the old figure, rounded half away from zero."""
        if not self.old or self.new is None:
            return None
        change = (self.new - self.old) * 1_000
        magnitude = (2 * abs(change) + self.old) // (2 * self.old)
        return magnitude if change > 0 else -magnitude


@dataclass(frozen=True, slots=True)
class Difference:
    """One model whose price differs."""

    provider: str
    model: str
    kind: str
    lines: tuple[Line, ...]
    steps: tuple[ModelPrice, ...] = ()
    """The proposed price, and those that its source announces for later."""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "provider": self.provider,
            "model": self.model,
            "change": self.kind,
            "figures": [
                {
                    "variant": line.variant,
                    "unit": line.unit,
                    "old": line.old,
                    "new": line.new,
                    "change_per_mille": line.per_mille,
                }
                for line in self.lines
            ],
        }


def differences(
    active: Iterable[ModelPrice], proposed: Iterable[ModelPrice], *, by_hand: bool
) -> list[Difference]:
    """Compare by provider and model, sorted; with `by_hand`, prices set by hand too."""
    old = {(price.provider, price.model): price for price in active}
    new: dict[tuple[str, str], list[ModelPrice]] = {}
    for price in proposed:
        new.setdefault((price.provider, price.model), []).append(price)
    found = []
    for key in sorted(old.keys() | new.keys()):
        before, steps = old.get(key), new.get(key, [])
        lines = _lines(_figures(before), _figures(steps[0] if steps else None))
        if before is not None and steps:
            lines = [line for line in lines if not _is_unstated_limit(line)]
        if lines:
            kind = _kind(before, steps, by_hand=by_hand)
            found.append(Difference(*key, kind, tuple(lines), tuple(steps)))
    return found


def _kind(before: ModelPrice | None, steps: Sequence[ModelPrice], *, by_hand: bool) -> str:
    if before is None:
        return ADDED
    if before.source == BY_HAND and not by_hand:
        return KEPT
    return CHANGED if steps else REMOVED


def _lines(old: Mapping[Name, int], new: Mapping[Name, int]) -> list[Line]:
    """In the order of the old price, what is new behind it."""
    return [
        Line(*name, old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _is_unstated_limit(line: Line) -> bool:
    """A price that names no limit keeps the one that it replaces."""
    return line.variant == "limit" and line.new is None


def _figures(price: ModelPrice | None) -> dict[Name, int]:
    return dict(_named(price)) if price is not None else {}


def _named(price: ModelPrice) -> Iterator[tuple[Name, int]]:
    for rates in price.rates:
        variant = rates.variant or STANDARD
        for each in rates.prices:
            yield (variant, words.word(Unit, each.unit)), each.pico_usd
        for tier in rates.tiers:
            above = f"{variant}, above {tier.above_input_tokens:,} input"
            for each in tier.prices:
                yield (above, words.word(Unit, each.unit)), each.pico_usd
    for variant, permille in sorted(price.multipliers_permille.items()):
        yield (variant, "factor"), permille
    for limit in ("context_window", "max_output_tokens"):
        if value := getattr(price, limit):
            yield ("limit", limit), value
