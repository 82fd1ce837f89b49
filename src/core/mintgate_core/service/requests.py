"""Checks of what callers send, and the way into the ledger's values.

Everything that comes from outside is checked here, once, so that the ledger
may trust its operations. Each refusal names the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar
from zoneinfo import available_timezones

from mintgate.v1 import keys_pb2, ledger_pb2, unit_pb2

from mintgate_core.ledger.errors import Invalid
from mintgate_core.ledger.limits import (
    HOLD_TTL_MS_DEFAULT,
    HOLD_TTL_MS_MAX,
    HOLD_TTL_MS_MIN,
    ID_BYTES,
)
from mintgate_core.ledger.money import AMOUNT_NANO_USD_MAX
from mintgate_core.ledger.types import RateLimits, WindowCap, WindowPeriod
from mintgate_core.pricing import BoundSpec, Unit
from mintgate_core.stores.base import PAGE_ROWS_MAX

TOKENS_MAX = 2**40
SEQUENCE_MAX = 2**53
TIME_MS_MAX = 2**53
"""JSON readers keep integers exact up to here."""
CHOICES_MAX = 1_024
PASSES_MAX = 64
VARIANTS_MAX = 16
NAME_CHARACTERS_MAX = 200
MODEL_CHARACTERS_MAX = 256
METADATA_ENTRIES_MAX = 32
METADATA_KEY_CHARACTERS_MAX = 64
METADATA_VALUE_CHARACTERS_MAX = 500
ALLOWED_ENTRIES_MAX = 128
PAGE_ROWS_DEFAULT = 100
REQUESTS_PER_MINUTE_MAX = 10_000_000
OPEN_REQUESTS_MAX = 100_000

T = TypeVar("T")

_CONTROLS = re.compile(r"[\x00-\x1f]+")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_UNITS: Mapping[int, Unit] = {unit.value: unit for unit in Unit}
"""Looked up some ten times a request; `Unit(value)` takes ten times as long."""


class UnknownUnit(Invalid):
    """A unit that this release does not know. A newer caller may."""


def operation_id(value: bytes, field: str) -> bytes:
    """A UUIDv7 in its 16 bytes."""
    if len(value) != ID_BYTES or value[6] >> 4 != 7:  # noqa: PLR2004 - RFC 9562 version nibble
        raise Invalid(f"{field} must be the 16 bytes of a UUIDv7", field=field)
    return value


def text(value: str, field: str, most: int, *, least: int = 0) -> str:
    """A string of bounded length without control characters."""
    if not least <= len(value) <= most:
        raise Invalid(f"{field} must have {least} to {most} characters", field=field)
    if _CONTROLS.search(value):
        raise Invalid(f"{field} must not have control characters", field=field)
    return value


def said(value: str, most: int) -> str:
    """What a provider said, made fit to keep: an answer that was given is never refused for it."""
    return _CONTROLS.sub("", value)[:most]


def number(value: int, field: str, most: int, *, least: int = 0) -> int:
    """An integer within bounds."""
    if not least <= value <= most:
        raise Invalid(f"{field} must be from {least} to {most}", field=field)
    return value


def amount(value: int, field: str, *, least: int = 0) -> int:
    """An amount of nano-USD."""
    return number(value, field, AMOUNT_NANO_USD_MAX, least=least)


def slug(value: str, field: str) -> str:
    """A provider's short name."""
    if not _SLUG.fullmatch(value):
        raise Invalid(f"{field} must be a provider's short name, such as 'openai'", field=field)
    return value


def ttl_ms(value: int) -> int:
    """A hold's time to live."""
    return number(value or HOLD_TTL_MS_DEFAULT, "ttl_ms", HOLD_TTL_MS_MAX, least=HOLD_TTL_MS_MIN)


def page_rows(value: int) -> int:
    """A page's size."""
    return number(value or PAGE_ROWS_DEFAULT, "page_size", PAGE_ROWS_MAX, least=1)


def page(found: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """A page of what was found with a limit of one row more, and whether another follows."""
    return found[:limit], len(found) > limit


def units(counts: Iterable[unit_pb2.UnitCount], field: str = "units") -> dict[Unit, int]:
    """Counts by unit; each unit at most once."""
    found: dict[Unit, int] = {}
    for item in counts:
        unit = known_unit(item.unit, field)
        if unit in found:
            raise Invalid(f"{field} names a unit twice", field=field)
        found[unit] = number(item.count, field, TOKENS_MAX)
    return found


def known_unit(value: int, field: str) -> Unit:
    """A unit that this release knows."""
    unit = _UNITS.get(value)
    if unit is None:
        raise UnknownUnit(f"{field} has a unit that this release does not know", field=field)
    return unit


def variants(values: Sequence[str]) -> tuple[str, ...]:
    """Price variants such as "service_tier=flex"."""
    number(len(values), "variants", VARIANTS_MAX)
    return tuple(text(value, "variants", MODEL_CHARACTERS_MAX, least=1) for value in values)


def said_variants(values: Sequence[str]) -> tuple[str, ...]:
    """Price variants as an answer states them."""
    fit = (said(value, MODEL_CHARACTERS_MAX) for value in values[:VARIANTS_MAX])
    return tuple(value for value in fit if value)


def bound(message: ledger_pb2.Bound) -> BoundSpec:
    """The bounds of a request."""
    stated = message.HasField("output_tokens")
    return BoundSpec(
        input_tokens=number(message.input_tokens, "bound.input_tokens", TOKENS_MAX),
        input_open=message.input_open,
        input_units=tuple(known_unit(u, "bound.input_units") for u in message.input_units),
        passes=number(message.passes or 1, "bound.passes", PASSES_MAX, least=1),
        output_tokens=(
            number(message.output_tokens, "bound.output_tokens", TOKENS_MAX) if stated else None
        ),
        output_open=message.output_open,
        choices=number(message.choices or 1, "bound.choices", CHOICES_MAX, least=1),
        output_units=tuple(known_unit(u, "bound.output_units") for u in message.output_units),
        output_tokens_min=number(
            message.output_tokens_min or 1, "bound.output_tokens_min", 2**20, least=1
        ),
        largest_input_tokens=number(
            message.largest_input_tokens, "bound.largest_input_tokens", TOKENS_MAX
        ),
        unlimited_answers=number(message.unlimited_answers, "bound.unlimited_answers", 2**20),
        input_kept_ms=number(message.input_kept_ms, "bound.input_kept_ms", TOKENS_MAX),
        fees=units(message.fees, "bound.fees"),
        variants=variants(message.variants),
    )


def metadata(value: Mapping[str, str]) -> dict[str, str]:
    """An owner's notes on a key."""
    number(len(value), "metadata", METADATA_ENTRIES_MAX)
    return {
        text(name, "metadata", METADATA_KEY_CHARACTERS_MAX, least=1): text(
            content, "metadata", METADATA_VALUE_CHARACTERS_MAX
        )
        for name, content in value.items()
    }


def allowed(values: Sequence[str], field: str) -> tuple[str, ...]:
    """An allow-list."""
    number(len(values), field, ALLOWED_ENTRIES_MAX)
    return tuple(text(value, field, MODEL_CHARACTERS_MAX, least=1) for value in values)


def window_cap(message: keys_pb2.WindowCap) -> WindowCap:
    """A cap by calendar."""
    known = set(keys_pb2.WindowPeriod.values()) - {keys_pb2.WINDOW_PERIOD_UNSPECIFIED}
    if message.period not in known:
        raise Invalid("give the window as day, week or month", field="window_cap.period")
    return WindowCap(
        period=WindowPeriod(message.period),
        zone=time_zone(message.time_zone or "UTC", "window_cap.time_zone"),
        cap_nano_usd=amount(message.cap_nano_usd, "window_cap.cap_nano_usd"),
    )


def time_zone(value: str, field: str) -> str:
    """The IANA name of a time zone that this machine knows."""
    if value not in _time_zones():
        raise Invalid(
            f"{field} must be an IANA time zone, such as UTC or Europe/Berlin", field=field
        )
    return value


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    # "localtime" is whatever the machine is set to, and another core's may differ.
    return frozenset(available_timezones() - {"localtime"})


def rate_limits(message: keys_pb2.RateLimits) -> RateLimits:
    """Limits of a key; 0 is none."""
    return RateLimits(
        requests_per_minute=number(
            message.requests_per_minute,
            "rate_limits.requests_per_minute",
            REQUESTS_PER_MINUTE_MAX,
        ),
        tokens_per_minute=number(
            message.tokens_per_minute, "rate_limits.tokens_per_minute", TOKENS_MAX
        ),
        open_requests=number(message.open_requests, "rate_limits.open_requests", OPEN_REQUESTS_MAX),
    )


def scope(value: keys_pb2.KeyScope.ValueType) -> int:
    """A key's scope; unspecified is standard."""
    return number(value or keys_pb2.KEY_SCOPE_STANDARD, "scope", keys_pb2.KEY_SCOPE_MASTER)
