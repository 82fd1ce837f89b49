"""What routes share that are billed by characters, by time or by the piece, not by tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from typing import Any

from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE, Bound, SettledBy
from mintgate.v1.unit_pb2 import UnitCount

from mintgate_facade.dialects.base import Ask, FilePart, Meter, Reading, RequestView
from mintgate_facade.dialects.checks import refused
from mintgate_facade.dialects.jsonbody import JsonMeter
from mintgate_facade.dialects.opaque import OpaqueMeter
from mintgate_facade.dialects.split import COUNT_MAX, Units

MS_PER_S = 1_000
ROUNDING_MS = 1_000
"""Providers state a length in seconds of their own decoder's; it may differ from ours by its
delay and by what it is rounded to."""


def bound_of(units: Units, variants: Sequence[str] = ()) -> Bound:
    """Bound a request of which no token is billed: an output of none says so."""
    fees = [UnitCount(unit=unit, count=count) for unit, count in units.items()]  # type: ignore[arg-type]  # units are the enum's numbers
    return Bound(output_tokens=0, fees=fees, variants=variants)


def charge_of(
    model: str,
    units: Units,
    variants: Sequence[str] = (),
    basis: SettledBy.ValueType = SETTLED_BY_COUNTED,
) -> Reading:
    """Make the reading of a request that costs exactly `units`."""
    return Reading(
        units={unit: min(count, COUNT_MAX) for unit, count in units.items() if count},
        basis=basis,
        variants=tuple(variants),
        model=model,
    )


def media_meter(ask: Ask, *, one_document: bool) -> Meter:
    """Read an answer whose charge is known from the request, its headers or its document."""
    if not one_document:
        return OpaqueMeter(lambda _size_bytes: _known(ask))

    def exact(document: dict[str, Any]) -> Reading | None:
        if ask.counted is not None and ask.counted.basis == SETTLED_BY_USAGE:
            return _with_made(ask, ask.counted, document)
        stated = None if ask.in_document is None else ask.in_document(document)
        return None if stated is None else _with_made(ask, stated, document)

    def counted(document: dict[str, Any] | None, _size_bytes: int) -> Reading:
        return _with_made(ask, _known(ask), document)

    return JsonMeter(exact, counted)


def the_file(request: RequestView, name: str) -> FilePart:
    """Find the one file of a form, or raise `RefusedRequest`; it may be unreadable."""
    if len(request.files) != 1 or request.files[0].name != name:
        raise refused(f"The form must have one file, in the field '{name}'.", name)
    return request.files[0]


def the_audio(request: RequestView, name: str) -> FilePart:
    """Find the one file of a form, which must have been measured, or raise `RefusedRequest`."""
    file = the_file(request, name)
    if file.unreadable:
        raise refused(f"'{name}' {file.unreadable}.", name, "invalid_audio")
    return file


def ms_of_samples(size_bytes: int, bytes_per_s: int) -> int:
    """How long raw samples are, milliseconds rounded up."""
    return -(-size_bytes * MS_PER_S // bytes_per_s)


def whole_ms(seconds: Any) -> int | None:
    """Milliseconds of a stated number of seconds, rounded up; None when it is no length.

    Decimal, because 9.2 seconds as a binary fraction are 9,200.000000000001 ms.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if not 0 <= seconds <= COUNT_MAX:
        return None
    exact = Decimal(repr(seconds)) * MS_PER_S
    return min(int(exact.to_integral_value(rounding=ROUND_CEILING)), COUNT_MAX)


def is_true(value: Any) -> bool:
    """Whether a form's or a query's field turns something on: anything but a plain no."""
    return str(value).strip().lower() not in {"", "false", "0", "no", "off", "null", "none", "[]"}


def _with_made(ask: Ask, reading: Reading, document: dict[str, Any] | None) -> Reading:
    """The charge, with the objects that the answer names."""
    if ask.made is None or document is None:
        return reading
    return replace(reading, made=tuple(ask.made(document)))


def _known(ask: Ask) -> Reading:
    if ask.counted is None:
        raise LookupError(f"no charge is known for {ask.model!r}")
    return ask.counted
