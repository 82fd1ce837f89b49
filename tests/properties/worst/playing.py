"""Plays a case against the simulator in this process: how it is read, and how it is answered."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from mintgate_facade.dialects.base import Ask, BodyKind, FilePart, Policy, RequestView
from mintgate_facade.dialects.jsontext import parse_object
from mintgate_facade.providers.registry import PROVIDERS
from mintgate_facade.uploads.form import FormReader
from mintgate_facade.uploads.probe import measure
from mintgate_simulator.app import create_app

from tests.properties.worst.case import Case, Target

BATCHES = frozenset({"batch"})
LATER = frozenset(
    {"batch_embed", "picture_task", "transcript_task", "video", "video_task", "xai_video"}
)
"""Operations whose answer is none yet: see test_job_covers.py."""
TARGETS = tuple(
    Target(provider, surface, route)
    for provider in PROVIDERS
    for surface in provider.surfaces
    for route in surface.routes
    # A batch has nothing of its own to be held for: see test_batch_covers.py.
    if route.policy is Policy.METERED and route.operation not in BATCHES | LATER
)
LENGTH_MAX_MS = 60_000
SIMULATOR = create_app()


def view_of(target: Target, case: Case) -> RequestView:
    """The request as the dialect sees it: parsed, and its files measured."""
    document, files = READERS[target.route.body](target, case)
    return RequestView(
        body=case.body if target.route.body is BodyKind.JSON else b"",
        document=document,
        files=files,
        query=dict(parse_qsl(case.query)),
        query_string=case.query,
        headers={"content-type": case.content_type, **case.headers},
        path_model=case.card.model if "{model}" in target.route.path else "",
    )


Read = tuple[Mapping[str, Any], tuple[FilePart, ...]]


def read_json(_target: Target, case: Case) -> Read:
    """One document."""
    return parse_object(case.body), ()


def read_bytes(target: Target, case: Case) -> Read:
    """One file."""
    return {}, (measured(target, FilePart("", len(case.body), case.content_type), case.body),)


def read_form(target: Target, case: Case) -> Read:
    """The fields of a form, and its files."""
    reader = FormReader.of(case.content_type, target.route.repeated)
    contents: dict[int, bytearray] = {}
    for index, data in reader.feed(case.body):
        contents.setdefault(index, bytearray()).extend(data)
    reader.close()
    files = (
        measured(target, FilePart(file.name, file.size_bytes, file.content_type), contents[index])
        for index, file in enumerate(reader.files)
    )
    return reader.fields, tuple(files)


READERS = {BodyKind.JSON: read_json, BodyKind.BYTES: read_bytes, BodyKind.FORM: read_form}


def measured(target: Target, part: FilePart, content: bytes | bytearray) -> FilePart:
    """The file with the length of its audio, where the route asks for it."""
    if not target.route.measured:
        return part
    length = measure(io.BytesIO(content), LENGTH_MAX_MS)
    return replace(
        part,
        duration_ms=length["duration_ms"],
        duration_max_ms=length["duration_ms"] + length["unread_ms"],
        channels=length["channels"],
    )


def answer(target: Target, case: Case, ask: Ask) -> tuple[bytes, Mapping[str, str]]:
    """What the twin answers to the request as it is forwarded: the body and the headers."""
    path = re.sub(r"\{model\}", case.card.model, target.route.path)
    path = re.sub(r"\{\w+\}", "voiceOfTheLibraryAt2", path)
    return told(target, case, target.route.method, path, ask.body or case.body)


def told(
    target: Target, case: Case, method: str, path: str, body: bytes = b""
) -> tuple[bytes, Mapping[str, str]]:
    """What the twin answers to any request, with the case's query and controls."""
    provider, surface = target.provider, target.surface
    root = urlsplit(provider.address(surface, provider.base_url)).path
    name, value = surface.credential("operator")
    scope = {
        "type": "http",
        "method": method,
        "path": f"/{provider.slug}{root}{path}",
        "query_string": case.query.encode(),
        "headers": [
            (name.encode(), value.encode()),
            (b"anthropic-version", b"2023-06-01"),
            (b"content-type", case.content_type.encode()),
            (b"x-simulate", case.simulate.encode()),
            *((name.encode(), value.encode()) for name, value in case.headers.items()),
        ],
    }
    return _answered(scope, body)


def stored_conversation(text: str) -> str:
    """The id of a new conversation in which something was said, at the twin of OpenAI."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/openai/v1/conversations",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer operator")],
    }
    said = {"items": [{"type": "message", "role": "user", "content": text}]}
    body, _ = _answered(scope, orjson.dumps(said))
    return str(orjson.loads(body)["id"])


def _answered(scope: Mapping[str, Any], body: bytes) -> tuple[bytes, Mapping[str, str]]:
    """What the simulator answers to one request, which must succeed."""
    received: list[dict[str, Any]] = [{"type": "http.request", "body": body}]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return received.pop() if received else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def ask_the_twin() -> None:
        await SIMULATOR(scope, receive, send)

    asyncio.run(ask_the_twin())
    written = b"".join(message.get("body", b"") for message in sent[1:])
    assert sent[0]["status"] == 200, written
    return written, {key.decode(): value.decode() for key, value in sent[0]["headers"]}
