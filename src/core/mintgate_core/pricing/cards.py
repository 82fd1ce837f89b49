"""A rate card: everything that prices one model from one moment on.

A card is plain data. Cards that leave a `PriceBook` are also *complete*: every
unit that has a price at all has one in every variant and tier (see `table`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mintgate_core.pricing.units import Unit

STANDARD = ""
"""The variant of a request that asked for nothing special."""

ADDON = "addon="
"""How the variants begin whose prices are added to those that hold without them."""

HOURS = "hours="
"""How the variants begin that hold at a time of day."""

UNIT_PRICE_PICO_USD_MAX = 2**53
"""The contract's largest unit price: JSON readers keep integers exact up to here."""

TOKENS_MAX = 2**40
PERMILLE_MAX = 1_000_000
VERSION_HEX_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Tier:
    """Prices of the whole request once its input passes `above_input_tokens`."""

    above_input_tokens: int
    prices: Mapping[Unit, int]
    """Pico-USD a unit."""

    def __post_init__(self) -> None:
        _check_range("above_input_tokens", self.above_input_tokens, TOKENS_MAX)
        object.__setattr__(self, "prices", _frozen_prices(self.prices))


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices of one variant of a model."""

    prices: Mapping[Unit, int]
    """Pico-USD a unit."""
    tiers: tuple[Tier, ...] = ()
    """By rising threshold. A tier names only units that `prices` names too."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prices", _frozen_prices(self.prices))
        object.__setattr__(self, "tiers", tuple(self.tiers))
        thresholds = [tier.above_input_tokens for tier in self.tiers]
        if thresholds != sorted(set(thresholds)):
            raise ValueError("tiers must have rising thresholds")
        for tier in self.tiers:
            if not tier.prices.keys() <= self.prices.keys():
                raise ValueError("a tier names a unit that has no price below it")

    def at(self, input_tokens: int) -> Mapping[Unit, int]:
        """Pico-USD a unit for a request of `input_tokens` in all."""
        prices = self.prices
        for tier in self.tiers:
            if input_tokens <= tier.above_input_tokens:
                break
            prices = tier.prices
        return prices


@dataclass(frozen=True, slots=True)
class RateCard:
    """Everything that prices one model. Raises `ValueError` when a field is out of range."""

    provider: str
    model: str
    context_window: int
    """Tokens; 0 means unknown."""
    max_output_tokens: int
    """Tokens; 0 means unknown."""
    rates: Mapping[str, Rates]
    """By variant, for example "service_tier=priority"; `STANDARD` is always there."""
    multipliers_permille: Mapping[str, int] = field(default_factory=dict)
    """Factors on all token prices by variant, for example "inference_geo=us" 1100."""
    effective_at_ms: int = 0
    """From when, milliseconds since 1970; 0 means always."""
    source: str = ""
    """Where it came from. Not part of the version."""
    version: str = field(init=False)
    """Digest of all of the above but the source."""

    def __post_init__(self) -> None:
        if not self.provider or not self.model:
            raise ValueError("provider and model must be named")
        if STANDARD not in self.rates:
            raise ValueError("the standard rates are missing")
        _check_range("context_window", self.context_window, TOKENS_MAX)
        _check_range("max_output_tokens", self.max_output_tokens, TOKENS_MAX)
        _check_range("effective_at_ms", self.effective_at_ms, 2**53)
        for variant, permille in self.multipliers_permille.items():
            _check_range(f"multiplier of {variant}", permille, PERMILLE_MAX)
            if permille == 0:
                raise ValueError(f"multiplier of {variant}: 0 would make it free")
        object.__setattr__(self, "rates", MappingProxyType(dict(self.rates)))
        multipliers = MappingProxyType(dict(self.multipliers_permille))
        object.__setattr__(self, "multipliers_permille", multipliers)
        digest = hashlib.sha256(_canonical_json(self._content()).encode()).hexdigest()
        object.__setattr__(self, "version", digest[:VERSION_HEX_DIGITS])

    def to_json(self) -> str:
        """The card as one line of JSON; `from_json` gives an equal card back."""
        return _canonical_json(self._content() | {"source": self.source, "version": self.version})

    @classmethod
    def from_json(cls, text: str) -> RateCard:
        """Read `to_json`. The version is computed again. Raises `ValueError` if malformed."""
        try:
            row = json.loads(text)
            return cls(
                provider=row["provider"],
                model=row["model"],
                context_window=row["context_window"],
                max_output_tokens=row["max_output_tokens"],
                rates={variant: _rates_from(rates) for variant, rates in row["rates"].items()},
                multipliers_permille=row["multipliers_permille"],
                effective_at_ms=row["effective_at_ms"],
                source=row["source"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a rate card: {error!r}") from error

    def _content(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "model": self.model,
            "context_window": self.context_window,
            "max_output_tokens": self.max_output_tokens,
            "rates": {variant: _rates_to(rates) for variant, rates in self.rates.items()},
            "multipliers_permille": dict(self.multipliers_permille),
            "effective_at_ms": self.effective_at_ms,
        }


def _canonical_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _rates_to(rates: Rates) -> dict[str, Any]:
    return {
        "prices": _prices_to(rates.prices),
        "tiers": [
            {"above_input_tokens": tier.above_input_tokens, "prices": _prices_to(tier.prices)}
            for tier in rates.tiers
        ],
    }


def _rates_from(row: Mapping[str, Any]) -> Rates:
    tiers = tuple(
        Tier(tier["above_input_tokens"], _prices_from(tier["prices"])) for tier in row["tiers"]
    )
    return Rates(_prices_from(row["prices"]), tiers)


def _prices_to(prices: Mapping[Unit, int]) -> dict[str, int]:
    return {unit.name: price for unit, price in prices.items()}


def _prices_from(row: Mapping[str, int]) -> dict[Unit, int]:
    return {Unit[name]: price for name, price in row.items()}


def _frozen_prices(prices: Mapping[Unit, int]) -> Mapping[Unit, int]:
    """A read-only copy by unit. Raises `ValueError` for a price that is no exact integer."""
    frozen = {Unit(unit): prices[unit] for unit in sorted(prices)}
    if Unit.UNSPECIFIED in frozen:
        raise ValueError("a price must name its unit")
    for unit, price in frozen.items():
        _check_range(f"price of {unit.name}", price, UNIT_PRICE_PICO_USD_MAX)
    return MappingProxyType(frozen)


def _check_range(name: str, value: int, largest: int) -> None:
    # A float or a bool would pass a plain comparison, and a float is never money.
    if type(value) is not int or not 0 <= value <= largest:
        raise ValueError(f"{name} must be an integer from 0 to {largest}")
