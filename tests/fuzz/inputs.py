"""The properties of this folder as functions of bytes, for a fuzzer that coverage guides.

An input begins with a head of numbers, which choose a seed and how its bytes are cut; the rest
is the bytes themselves. Any bytes are an input.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from random import Random

from mintgate_facade.dialects.base import RefusedRequest

from tests.fuzz import harness
from tests.fuzz.mutations import change
from tests.fuzz.seeds import seeds_of
from tests.properties.worst.case import BOUNDARY
from tests.properties.worst.playing import TARGETS

FORM = f"multipart/form-data; boundary={BOUNDARY}"
_PART = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n'.encode()
_FILE = _PART.replace(b'"a"', b'"file"; filename="a.wav"')
WHOLE = _PART + _FILE + f"--{BOUNDARY}--\r\n".encode()

OTHER_TYPES = ("text/event-stream", "application/json", "audio/mpeg")
"""Content types that a provider may answer under, besides the right one."""

_REQUEST = struct.Struct("<H")
_ANSWER = struct.Struct("<HBHHH")
_FORM = struct.Struct("<HHH")
HEAD_SHARE = 0.1
JSON_SHARE = 0.5


@dataclass(frozen=True)
class Property:
    """What must hold for any bytes."""

    head: struct.Struct
    check: Callable[[tuple[int, ...], bytes], None]
    """Takes the numbers of the head and the rest. Raises for a finding."""
    seeds: Callable[[], Iterator[tuple[tuple[int, ...], bytes]]]
    """Where to begin."""

    def run(self, data: bytes) -> None:
        """Try one input. Raises for a finding."""
        if len(data) >= self.head.size:
            self.check(self.head.unpack_from(data), data[self.head.size :])

    def corpus(self) -> Iterator[bytes]:
        """The inputs to begin with."""
        for numbers, rest in self.seeds():
            yield self.head.pack(*numbers) + rest

    def mutated(
        self, data: bytes, most: int, chance: Random, other: Callable[[bytes], bytes]
    ) -> bytes:
        """An input like this one, of at most so many bytes; `other` is the fuzzer's own change."""
        head, rest = data[: self.head.size].ljust(self.head.size, b"\0"), data[self.head.size :]
        if chance.random() < HEAD_SHARE:
            head = chance.randbytes(self.head.size)
        rest = change(rest, chance) if chance.random() < JSON_SHARE else other(rest)
        return (head + rest)[:most]


@cache
def _seeds() -> tuple[harness.Seed, ...]:
    return tuple(seed for target in TARGETS for seed in seeds_of(target))


def _request(numbers: tuple[int, ...], rest: bytes) -> None:
    """A request is bounded or refused. Its query comes first, to the end of the line."""
    seeds = _seeds()
    query, _, body = rest.partition(b"\n")
    harness.request(seeds[numbers[0] % len(seeds)], body, query.decode("latin-1"))


def _requests() -> Iterator[tuple[tuple[int, ...], bytes]]:
    for number, seed in enumerate(_seeds()):
        yield (number,), seed.query.encode() + b"\n" + seed.body


def _answer(numbers: tuple[int, ...], rest: bytes) -> None:
    """An answer is metered in any pieces, with counts that the ledger can hold."""
    seeds = _seeds()
    number, kind, *edges = numbers
    seed = seeds[number % len(seeds)]
    kinds = (seed.answer_type, *OTHER_TYPES)
    harness.answer(seed, harness.cut(rest, edges), kinds[kind % len(kinds)])


def _answers() -> Iterator[tuple[tuple[int, ...], bytes]]:
    for number, seed in enumerate(_seeds()):
        yield (number, 0, 0, 7, 1_000), seed.answer


def form(numbers: tuple[int, ...], rest: bytes) -> None:
    """A form is read the same in any pieces, or refused."""
    assert _read([rest]) == _read(harness.cut(rest, numbers))


def _forms() -> Iterator[tuple[tuple[int, ...], bytes]]:
    yield (0, 7, 100), WHOLE


def _read(chunks: list[bytes]) -> object:
    try:
        reader = harness.form(FORM, chunks)
    except RefusedRequest:
        return None
    return reader.fields, reader.files


PROPERTIES = {
    "requests": Property(_REQUEST, _request, _requests),
    "answers": Property(_ANSWER, _answer, _answers),
    "forms": Property(_FORM, form, _forms),
}
