"""What may be fed anything: requests, forms and answers. None of it may do more than refuse.

An exception that is no refusal is a finding, and so is an output that grows beyond its input.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from mintgate_facade.dialects.base import (
    Ask,
    BodyKind,
    BrokenAnswer,
    FilePart,
    RefusedRequest,
    RequestView,
)
from mintgate_facade.dialects.jsontext import parse_object
from mintgate_facade.dialects.split import COUNT_MAX
from mintgate_facade.uploads.form import FIELDS_BYTES_MAX, FormReader

from tests.properties.worst.case import Target

LIMIT_TOKENS = 100
USAGE_CHUNK_BYTES = 64
"""What a body grows by at most where a stream is asked to state its usage."""
RECORDING = FilePart("file", 1_000, "audio/wav", duration_ms=1_000, duration_max_ms=1_100)


@dataclass(frozen=True)
class Seed:
    """A request that is served and its answer, to be changed into others."""

    target: Target
    model: str
    body: bytes
    content_type: str
    query: str
    answer: bytes
    answer_type: str
    ask: Ask
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"{self.target} {self.body[:80]!r}"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:  # noqa: FBT001 - as it is called
        printer.text(repr(self))


def request(seed: Seed, body: bytes, query: str) -> Ask | None:
    """Read a request; None where it was refused."""
    try:
        return _read(seed, body, query)
    except RefusedRequest as refused:
        seed.target.surface.dialect.error(refused.failure)
        return None


def _read(seed: Seed, body: bytes, query: str) -> Ask:
    target = seed.target
    dialect = target.surface.dialect
    document: dict[str, Any] = {}
    files: tuple[FilePart, ...] = ()
    match target.route.body:
        case BodyKind.JSON:
            document = parse_object(body)
        case BodyKind.BYTES:
            files = (RECORDING,)
        case BodyKind.FORM:
            reader = form(seed.content_type, [body], target.route.repeated)
            document = reader.fields
            files = tuple(FilePart(f.name, f.size_bytes, duration_ms=1_000) for f in reader.files)
    view = RequestView(
        body=body if target.route.body is BodyKind.JSON else b"",
        document=document,
        files=files,
        query=dict(parse_qsl(query)),
        query_string=query,
        headers={"content-type": seed.content_type, **seed.headers},
        path_model=seed.model if "{model}" in target.route.path else "",
    )
    ask = dialect.read(target.route, view)
    ask.bound.SerializeToString()
    assert len(ask.body) <= len(body) + USAGE_CHUNK_BYTES
    if ask.body and not ask.bound.HasField("output_tokens"):
        parse_object(dialect.with_output_limit(target.route, ask, LIMIT_TOKENS))
    return ask


def form(
    content_type: str, chunks: Iterable[bytes], repeated: frozenset[str] = frozenset()
) -> FormReader:
    """Read a form. Raises `RefusedRequest`."""
    reader = FormReader.of(content_type, repeated)
    for chunk in chunks:
        found = sum(len(data.data) for data in reader.feed(chunk))
        assert found <= sum(file.size_bytes for file in reader.files)
    reader.close()
    kept = sum(len(str(value).encode()) for value in reader.fields.values())
    assert kept <= 4 * FIELDS_BYTES_MAX
    return reader


def answer(seed: Seed, chunks: Sequence[bytes], content_type: str) -> None:
    """Meter an answer, however it was cut."""
    meter = seed.target.surface.dialect.meter(seed.target.route, seed.ask, content_type)
    passed = 0
    try:
        for chunk in chunks:
            passed += len(meter.feed(chunk))
            _check(meter.reading().units)
        passed += len(meter.close())
    except BrokenAnswer:
        pass
    assert passed <= sum(map(len, chunks))
    reading = meter.reading()
    _check(reading.units)
    assert all(isinstance(name, str) for name in (*reading.variants, reading.model))


def _check(units: dict[int, int]) -> None:
    for unit, count in units.items():
        assert type(count) is int, unit
        assert 0 <= count <= COUNT_MAX, unit


def cut(data: bytes, edges: Iterable[int]) -> list[bytes]:
    """The same bytes in pieces."""
    inner = sorted({edge % (len(data) + 1) for edge in edges} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(inner)]
