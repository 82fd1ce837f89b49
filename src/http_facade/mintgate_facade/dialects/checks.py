"""Reads single fields of a request and refuses, by name, what has the wrong type.

Upstream would refuse most of it too; but a bound that was worked out from a
misread field would be wrong before upstream had its say. Null reads as absent,
as it does at every provider served here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest

OUTPUT_TOKENS_MAX = 1_000_000_000
"""No model comes near it; a larger limit is a mistake and would only fail at the hold."""
MODEL_NAME_MAX = 256
"""Characters of a model name; real ones stay under 100."""

Fields = Mapping[str, Any]


def refused(message: str, param: str = "", code: str = "") -> RefusedRequest:
    """Make the 400 that names the field at fault."""
    return RefusedRequest(Failure(FailureKind.BAD_REQUEST, message, param=param, code=code))


def inside(where: str, name: str) -> str:
    """Name a nested field as the providers do: `where.name`."""
    return f"{where}.{name}" if where else name


def integer(
    fields: Fields, name: str, low: int, high: int, *, where: str = "", unit: str = ""
) -> int | None:
    """Read an optional integer within `low`..`high`, both included."""
    value = fields.get(name)
    if value is None:
        return None
    param = inside(where, name)
    if type(value) is not int:
        raise refused(f"'{param}' must be an integer, not {_kind(value)}.", param)
    if not low <= value <= high:
        what = f" {unit}" if unit else ""
        raise refused(f"'{param}' is {value}; it must be from {low} to {high}{what}.", param)
    return value


def text(fields: Fields, name: str, *, where: str = "") -> str | None:
    """Read an optional string."""
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    param = inside(where, name)
    raise refused(f"'{param}' must be a string, not {_kind(value)}.", param)


def flag(fields: Fields, name: str, *, where: str = "") -> bool:
    """Read an optional boolean; absent is false."""
    value = fields.get(name)
    if value is None:
        return False
    if type(value) is not bool:
        param = inside(where, name)
        raise refused(f"'{param}' must be true or false, not {_kind(value)}.", param)
    return value


def mapping(fields: Fields, name: str, *, where: str = "") -> Fields | None:
    """Read an optional object."""
    value = fields.get(name)
    if value is None or isinstance(value, dict):
        return value
    param = inside(where, name)
    raise refused(f"'{param}' must be an object, not {_kind(value)}.", param)


def array(fields: Fields, name: str, *, where: str = "") -> Sequence[Any] | None:
    """Read an optional array."""
    value = fields.get(name)
    if value is None or isinstance(value, list):
        return value
    param = inside(where, name)
    raise refused(f"'{param}' must be an array, not {_kind(value)}.", param)


def objects(fields: Fields, name: str, *, where: str = "") -> Sequence[Fields]:
    """Read an optional array of objects; absent is empty."""
    values = array(fields, name, where=where) or ()
    for index, value in enumerate(values):
        element(value, f"{inside(where, name)}[{index}]")
    return values


def element(value: Any, param: str) -> Fields:
    """Hold that one element of an array is an object."""
    if not isinstance(value, dict):
        raise refused(f"'{param}' must be an object, not {_kind(value)}.", param)
    return value


def model_name(fields: Fields, *, name: str = "model") -> str:
    """Read the required model name, which must be printable and short."""
    value = text(fields, name)
    if not value:
        raise refused("You must provide a model parameter.", name)
    if len(value) > MODEL_NAME_MAX or not value.isprintable():
        raise refused(f"'{name}' is not the name of a model.", name)
    return value


def choice(fields: Fields, name: str, allowed: frozenset[str], *, where: str = "") -> str | None:
    """Read an optional string out of a closed list."""
    value = text(fields, name, where=where)
    if value is not None and value not in allowed:
        param = inside(where, name)
        listed = ", ".join(sorted(allowed))
        raise refused(
            f"'{param}' is {value[:64]!r}; through this gateway it may be one of: {listed}.", param
        )
    return value


def plain_names(fields: Fields, where: str = "") -> None:
    """Refuse a field whose name is another's but for its case.

    Servers in Go take `Model` for `model` and `N` for `n`, and the last of both counts.
    """
    for name in fields:
        if name != name.casefold():
            param = inside(where, name[:64])
            raise refused(f"Unknown parameter: '{param}'. Names are in lower case.", param)


@contextmanager
def bounded_nesting() -> Iterator[None]:
    """Refuse a body whose content nests deeper than it can be followed."""
    try:
        yield
    except RecursionError:
        raise refused("The body nests too deeply. Send fewer levels of content.") from None


def forbid(fields: Fields, reasons: Mapping[str, str]) -> None:
    """Refuse fields whose cost has no bound or that reach beyond the request.

    `reasons` maps a field to the sentence that says why. A field set to null,
    false or an empty list asks for nothing and may stay.
    """
    for name, reason in reasons.items():
        value = fields.get(name)
        if value is not None and value is not False and value != []:
            raise refused(reason, name, "unsupported_parameter")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"
