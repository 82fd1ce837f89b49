"""Columns of a batch as binary arrays, for `unnest`.

The driver's own dumper looks at each element's type in Python; a batch of 512
operations has some 15,000. Here a column says what it is and is packed at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from psycopg import AsyncConnection
from psycopg.adapt import Dumper
from psycopg.pq import Format

_BYTEA, _INT8, _TEXT = 17, 20, 25
_BYTEA_ARRAY, _INT8_ARRAY, _TEXT_ARRAY = 1001, 1016, 1009
_LENGTH = struct.Struct("!i")
_ONE_DIMENSION = struct.Struct("!iiiii")
_EMPTY = struct.Struct("!iii")


@dataclass(frozen=True, slots=True)
class Bigints:
    """A `bigint[]`."""

    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Texts:
    """A `text[]`."""

    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class Blobs:
    """A `bytea[]`."""

    values: Sequence[bytes]


class _BigintsDumper(Dumper):
    format = Format.BINARY
    oid = _INT8_ARRAY

    def dump(self, obj: Bigints) -> bytes:
        count = len(obj.values)
        packed = struct.pack("!" + "iq" * count, *chain.from_iterable(zip(repeat(8), obj.values)))
        return _header(_INT8, count) + packed


class _TextsDumper(Dumper):
    format = Format.BINARY
    oid = _TEXT_ARRAY

    def dump(self, obj: Texts) -> bytes:
        return _elements(_TEXT, [value.encode() for value in obj.values])


class _BlobsDumper(Dumper):
    format = Format.BINARY
    oid = _BYTEA_ARRAY

    def dump(self, obj: Blobs) -> bytes:
        return _elements(_BYTEA, obj.values)


def _header(element: int, count: int) -> bytes:
    # Dimensions, whether there are nulls, the element's type; then size and first index.
    return _ONE_DIMENSION.pack(1, 0, element, count, 1) if count else _EMPTY.pack(0, 0, element)


def _elements(element: int, values: Sequence[bytes]) -> bytes:
    parts = [_header(element, len(values))]
    for value in values:
        parts += (_LENGTH.pack(len(value)), value)
    return b"".join(parts)


def register(connection: AsyncConnection[Any]) -> None:
    """Teach a connection these types."""
    connection.adapters.register_dumper(Bigints, _BigintsDumper)
    connection.adapters.register_dumper(Texts, _TextsDumper)
    connection.adapters.register_dumper(Blobs, _BlobsDumper)


Column = Bigints | Texts | Blobs

MAKERS: dict[str, Any] = {"bigint": Bigints, "text": Texts, "bytea": Blobs}


def columns(kinds: Iterable[str], rows: Iterable[Sequence[Any]]) -> list[Column]:
    """Rows turned into one array a column; there must be a row."""
    return [
        MAKERS[kind](values) for kind, values in zip(kinds, zip(*rows, strict=True), strict=True)
    ]
