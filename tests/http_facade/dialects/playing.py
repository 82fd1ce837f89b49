"""Plays one request against a twin without a network: what is held, and what is charged."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import httpx
from mintgate.v1.ledger_pb2 import SettledBy
from mintgate_core.pricing import PriceBook, quote, rate
from mintgate_core.pricing.units import Unit
from mintgate_core.service import requests
from mintgate_facade.dialects.base import BodyKind, FilePart, RequestView
from mintgate_facade.dialects.jsontext import parse_object
from mintgate_facade.providers.registry import REGISTRY
from mintgate_facade.uploads.form import FormReader
from mintgate_facade.uploads.probe import measure
from mintgate_simulator.answer import Whole
from mintgate_simulator.control import parse
from mintgate_simulator.request import Request
from mintgate_simulator.twin import Twin

BOOK = PriceBook.load()
NOW_MS = 1_795_600_000_000
"""A moment of late November 2026: every price of the overlay has begun."""
DURATION_MAX_MS = 3_600_000
FEED_BYTES = 1_000


@dataclass(frozen=True)
class Played:
    """The money and the meter of one request."""

    held_nano_usd: int
    charged_nano_usd: int
    settled_by: SettledBy.ValueType
    units: Mapping[int, int]
    complete: bool


def play(slug: str, twin: Twin, request: httpx.Request, controls: str = "") -> Played:
    """Read a request, let the twin answer it, and meter the answer. The twin must serve it."""
    provider = REGISTRY.provider(slug)
    found = provider.find(request.method, request.url.path)
    assert found is not None
    route, dialect = found.match.route, found.surface.dialect
    ask = dialect.read(route, view_of(request, route.body, repeated=route.repeated))
    answer = twin.respond(
        Request(
            number=1,
            method=request.method,
            path=request.url.path,
            query=request.url.query.decode(),
            headers=[(k.lower(), v) for k, v in request.headers.raw],
            body=request.read(),
            controls=parse(controls),
        )
    )
    headers = {k.decode(): v.decode() for k, v in answer.headers}
    if isinstance(answer, Whole):
        body = answer.body
    else:
        body = b"".join(frame for _, frame in answer.events)
    ask = ask.answered(headers)
    meter = dialect.meter(route, ask, headers["content-type"])
    for start in range(0, len(body), FEED_BYTES):
        meter.feed(body[start : start + FEED_BYTES])
    meter.close()
    reading = meter.reading()
    card = BOOK.find("", slug, ask.model, NOW_MS)
    units = {Unit(unit): count for unit, count in reading.units.items()}
    return Played(
        held_nano_usd=quote(card, requests.bound(ask.bound)).amount_nano_usd,
        charged_nano_usd=rate(card, units, reading.variants).amount_nano_usd,
        settled_by=reading.basis,
        units=reading.units,
        complete=meter.complete,
    )


def view_of(
    request: httpx.Request, kind: BodyKind, *, repeated: frozenset[str] = frozenset()
) -> RequestView:
    """The request as a dialect sees it; what is uploaded is really parsed and decoded."""
    body, content_type = request.read(), request.headers.get("content-type", "")
    query = request.url.query.decode()
    common: Any = {
        "query": dict(parse_qsl(query)),
        "query_string": query,
        "headers": {name.lower(): value for name, value in request.headers.items()},
    }
    if kind is BodyKind.JSON or content_type.startswith("application/json"):
        return RequestView(body=body, document=parse_object(body), **common)
    if kind is BodyKind.BYTES:
        return RequestView(b"", {}, files=(_part("", body, content_type),), **common)
    reader = FormReader.of(content_type, repeated)
    contents: dict[int, bytes] = {}
    for index, data in reader.feed(body):
        contents[index] = contents.get(index, b"") + data
    reader.close()
    files = tuple(
        _part(file.name, contents.get(index, b""), file.content_type)
        for index, file in enumerate(reader.files)
    )
    return RequestView(b"", reader.fields, files=files, **common)


def _part(name: str, content: bytes, content_type: str) -> FilePart:
    found = measure(io.BytesIO(content), DURATION_MAX_MS)
    if "error" in found:
        return FilePart(name, len(content), content_type, unreadable=str(found["error"]))
    return FilePart(
        name,
        len(content),
        content_type,
        duration_ms=found["duration_ms"],
        duration_max_ms=found["duration_ms"] + found["unread_ms"],
        channels=found["channels"],
    )
