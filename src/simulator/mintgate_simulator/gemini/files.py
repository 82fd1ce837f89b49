"""Gemini's Files API: resumable uploads, and what was uploaded (google/genai/files.py).

A shelf is the operator's account; see ``mintgate_simulator.stored``.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Whole
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.twin import Around

from . import pages, wire
from .batches import VERBS, Batches
from .caches import Caches
from .videos import Videos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

KEPT_MAX = 10_000
ROOT = "https://generativelanguage.googleapis.com"
_LONG_RUNNING = "predictLongRunning"
_DOWNLOAD = ":download"
_VERSIONS = frozenset({"v1", "v1beta", "v1alpha"})


@dataclass(slots=True)
class _Upload:
    """An upload under way."""

    file: dict[str, Any]
    size: int
    content: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class KeepingGemini(Around):
    """The twin, and what it keeps: files, caches, videos and batches."""

    _caches: Caches = field(default_factory=Caches)
    _videos: Videos = field(init=False)
    _batches: Batches = field(init=False)
    _contents: dict[str, bytes] = field(default_factory=dict)
    _uploads: OrderedDict[str, _Upload] = field(default_factory=OrderedDict)
    _files: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._videos = Videos(self._keep)
        self._batches = Batches(self.twin, self._content, self._keep)

    def respond(self, request: Request) -> Answer:
        """The answer about what is kept, or the twin's."""
        parts = request.path.strip("/").split("/")
        if parts[0] == "upload" and parts[2:] == ["files"] and request.method == "POST":
            upload_id = request.query_value("upload_id")
            return self._begin(request) if upload_id is None else self._go_on(request, upload_id)
        self._check_uris(request)
        match parts[1:] if parts[0] in _VERSIONS else []:
            case ["files", *below]:
                return self._file(request, below)
            case ["cachedContents", *below]:
                return self._caches.respond(request, below)
            case ["batches", *below]:
                return self._batches.respond(request, below)
            case ["models", model, "operations", *below]:
                return self._videos.respond(request, model, below)
            case ["models", named] if request.method == "POST":
                model, _, verb = named.partition(":")
                if verb in VERBS:
                    return self._batches.begin(request, model, verb)
                if verb == _LONG_RUNNING:
                    return self._videos.begin(request, model)
        return self.twin.respond(self._caches.used(request))

    def _check_uris(self, request: Request) -> None:
        """Refuse a request that reads a file which is not here."""
        if b"ile_uri" in request.body or b"ileUri" in request.body:
            for uri in _uris(orjson.loads(request.body)):
                if uri.startswith(ROOT):
                    self._found(uri.rpartition("/")[2])

    def _begin(self, request: Request) -> Answer:
        if "start" not in (request.header(b"x-goog-upload-command") or ""):
            raise Refusal(400, "Resumable uploads begin with the command start.")
        asked = request.json_object("Invalid JSON payload received.").get("file") or {}
        file_id = str(asked.get("name") or f"files/f{request.number:011x}").removeprefix("files/")
        size = int(request.header(b"x-goog-upload-header-content-length") or 0)
        mime_type = request.header(b"x-goog-upload-header-content-type") or "text/plain"
        name = f"files/{file_id}"
        file = {
            "name": name,
            "displayName": asked.get("displayName", asked.get("display_name", "")),
            "mimeType": mime_type,
            "sizeBytes": str(size),
            "createTime": "2026-09-22T00:00:00Z",
            "updateTime": "2026-09-22T00:00:00Z",
            "expirationTime": "2026-09-24T00:00:00Z",
            "uri": f"{ROOT}/v1beta/{name}",
            "state": "ACTIVE",
            "source": "UPLOADED",
        }
        upload_id = f"AB_{request.number:012x}"
        self._uploads[upload_id] = _Upload(file, size)
        if len(self._uploads) > KEPT_MAX:
            self._uploads.popitem(last=False)
        answer = wire.whole({})
        query = f"upload_id={upload_id}&upload_protocol=resumable"
        address = f"{ROOT}/upload/v1beta/files?{query}".encode()
        answer.headers.append((b"x-goog-upload-url", address))
        answer.headers.append((b"x-goog-upload-status", b"active"))
        return answer

    def _go_on(self, request: Request, upload_id: str) -> Answer:
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise Refusal(404, "Upload has already been terminated.")
        if int(request.header(b"x-goog-upload-offset") or 0) != len(upload.content):
            raise Refusal(400, "The offset is not where the upload stands.")
        upload.content += request.body
        if "finalize" not in (request.header(b"x-goog-upload-command") or ""):
            answer = wire.whole({})
            answer.headers.append((b"x-goog-upload-status", b"active"))
            return answer
        if len(upload.content) != upload.size:
            raise Refusal(400, f"{len(upload.content)} bytes came of {upload.size}.")
        del self._uploads[upload_id]
        file_id = upload.file["name"].removeprefix("files/")
        self._files[file_id], self._contents[file_id] = upload.file, bytes(upload.content)
        self._drop_oldest()
        answer = wire.whole({"file": upload.file})
        answer.headers.append((b"x-goog-upload-status", b"final"))
        return answer

    def _file(self, request: Request, parts: list[str]) -> Answer:
        match request.method, parts:
            case "GET", []:
                return pages.page(request, "files", self._files.values())
            case "GET", [file_id] if file_id.endswith(_DOWNLOAD):
                return self._download(file_id.removesuffix(_DOWNLOAD))
            case "GET", [file_id]:
                return wire.whole(self._found(file_id))
            case "DELETE", [file_id]:
                self._found(file_id)
                del self._files[file_id]
                self._contents.pop(file_id, None)
                return wire.whole({})
        raise Refusal(404, f"Method not found: {request.method} {request.path}")

    def _keep(self, file_id: str, mime_type: str, content: bytes) -> str:
        """Keep a file that was made here, and return the address of its content."""
        name = f"files/{file_id}"
        uri = f"{ROOT}/v1beta/{name}:download?alt=media"
        self._files[file_id] = {
            "name": name,
            "mimeType": mime_type,
            "sizeBytes": str(len(content)),
            "createTime": "2026-09-22T00:00:00Z",
            "expirationTime": "2026-09-24T00:00:00Z",
            "uri": f"{ROOT}/v1beta/{name}",
            "downloadUri": uri,
            "state": "ACTIVE",
            "source": "GENERATED",
        }
        self._contents[file_id] = content
        self._drop_oldest()
        return uri

    def _drop_oldest(self) -> None:
        if len(self._files) > KEPT_MAX:
            dropped, _ = self._files.popitem(last=False)
            self._contents.pop(dropped, None)

    def _content(self, file_id: str) -> bytes:
        self._found(file_id)
        return self._contents[file_id]

    def _download(self, file_id: str) -> Answer:
        file = self._found(file_id)
        if file["source"] != "GENERATED":
            raise Refusal(400, "Only generated files can be downloaded.")
        return Whole(200, [(b"content-type", file["mimeType"].encode())], self._content(file_id))

    def _found(self, file_id: str) -> dict[str, Any]:
        file = self._files.get(file_id)
        if file is None:
            # Google does not tell what is not there from what is another project's.
            raise Refusal(
                403,
                f"You do not have permission to access the File {file_id} or it may not exist.",
            )
        return file


def _uris(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in {"fileUri", "file_uri"} and isinstance(inner, str):
                yield inner
            else:
                yield from _uris(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _uris(inner)
