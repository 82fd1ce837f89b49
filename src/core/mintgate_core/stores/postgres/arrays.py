"""Columns of a batch as binary arrays, for `unnest`.

The driver's own dumpers look at each element's type in Python, and at each parameter's; a
batch of 512 operations has some 15,000 elements, and a batch of one some 30 parameters.
Here a column says what it is and is packed at once, and goes out as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple

_BYTEA, _INT8, _TEXT = 17, 20, 25
_BYTEA_ARRAY, _INT8_ARRAY, _TEXT_ARRAY = 1001, 1016, 1009
_LENGTH = struct.Struct("!i")
_ONE_DIMENSION = struct.Struct("!iiiii")
"""Dimensions, whether there are nulls, the element's type, the size, the first index."""
_EMPTY = struct.Struct("!iii")
_ONE_BIGINT = struct.Struct("!iiiiiiq")
_ONE_ELEMENT = struct.Struct("!iiiiii")


class Array(NamedTuple):
    """A parameter in the server's own terms."""

    oid: int
    data: bytes


def bigints(values: Sequence[int]) -> Array:
    """A `bigint[]`."""
    count = len(values)
    if count == 1:
        return Array(_INT8_ARRAY, _ONE_BIGINT.pack(1, 0, _INT8, 1, 1, 8, values[0]))
    packed = struct.pack("!" + "iq" * count, *chain.from_iterable(zip(repeat(8), values)))
    return Array(_INT8_ARRAY, _header(_INT8, count) + packed)


def texts(values: Iterable[str]) -> Array:
    """A `text[]`."""
    return Array(_TEXT_ARRAY, _elements(_TEXT, [value.encode() for value in values]))


def blobs(values: Sequence[bytes]) -> Array:
    """A `bytea[]`."""
    return Array(_BYTEA_ARRAY, _elements(_BYTEA, values))


def _header(element: int, count: int) -> bytes:
    return _ONE_DIMENSION.pack(1, 0, element, count, 1) if count else _EMPTY.pack(0, 0, element)


def _elements(element: int, values: Sequence[bytes]) -> bytes:
    if len(values) == 1:
        (value,) = values
        return _ONE_ELEMENT.pack(1, 0, element, 1, 1, len(value)) + value
    parts = [_header(element, len(values))]
    for value in values:
        parts += (_LENGTH.pack(len(value)), value)
    return b"".join(parts)


MAKERS: dict[str, Callable[[Any], Array]] = {"bigint": bigints, "text": texts, "bytea": blobs}


def columns(kinds: Iterable[str], rows: Iterable[Sequence[Any]]) -> list[Array]:
    """Rows turned into one array a column; there must be a row."""
    return [
        MAKERS[kind](values) for kind, values in zip(kinds, zip(*rows, strict=True), strict=True)
    ]
