"""What the price source leaves out: data/overlay.toml, where every row says its provenance.

Rows fill gaps and never replace a price that the source has, so that an update
of the source takes over by itself.
"""

from __future__ import annotations

import calendar
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from importlib import resources
from typing import Any

from mintgate_core.pricing.errors import PriceDataError
from mintgate_core.pricing.table import PERMILLE, Price, pico_usd_each
from mintgate_core.pricing.units import FEE_UNITS, Unit

_DEFAULT = "default"


@dataclass(slots=True)
class Draft:
    """A card in the making: the prices that sources name, before any fallback."""

    provider: str
    model: str
    standard: dict[Unit, Price]
    variants: dict[str, dict[Unit, Price]] = field(default_factory=dict)
    multipliers_permille: dict[str, int] = field(default_factory=dict)
    context_window: int = 0
    max_output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the overlay, whatever its kind."""

    kind: str
    provider: str
    models: frozenset[str]
    """Empty means every model of the provider."""
    effective_at_ms: int
    source: str
    variant: str
    permille: int
    """The factor, or the default factor of a variant."""
    permille_of_unit: Mapping[Unit, int]
    prices: Mapping[Unit, int]
    """Pico-USD a unit."""
    unit: Unit
    of: Unit
    context_window: int
    max_output_tokens: int

    def concerns(self, provider: str, model: str) -> bool:
        """Whether the row is about this model at any time."""
        return self.provider == provider and (not self.models or model in self.models)

    def fill(self, draft: Draft) -> bool:
        """Fill the row's gap in `draft`; False when there was nothing to fill."""
        return _FILL[self.kind](self, draft)


@dataclass(frozen=True, slots=True)
class Overlay:
    """All rows, in the order in which they build on each other."""

    revision: str
    rows: tuple[Row, ...]

    def moments_ms(self, provider: str, model: str) -> set[int]:
        """When a row about this model comes into force."""
        return {row.effective_at_ms for row in self.rows if row.concerns(provider, model)}

    def fill(self, draft: Draft, at_ms: int) -> bool:
        """Fill every gap that a row in force at `at_ms` fills; False when there was none."""
        filled = [
            row.fill(draft)
            for row in self.rows
            if row.effective_at_ms <= at_ms and row.concerns(draft.provider, draft.model)
        ]
        return any(filled)


def load_overlay() -> Overlay:
    """Read the packaged overlay. Raises `PriceDataError` if a row is malformed."""
    text = resources.files(__package__).joinpath("data/overlay.toml").read_text(encoding="utf-8")
    return parse_overlay(text)


def parse_overlay(text: str) -> Overlay:
    """Read an overlay's TOML; numbers stay decimal."""
    document = tomllib.loads(text, parse_float=Decimal)
    revision = document.pop("revision")
    if unknown := document.keys() - _FILL.keys():
        raise PriceDataError(f"overlay has unknown tables {sorted(unknown)}")
    # Ratios build on filled-in prices, and variants scale what both have made.
    rows = [_row(kind, entry) for kind in _FILL for entry in document.get(kind, ())]
    return Overlay(revision, tuple(rows))


def utc_midnight_ms(day: date) -> int:
    """The start of a day in UTC, milliseconds since 1970."""
    return calendar.timegm(day.timetuple()) * 1_000


def _row(kind: str, entry: dict[str, Any]) -> Row:
    factors = entry.pop("permille", PERMILLE)
    if not isinstance(factors, dict):
        factors = {_DEFAULT: factors}
    try:
        row = Row(
            kind=kind,
            provider=entry.pop("provider"),
            models=frozenset(entry.pop("models", ())),
            effective_at_ms=utc_midnight_ms(entry.pop("effective", date(1970, 1, 1))),
            source=entry.pop("source"),
            variant=entry.pop("variant", ""),
            permille=factors.pop(_DEFAULT),
            permille_of_unit={Unit[name]: factor for name, factor in factors.items()},
            prices=_prices(entry.pop("usd_per_million", {}), 1_000_000)
            | _prices(entry.pop("usd_per_thousand", {}), 1_000),
            unit=Unit[entry.pop("unit", Unit.UNSPECIFIED.name)],
            of=Unit[entry.pop("of", Unit.UNSPECIFIED.name)],
            context_window=entry.pop("context_window", 0),
            max_output_tokens=entry.pop("max_output_tokens", 0),
        )
    except KeyError as error:
        raise PriceDataError(f"overlay row [[{kind}]]: {error} is missing or unknown") from error
    if entry:
        raise PriceDataError(f"overlay row [[{kind}]] has unknown fields {sorted(entry)}")
    return row


def _prices(named: Mapping[str, Decimal | int], per: int) -> dict[Unit, int]:
    return {Unit[name]: pico_usd_each(usd, per) for name, usd in named.items()}


def _fill_price(row: Row, draft: Draft) -> bool:
    missing = {unit: Price(p) for unit, p in row.prices.items() if unit not in draft.standard}
    for table in (draft.standard, *draft.variants.values()):
        for unit, price in missing.items():
            table.setdefault(unit, price)
    return bool(missing)


def _fill_ratio(row: Row, draft: Draft) -> bool:
    lacking = [
        table
        for table in (draft.standard, *draft.variants.values())
        if row.of in table and row.unit not in table
    ]
    for table in lacking:
        table[row.unit] = table[row.of].scaled(row.permille)
    return bool(lacking)


def _fill_variant(row: Row, draft: Draft) -> bool:
    if row.variant in draft.variants:
        return False
    table = {
        unit: price
        if unit in FEE_UNITS
        else price.scaled(row.permille_of_unit.get(unit, row.permille))
        for unit, price in draft.standard.items()
    }
    draft.variants[row.variant] = table | {u: Price(p) for u, p in row.prices.items()}
    return True


def _fill_multiplier(row: Row, draft: Draft) -> bool:
    draft.multipliers_permille[row.variant] = row.permille
    return True


def _fill_limit(row: Row, draft: Draft) -> bool:
    before = (draft.context_window, draft.max_output_tokens)
    draft.context_window = max(draft.context_window, row.context_window)
    draft.max_output_tokens = max(draft.max_output_tokens, row.max_output_tokens)
    return before != (draft.context_window, draft.max_output_tokens)


_FILL = {
    "price": _fill_price,
    "ratio": _fill_ratio,
    "variant": _fill_variant,
    "multiplier": _fill_multiplier,
    "limit": _fill_limit,
}
"""By kind, in the order in which rows apply."""
