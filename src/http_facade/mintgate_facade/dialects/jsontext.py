"""JSON request bodies as text: read strictly, and change one member in place.

A gateway and its upstream must read a body alike. Wherever two JSON parsers may
disagree (duplicate keys, other encodings, NaN, huge numbers) the body is
refused, and a change splices text so that nothing else is written anew.
"""

from __future__ import annotations

import json
import math
import re
from itertools import islice
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from typing import Any, NoReturn

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest

INT_DIGITS_MAX = 19
"""Longer integers do not fit 64 bits; parsers differ in what they make of them."""
VALUES_MAX = 400_000
"""Values of one body. A parser spends a microsecond or several on each, and nobody else is served
meanwhile: thirty million fit in the bytes of a body. The largest request of many values is one
for embeddings, of 300,000 tokens."""
KEY_SHOWN_MAX = 64
"""Characters of a client's key that an error message repeats."""

_PLAIN_KEY = re.compile(r"\w+", re.ASCII)
_SPACE = re.compile(r"[ \t\n\r]*")
_STRING_OR_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[,\[{]', re.DOTALL)
"""A string, also one without an end, or what stands before a value: one of `_MARKS`."""
_MARKS = b",[{"


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a request body that must be one JSON object.

    Raises `RefusedRequest` (400) when it is not UTF-8 without a byte order
    mark, not one object, repeats a key at any depth, holds NaN, Infinity or a
    number out of range, nests too deeply, or holds more than `VALUES_MAX` values.
    Says where when that is known.
    """
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        _refuse("The body starts with a byte order mark. Send UTF-8 without one.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"The body is not valid UTF-8 at byte {error.start}. Send JSON in UTF-8.")
    if _has_too_many_values(body):
        _refuse(f"The body holds more than {VALUES_MAX:,} values. Send them in several requests.")
    try:
        document = _STRICT.decode(text)
    except JSONDecodeError as error:
        _refuse(
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        )
    except RecursionError:
        _refuse("The body nests too deeply. Send fewer levels of arrays and objects.")
    if not isinstance(document, dict):
        _refuse("The body must be one JSON object.")
    return document


def set_member(body: bytes, path: tuple[str, ...], value_json: bytes) -> bytes:
    """Return `body` with the member at `path` set to `value_json`.

    `body` must have passed `parse_object`. A member that exists is replaced
    where it stands; a new one goes first in its object; missing or null objects
    on the way are made. Every other byte stays as it was. Raises `ValueError`
    when something on the way is neither an object nor null.
    """
    text = body.decode("utf-8")
    value = value_json.decode("utf-8")
    brace = _skip_space(text, 0)
    for depth, key in enumerate(path):
        if text[brace] != "{":
            raise ValueError(f"not an object above {'.'.join(path[: depth + 1])}")
        span = _member_span(text, brace, key)
        rest = path[depth + 1 :]
        if span is None:
            return _insert_first(text, brace, f"{_quote(key)}:{_wrapped(rest, value)}")
        start, end = span
        if not rest or text[start:end] == "null":
            return (text[:start] + _wrapped(rest, value) + text[end:]).encode("utf-8")
        brace = start
    raise ValueError("the path is empty")


def _has_too_many_values(body: bytes) -> bool:
    """Whether a body holds more values than are parsed, told without parsing it.

    Each value but the outermost has a comma or an opening bracket of its own before it.
    """
    if len(body) <= VALUES_MAX or sum(map(body.count, _MARKS)) <= VALUES_MAX:
        return False
    # Text may be full of commas, so now only those outside of strings count.
    marks = (found for found in _STRING_OR_MARK.finditer(body) if body[found.start()] in _MARKS)
    return next(islice(marks, VALUES_MAX, None), None) is not None


def _member_span(text: str, brace: int, key: str) -> tuple[int, int] | None:
    """Find where the value of `key` stands in the object that opens at `brace`."""
    # A key of plain letters can only hide from this test behind an escape.
    if _PLAIN_KEY.fullmatch(key) and f'"{key}"' not in text and "\\u" not in text:
        return None
    at = _skip_space(text, brace + 1)
    while text[at] != "}":
        name, after_name = scanstring(text, at + 1, True)
        start = _skip_space(text, _skip_space(text, after_name) + 1)
        _, end = _PLAIN.raw_decode(text, start)
        if name == key:
            return start, end
        at = _skip_space(text, end)
        if text[at] == ",":
            at = _skip_space(text, at + 1)
    return None


def _insert_first(text: str, brace: int, member: str) -> bytes:
    empty = text[_skip_space(text, brace + 1)] == "}"
    comma = "" if empty else ","
    return (text[: brace + 1] + member + comma + text[brace + 1 :]).encode("utf-8")


def _wrapped(path: tuple[str, ...], value: str) -> str:
    for key in reversed(path):
        value = f"{{{_quote(key)}:{value}}}"
    return value


def _quote(key: str) -> str:
    return json.dumps(key)


def _skip_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                shown = json.dumps(key[:KEY_SHOWN_MAX])
                _refuse(f"The body repeats the key {shown} in one object. Send each key once.")
            seen.add(key)
    return members


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > INT_DIGITS_MAX:
        _refuse("The body holds an integer that does not fit in 64 bits.")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        _refuse("The body holds a number that is out of range.")
    return value


def _constant(name: str) -> NoReturn:
    _refuse(f"The body holds {name}, which is not JSON.")


def _refuse(message: str) -> NoReturn:
    raise RefusedRequest(Failure(FailureKind.BAD_REQUEST, message, code="invalid_json")) from None


_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
_PLAIN = json.JSONDecoder()
