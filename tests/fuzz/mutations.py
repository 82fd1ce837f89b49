"""Changes what is served into what may not be."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

import orjson

JSON_SHARE = 0.5
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**53,
    2**63 - 1,
    -(2**63),
    1e308,
    0.5,
    "",
    "0",
    "\x00",
    "é" * 300,
    [],
    {},
    [[]],
    [None],
    {"type": {}},
    [{"type": "text", "text": None}],
)
SNIPPETS = (
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\n\ndata: ",
    b"data: [DONE]\n\n",
    b"--worst--",
    b"--worst\r\n",
    b"\x00",
    b"\xff\xfe",
    b"[" * 2_000,
    b'{"a":' * 2_000,
    b"9" * 400,
    b'"',
    b"\xef\xbb\xbf",
    b"null",
    b"%00",
)
"""What parsers trip over."""


def change(data: bytes, chance: Random) -> bytes:
    """Bytes like `data`: a value of its JSON replaced, or bytes cut, doubled and put in."""
    if chance.random() < JSON_SHARE:
        lines = data.split(b"\n")
        index = chance.randrange(len(lines))
        start = lines[index].find(b"{")
        document = _parsed(lines[index][start:]) if start >= 0 else None
        if document is not None:
            _change(document, chance)
            lines[index] = lines[index][:start] + orjson.dumps(document)
            return b"\n".join(lines)
    for _ in range(chance.randint(1, 4)):
        at, upto = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
        middle = chance.choice((b"", chance.randbytes(4), data[at:upto] * 2, *SNIPPETS))
        data = data[:at] + middle + data[upto if chance.random() < JSON_SHARE else at :]
    return data


def _parsed(text: bytes) -> Any:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) and document else None


def _change(document: Any, chance: Random) -> None:
    """Replace, remove or repeat a few values, at any depth."""
    for _ in range(chance.randint(1, 3)):
        places = list(_places(document))
        if not places:
            return
        holder, key = chance.choice(places)
        match chance.randrange(3):
            case 0:
                # A copy: a later change may be within it.
                holder[key] = deepcopy(chance.choice((*ODD, chance.randint(-(2**63), 2**63))))
            case 1:
                holder[key] = [deepcopy(holder[key]) for _ in range(chance.randint(1, 3))]
            case _:
                del holder[key]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)
