"""Reading the overlay's TOML: one `Row` a table entry, numbers decimal, nothing unknown.

The same form is what `mintgate prices diff` and `apply` read as a price file.
"""

from __future__ import annotations

import calendar
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from mintgate_core.pricing.errors import PriceDataError
from mintgate_core.pricing.table import PERMILLE, Price, pico_usd_each
from mintgate_core.pricing.units import Unit

MODEL = "model"
ALIAS = "alias"
CHOICE = "choice"
KINDS = frozenset({MODEL, "price", "ratio", CHOICE, "variant", "multiplier", "limit", ALIAS})

_DEFAULT = "default"
_COUNTED = {"usd_each": 1, "usd_per_thousand": 1_000, "usd_per_million": 1_000_000}
_TIMED = {"usd_per_second": 1_000, "usd_per_minute": 60_000, "usd_per_hour": 3_600_000}
"""How many milliseconds a price is for; only units of time can be sold so."""

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the overlay, whatever its kind."""

    kind: str
    provider: str
    models: frozenset[str]
    """Empty means every model of the provider."""
    effective_at_ms: int
    source: str
    variant: str = ""
    permille: int = PERMILLE
    """The factor, or the default factor of a variant."""
    scales: bool = False
    """A factor is named at all."""
    permille_of_unit: Mapping[Unit, int] = field(default_factory=dict)
    prices: Mapping[Unit, Price] = field(default_factory=dict)
    choices: Mapping[str, Price] = field(default_factory=dict)
    """By variant, for example "image=hd/1024x1024"."""
    unit: Unit = Unit.UNSPECIFIED
    of: Unit = Unit.UNSPECIFIED
    context_window: int = 0
    max_output_tokens: int = 0
    names: tuple[str, ...] = ()

    def concerns(self, provider: str, model: str) -> bool:
        """Whether the row is about this model at any time."""
        return self.provider == provider and (not self.models or model in self.models)


def read_rows(text: str) -> tuple[str, list[Row]]:
    """The revision and the rows of one file. Raises `PriceDataError` for what is malformed."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise PriceDataError(f"not TOML: {error}") from error
    revision = document.pop("revision", None)
    provider = document.pop("provider", None)
    if not isinstance(revision, str):
        raise PriceDataError("an overlay says its revision, a date as text")
    if unknown := document.keys() - KINDS:
        raise PriceDataError(f"overlay has unknown tables {sorted(unknown)}")
    head = {} if provider is None else {"provider": provider}
    return revision, [
        _row(kind, head | entry) for kind, entries in document.items() for entry in entries
    ]


def utc_midnight_ms(day: date) -> int:
    """The start of a day in UTC, milliseconds since 1970."""
    return calendar.timegm(day.timetuple()) * 1_000


def _row(kind: str, entry: Fields) -> Row:
    factors = entry.pop("permille", None)
    scales = factors is not None
    if not isinstance(factors, dict):
        factors = {_DEFAULT: PERMILLE if factors is None else factors}
    try:
        unit = Unit[entry.pop("unit", Unit.UNSPECIFIED.name)]
        row = Row(
            kind=kind,
            provider=entry.pop("provider"),
            models=frozenset(entry.pop("models", ())),
            effective_at_ms=utc_midnight_ms(entry.pop("effective", date(1970, 1, 1))),
            source=entry.pop("source"),
            variant=entry.pop("variant", ""),
            permille=factors.pop(_DEFAULT),
            scales=scales,
            permille_of_unit={Unit[name]: factor for name, factor in factors.items()},
            choices=_choices(unit, entry.pop("kind"), entry) if kind == CHOICE else {},
            prices=_prices(entry),
            unit=unit,
            of=Unit[entry.pop("of", Unit.UNSPECIFIED.name)],
            context_window=entry.pop("context_window", 0),
            max_output_tokens=entry.pop("max_output_tokens", 0),
            names=tuple(entry.pop("names", ())),
        )
    except KeyError as error:
        raise PriceDataError(f"overlay row [[{kind}]]: {error} is missing or unknown") from error
    if entry:
        raise PriceDataError(f"overlay row [[{kind}]] has unknown fields {sorted(entry)}")
    if kind in {MODEL, ALIAS} and not row.models:
        raise PriceDataError(f"overlay row [[{kind}]] must name its models")
    if kind == MODEL and not row.prices:
        raise PriceDataError(f"overlay row [[{kind}]] without a price would be free")
    return row


def _prices(entry: Fields) -> dict[Unit, Price]:
    """Prices by unit; `above` has, by threshold in input tokens, USD a million."""
    base = {
        Unit[name]: pico_usd_each(usd, _per(how, Unit[name], per))
        for how, per in {**_COUNTED, **_TIMED}.items()
        for name, usd in entry.pop(how, {}).items()
    }
    above: dict[Unit, list[tuple[int, int]]] = {}
    for threshold, prices in entry.pop("above", {}).items():
        for name, usd in prices.items():
            step = (int(threshold), pico_usd_each(usd, _COUNTED["usd_per_million"]))
            above.setdefault(Unit[name], []).append(step)
    if lacking := above.keys() - base.keys():
        raise PriceDataError(f"prices above a threshold lack one below: {sorted(lacking)}")
    return {unit: Price(price, tuple(sorted(above.get(unit, ())))) for unit, price in base.items()}


def _choices(unit: Unit, kind: str, entry: Fields) -> dict[str, Price]:
    """Prices of one unit by what is chosen: the fields of prices name values, not units."""
    return {
        f"{kind}={value}": Price(pico_usd_each(usd, _per(how, unit, per)))
        for how, per in {**_COUNTED, **_TIMED}.items()
        for value, usd in entry.pop(how, {}).items()
    }


def _per(how: str, unit: Unit, per: int) -> int:
    if how in _TIMED and not unit.name.endswith("_MS"):
        raise PriceDataError(f"{unit.name} is no time and has no price by {how}")
    return per
