"""What the price source leaves out: data/overlay/, where every row says its provenance.

Rows fill gaps and never replace a price that the source has, so that an update
of the source takes over by itself. One file a provider; `rows` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources

from mintgate_core.pricing.cards import ADDON
from mintgate_core.pricing.rows import ALIAS, CHOICE, MODEL, Row, read_rows
from mintgate_core.pricing.table import Price
from mintgate_core.pricing.units import FEE_UNITS, Unit


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

    @property
    def whole_tables(self) -> Iterator[dict[Unit, Price]]:
        """The standard and every variant that is a price of its own."""
        yield self.standard
        yield from (t for name, t in self.variants.items() if not name.startswith(ADDON))


@dataclass(frozen=True, slots=True)
class Overlay:
    """All rows, in the order in which they build on each other."""

    revision: str
    rows: tuple[Row, ...]

    def moments_ms(self, provider: str, model: str) -> set[int]:
        """When a row about this model comes into force."""
        return {row.effective_at_ms for row in self.rows if row.concerns(provider, model)}

    def first_ms(self, provider: str, model: str) -> int:
        """From when on the overlay itself sells a model."""
        return min(r.effective_at_ms for r in self._of_kind(MODEL) if r.concerns(provider, model))

    def own_models(self) -> Iterator[tuple[str, str]]:
        """(provider, model) of every model that the overlay adds."""
        for row in self._of_kind(MODEL):
            yield from ((row.provider, model) for model in sorted(row.models))

    def aliases(self) -> Iterator[tuple[str, str, str]]:
        """(provider, name, model) of every further name of a model."""
        for row in self._of_kind(ALIAS):
            (model,) = row.models
            yield from ((row.provider, name, model) for name in row.names)

    def fill(self, draft: Draft, at_ms: int) -> bool:
        """Fill every gap that a row in force at `at_ms` fills; False when there was none."""
        rows = [
            row
            for row in self.rows
            if row.effective_at_ms <= at_ms and row.concerns(draft.provider, draft.model)
        ]
        # A later row of the same model is a later price of it.
        newest = max((r.effective_at_ms for r in rows if r.kind == MODEL), default=0)
        filled = [
            fill(row, draft) for row in rows if row.kind != MODEL or row.effective_at_ms == newest
        ]
        return any(filled)

    def _of_kind(self, kind: str) -> Iterator[Row]:
        return (row for row in self.rows if row.kind == kind)


def load_overlay() -> Overlay:
    """Read the packaged overlay. Raises `PriceDataError` if a row is malformed."""
    folder = resources.files(__package__).joinpath("data/overlay")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".toml"))
    return parse_overlay(*(folder.joinpath(name).read_text(encoding="utf-8") for name in names))


def parse_overlay(*texts: str) -> Overlay:
    """Read overlay files as one. The newest revision names the whole."""
    revisions, files = zip(*(read_rows(text) for text in texts), strict=True)
    # Ratios build on filled-in prices, and variants scale what both have made.
    rows = sorted((row for rows in files for row in rows), key=lambda row: _ORDER.index(row.kind))
    return Overlay(max(revisions), tuple(rows))


def fill(row: Row, draft: Draft) -> bool:
    """Fill the row's gap in `draft`; False when there was nothing to fill."""
    return _FILL[row.kind](row, draft)


def _fill_price(row: Row, draft: Draft) -> bool:
    missing = {unit: price for unit, price in row.prices.items() if unit not in draft.standard}
    for table in draft.whole_tables:
        for unit, price in missing.items():
            table.setdefault(unit, price)
    return bool(missing)


def _fill_model(row: Row, draft: Draft) -> bool:
    limits = _fill_limit(row, draft)
    return _fill_price(row, draft) or limits


def _fill_ratio(row: Row, draft: Draft) -> bool:
    lacking = [t for t in draft.whole_tables if row.of in t and row.unit not in t]
    for table in lacking:
        table[row.unit] = table[row.of].scaled(row.permille)
    return bool(lacking)


def _fill_variant(row: Row, draft: Draft) -> bool:
    if row.variant in draft.variants:
        return False
    table: dict[Unit, Price] = {}
    if not row.variant.startswith(ADDON) or row.scales:
        table = {
            unit: price
            if unit in FEE_UNITS
            else price.scaled(row.permille_of_unit.get(unit, row.permille))
            for unit, price in draft.standard.items()
        }
    if row.variant.startswith(ADDON):
        table = {unit: price for unit, price in table.items() if unit not in FEE_UNITS}
    draft.variants[row.variant] = {**table, **row.prices}
    return True


def _fill_choice(row: Row, draft: Draft) -> bool:
    """Each value of the choice is a variant in which one unit costs something else."""
    missing = {name: price for name, price in row.choices.items() if name not in draft.variants}
    for name, price in missing.items():
        draft.variants[name] = draft.standard | {row.unit: price}
    return bool(missing)


def _fill_multiplier(row: Row, draft: Draft) -> bool:
    draft.multipliers_permille[row.variant] = row.permille
    return True


def _fill_limit(row: Row, draft: Draft) -> bool:
    before = (draft.context_window, draft.max_output_tokens)
    draft.context_window = max(draft.context_window, row.context_window)
    draft.max_output_tokens = max(draft.max_output_tokens, row.max_output_tokens)
    return before != (draft.context_window, draft.max_output_tokens)


def _fill_alias(row: Row, draft: Draft) -> bool:
    """Names are the catalogue's to resolve; a price has nothing to fill."""
    return row.kind == ALIAS and draft.model in row.models


_FILL: Mapping[str, Callable[[Row, Draft], bool]] = {
    MODEL: _fill_model,
    "price": _fill_price,
    "ratio": _fill_ratio,
    CHOICE: _fill_choice,
    "variant": _fill_variant,
    "multiplier": _fill_multiplier,
    "limit": _fill_limit,
    ALIAS: _fill_alias,
}
_ORDER = tuple(_FILL)
"""In which rows apply."""
