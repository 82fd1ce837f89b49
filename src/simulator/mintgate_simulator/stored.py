"""What providers keep: files, and responses that were not told to be forgotten.

A shelf is the operator's account: whoever asks with its key sees everything on it, as at a real
provider. That users of a gateway do not is for the gateway to see to.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from .answer import Stream, Whole
from .form import read_form
from .refusal import Refusal
from .request import CREATED_AT_S
from .twin import Around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .answer import Answer, Kind
    from .request import Request
    from .twin import Twin

KEPT_MAX = 10_000
"""Things one shelf keeps; the oldest are forgotten first."""
PAGE = 20


@dataclass(frozen=True, slots=True)
class FileShape:
    """How a provider describes its files."""

    prefix: str
    describe: Callable[[str, str, int, Mapping[str, str]], dict[str, Any]]
    """From id, filename, size and the form's fields."""
    deleted: Callable[[str], dict[str, Any]]
    whole: Callable[[Request, dict[str, Any]], Whole]
    binary: Callable[[Request, bytes], Whole]
    cursor: str
    """The query parameter that names the object to go on after."""


class Files(Protocol):
    """Where the files of a batch are."""

    def content(self, file_id: str) -> bytes:
        """What a file holds; a refusal (404) if there is none."""

    def add(
        self, file_id: str, filename: str, content: bytes, *, purpose: str = ...
    ) -> dict[str, Any]:
        """Keep a file that was not uploaded as one: how it is described."""


class Batches(Protocol):
    """What answers about batches."""

    def respond(self, request: Request, parts: list[str]) -> Whole:
        """The answer; ``parts`` is the path below them."""


@dataclass(slots=True)
class _Thing:
    document: dict[str, Any]
    content: bytes = b""


@dataclass(slots=True)
class Keeping(Around):
    """A twin, and what it keeps: answers `/v1/files` and, of OpenAI, stored responses."""

    shape: FileShape
    keeps_responses: bool = False
    batches: Callable[[Twin, Files], Batches] | None = None
    """How it makes its batches, whose files are kept here."""
    batches_at: tuple[str, ...] = ("v1", "batches")
    """The path of its batches."""
    _batches: Batches | None = field(init=False, default=None)
    _files: OrderedDict[str, _Thing] = field(default_factory=OrderedDict)
    _responses: OrderedDict[str, _Thing] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        if self.batches is not None:
            self._batches = self.batches(self.twin, self)

    def content(self, file_id: str) -> bytes:
        """What a file holds."""
        return _found(self._files, file_id).content

    def add(
        self, file_id: str, filename: str, content: bytes, *, purpose: str = "batch_output"
    ) -> dict[str, Any]:
        """Keep a file that was not uploaded as one."""
        document = self.shape.describe(file_id, filename, len(content), {"purpose": purpose})
        _put(self._files, file_id, _Thing(document, content))
        return document

    def respond(self, request: Request) -> Answer:
        """The answer about something kept, or the twin's."""
        parts = request.path.strip("/").split("/")
        if parts[:2] == ["v1", "files"]:
            return self._file(request, parts[2:])
        depth = len(self.batches_at)
        if self._batches is not None and tuple(parts[:depth]) == self.batches_at:
            return self._batches.respond(request, parts[depth:])
        if self.keeps_responses and parts[:2] == ["v1", "responses"]:
            if request.method == "POST" and parts[2:] in ([], ["compact"]):
                return self._create_response(request)
            if parts[2:] and parts[2] in self._responses:
                return self._response(request, parts[2:])
        if request.method == "POST":
            self._check_names(request)
        return self.twin.respond(request)

    def _file(self, request: Request, parts: list[str]) -> Answer:
        match request.method, parts:
            case "POST", []:
                return self._upload(request)
            case "GET", []:
                return self._list(request)
            case "GET", [file_id]:
                return self.shape.whole(request, _found(self._files, file_id).document)
            case "GET", [file_id, "content"]:
                return self.shape.binary(request, _found(self._files, file_id).content)
            case "DELETE", [file_id]:
                _found(self._files, file_id)
                del self._files[file_id]
                return self.shape.whole(request, self.shape.deleted(file_id))
        raise Refusal(404, f"Invalid URL ({request.method} {request.path})")

    def _upload(self, request: Request) -> Answer:
        form = read_form(request)
        file = form.file("file")
        if file is None:
            raise Refusal(400, "'file' is a required property", param="file")
        file_id = f"{self.shape.prefix}{request.number:024x}"
        content = bytes(file.content)
        document = self.shape.describe(file_id, file.filename, len(content), form.fields)
        _put(self._files, file_id, _Thing(document, content))
        return self.shape.whole(request, document)

    def _list(self, request: Request) -> Answer:
        ids = list(reversed(self._files))
        after = request.query_value(self.shape.cursor)
        if after in ids:
            ids = ids[ids.index(after) + 1 :]
        limit = int(request.query_value("limit") or PAGE)
        page = ids[:limit]
        body = {
            "object": "list",
            "data": [self._files[each].document for each in page],
            "has_more": len(ids) > limit,
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
        }
        return self.shape.whole(request, body)

    def _create_response(self, request: Request) -> Answer:
        self._check_names(request)
        before = request.json_object("invalid JSON").get("previous_response_id")
        if before is not None and before not in self._responses:
            raise Refusal(
                400,
                f"Previous response with id '{before}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        answer = self.twin.respond(request)
        if isinstance(answer, Whole):
            self._keep_response(orjson.loads(answer.body))
            return answer
        return Stream(
            headers=answer.headers,
            events=self._watched(answer.events),
            failure=answer.failure,
            ping=answer.ping,
            crlf_allowed=answer.crlf_allowed,
        )

    def _watched(self, events: Iterable[tuple[Kind, bytes]]) -> Iterator[tuple[Kind, bytes]]:
        for kind, event in events:
            if event.startswith((b"event: response.completed", b"event: response.incomplete")):
                self._keep_response(orjson.loads(event.partition(b"data: ")[2])["response"])
            yield kind, event

    def _keep_response(self, document: dict[str, Any]) -> None:
        kept = document.get("object") == "response" and document.get("store") is not False
        # One that is made in the background is the twin's own until it is done.
        if kept and not document.get("background"):
            _put(self._responses, document["id"], _Thing(document))

    def _response(self, request: Request, parts: list[str]) -> Answer:
        thing = _found(self._responses, parts[0])
        match request.method, parts[1:]:
            case ("GET", []) | ("POST", ["cancel"]):
                return self.shape.whole(request, thing.document)
            case "GET", ["input_items"]:
                item = {"type": "message", "role": "user", "id": f"msg_{parts[0]}", "content": []}
                body = {"object": "list", "data": [item], "has_more": False}
                return self.shape.whole(request, body)
            case "DELETE", []:
                del self._responses[parts[0]]
                body = {"id": parts[0], "object": "response", "deleted": True}
                return self.shape.whole(request, body)
        raise Refusal(404, f"Invalid URL ({request.method} {request.path})")

    def _check_names(self, request: Request) -> None:
        """Refuse a request that reads a file which is not here."""
        if b'"file_id"' not in request.body:
            return
        for file_id in _file_ids(orjson.loads(request.body)):
            _found(self._files, file_id)


def openai_file(
    file_id: str, filename: str, size: int, fields: Mapping[str, str]
) -> dict[str, Any]:
    """OpenAI's file object (openai/types/file_object.py)."""
    return {
        "id": file_id,
        "object": "file",
        "bytes": size,
        "created_at": CREATED_AT_S,
        "filename": filename,
        "purpose": fields.get("purpose", "user_data"),
        "status": "processed",
    }


def anthropic_file(
    file_id: str, filename: str, size: int, fields: Mapping[str, str]
) -> dict[str, Any]:
    """Anthropic's file metadata (anthropic/types/beta/file_metadata.py)."""
    return {
        "id": file_id,
        "type": "file",
        "filename": filename,
        "mime_type": fields.get("mime_type", "text/plain"),
        "size_bytes": size,
        "created_at": "2026-09-22T00:00:00Z",
        "downloadable": True,
    }


def _found(things: Mapping[str, _Thing], name: str) -> _Thing:
    thing = things.get(name)
    if thing is None:
        raise Refusal(404, f"No such object: {name}", param="id")
    return thing


def _put(things: OrderedDict[str, _Thing], name: str, thing: _Thing) -> None:
    things[name] = thing
    if len(things) > KEPT_MAX:
        things.popitem(last=False)


def _file_ids(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "file_id" and isinstance(inner, str):
                yield inner
            else:
                yield from _file_ids(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _file_ids(inner)
