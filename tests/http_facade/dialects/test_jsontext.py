"""Request bodies as text: strict reading, and splices that change one member only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mintgate_facade.dialects.base import RefusedRequest
from mintgate_facade.dialects.jsontext import VALUES_MAX, parse_object, set_member

RELAXED = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Pure functions on a machine that other suites share: its load is no finding."""

_SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
_KEYS = st.sampled_from(["model", "max_tokens", "stream", "a", "é", 'q"', "options", "n\\"])
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)
_INDENTS = st.sampled_from([None, 0, 2])
_OBJECTS = st.dictionaries(_KEYS, _VALUES, max_size=6)


def _spaced(document: Any, *, ascii_only: bool, indent: int | None) -> bytes:
    return json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "line 1, column 1"),
        (b"[]", "one JSON object"),
        (b'{"a":1} x', "Extra data"),
        (b'{"a":1,"a":2}', 'repeats the key "a"'),
        (b'{"x":[{"b":{"c":1,"c":1}}]}', 'repeats the key "c"'),
        (b'{"a":1,"\\u0061":2}', 'repeats the key "a"'),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b'{"a":1e999}', "out of range"),
        (b'{"a":' + b"9" * 20 + b"}", "64 bits"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nests too deeply"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        ('{"a":1}'.encode("utf-16"), "byte order mark"),
        ('{"a":1}'.encode("utf-16-le"), "not valid JSON"),
        (b'{"a":"\xff"}', "not valid UTF-8 at byte 6"),
        (b'{"a":"\n"}', "line 1, column 7"),
        (b'{\n  "a": 1,\n}', "line 3, column 1"),
        (b"{'a':1}", "line 1, column 2"),
    ],
)
def test_refuses_what_two_parsers_may_read_differently(body: bytes, says: str) -> None:
    """A body that is not plainly one JSON object is a 400 that says what is wrong and where."""
    with pytest.raises(RefusedRequest) as caught:
        parse_object(body)

    assert caught.value.failure.status == 400
    assert says in caught.value.failure.message


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":[' + b"0," * VALUES_MAX + b"0]}",
        b'{"a":[' + b"[]," * (VALUES_MAX // 2) + b"0]}",
        b'{"a":[' + b'{"":0},' * (VALUES_MAX // 2) + b"0]}",
        b'{"a":[' + b'",\\"[",' * VALUES_MAX + b"0]}",
        b'{"a":' + b"[" * VALUES_MAX,
        b'{"a":[' + b"0," * VALUES_MAX + b'"' + b'\\"' * VALUES_MAX,
    ],
)
def test_a_body_of_more_values_than_any_request_has_is_not_parsed(body: bytes) -> None:
    """Nobody makes the gateway build millions of values: such a body is a 400 that says so."""
    with pytest.raises(RefusedRequest, match="more than 400,000 values"):
        parse_object(body)


@pytest.mark.parametrize(
    "text", ["1,2;" * VALUES_MAX, '{"a":[1,2]}' * 100_000, '\\"[,' * VALUES_MAX]
)
def test_what_stands_in_a_string_is_no_value(text: str) -> None:
    """A table, or JSON that is quoted in a prompt, is one value, however long."""
    body = json.dumps({"input": text}).encode()

    assert parse_object(body) == {"input": text}


def test_the_most_values_are_read() -> None:
    """A request for embeddings of as many tokens as are allowed is read."""
    tokens = list(range(300_000))

    assert parse_object(json.dumps({"input": tokens}).encode()) == {"input": tokens}


@RELAXED
@given(document=_OBJECTS, ascii_only=st.booleans(), indent=_INDENTS)
def test_reads_every_valid_object(
    *, document: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    """Strictness never changes the value of a body that is valid."""
    assert parse_object(_spaced(document, ascii_only=ascii_only, indent=indent)) == document


@RELAXED
@given(document=_OBJECTS, key=_KEYS, value=_VALUES, ascii_only=st.booleans(), indent=_INDENTS)
def test_set_member_changes_one_member(
    *, document: dict[str, Any], key: str, value: Any, ascii_only: bool, indent: int | None
) -> None:
    """The result parses to the same object with that member set; its order stays."""
    body = _spaced(document, ascii_only=ascii_only, indent=indent)

    result = set_member(body, (key,), json.dumps(value).encode())

    assert parse_object(result) == {**document, key: value}
    kept = [name for name in parse_object(result) if name in document]
    assert kept == list(document)


@RELAXED
@given(document=_OBJECTS, ascii_only=st.booleans(), indent=_INDENTS)
def test_inserting_keeps_every_other_byte(
    *, document: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    """A new member goes right behind the first brace, and nothing else is touched."""
    body = _spaced(document, ascii_only=ascii_only, indent=indent)

    result = set_member(body, ("limit",), b"7")

    comma = b"," if document else b""
    assert result == b'{"limit":7' + comma + body[1:]


@RELAXED
@given(document=_OBJECTS, value=st.integers(0, 10**6), ascii_only=st.booleans())
def test_replacing_keeps_every_other_byte(
    *, document: dict[str, Any], value: int, ascii_only: bool
) -> None:
    """A member that exists is replaced where it stands, whatever surrounds it."""
    before = _spaced(document, ascii_only=ascii_only, indent=None)[:-1]
    join = b', "limit" : ' if document else b'"limit" : '
    body = before + join + b'{"x": [1,\t2]} , "z": 1.50e3}'

    result = set_member(body, ("limit",), str(value).encode())

    assert result == before + join + str(value).encode() + b' , "z": 1.50e3}'


def test_nested_paths_are_made_where_missing() -> None:
    """Objects on the way are made when they are missing or null, and kept when they exist."""
    path = ("generationConfig", "maxOutputTokens")

    assert set_member(b"{}", path, b"5") == b'{"generationConfig":{"maxOutputTokens":5}}'
    assert set_member(b'{"generationConfig":null,"a":1}', path, b"5") == (
        b'{"generationConfig":{"maxOutputTokens":5},"a":1}'
    )
    assert set_member(b'{"generationConfig": { "topK": 4.0 }}', path, b"5") == (
        b'{"generationConfig": {"maxOutputTokens":5, "topK": 4.0 }}'
    )


def test_finds_a_key_behind_escapes() -> None:
    """A key written with escapes is the same key, so it is replaced and not doubled."""
    body = b'{"m\\u006fdel":"a","n":1}'

    assert set_member(body, ("model",), b'"b"') == b'{"m\\u006fdel":"b","n":1}'


def test_a_key_that_only_appears_in_a_text_is_not_taken_for_one() -> None:
    """The same words inside a string or a nested object are left alone."""
    body = b'{"t":"\\"n\\":1","o":{"n":2},"n":3}'

    assert set_member(body, ("n",), b"9") == b'{"t":"\\"n\\":1","o":{"n":2},"n":9}'


def test_refuses_a_path_through_a_scalar() -> None:
    """A caller that did not check types hears of it, instead of sending a broken body."""
    with pytest.raises(ValueError, match="not an object"):
        set_member(b'{"stream_options":1}', ("stream_options", "include_usage"), b"true")
