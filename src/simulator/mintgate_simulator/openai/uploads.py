"""``/v1/uploads``: files that come in parts (openai/types/upload.py)."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mintgate_simulator.form import read_form
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import CREATED_AT_S, is_int
from mintgate_simulator.twin import Around

from . import check, wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer, Whole
    from mintgate_simulator.request import Request
    from mintgate_simulator.stored import Files

KEPT_MAX = 1_000
"""Uploads kept; the oldest go first."""
PART_BYTES_MAX = 64 << 20
LIVES_S = 3_600


@dataclass(slots=True)
class _Upload:
    document: dict[str, Any]
    parts: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Uploads(Around):
    """A twin whose files may come in parts, too."""

    files: Files
    """Where the whole files are kept."""
    _kept: OrderedDict[str, _Upload] = field(init=False, default_factory=OrderedDict)

    def respond(self, request: Request) -> Answer:
        """The answer about an upload, or the twin's."""
        parts = request.path.strip("/").split("/")
        if parts[:2] != ["v1", "uploads"]:
            return self.twin.respond(request)
        match request.method, parts[2:]:
            case "POST", []:
                return self._begin(request)
            case "POST", [upload_id, "parts"]:
                return self._take(request, self._pending(upload_id))
            case "POST", [upload_id, "complete"]:
                return self._complete(request, self._pending(upload_id))
            case "POST", [upload_id, "cancel"]:
                upload = self._pending(upload_id)
                upload.document["status"] = "cancelled"
                return wire.whole(request, upload.document)
        raise Refusal(404, f"Invalid URL ({request.method} {request.path})")

    def _begin(self, request: Request) -> Whole:
        body = check.body_of(request)
        stated = {name: check.required(body, name) for name in ("bytes", "filename", "purpose")}
        check.required(body, "mime_type")
        if not is_int(stated["bytes"]):
            raise check.wrong_type("bytes", "an integer", stated["bytes"])
        document = {
            "id": f"upload_{request.number:024x}",
            "object": "upload",
            "created_at": CREATED_AT_S,
            "expires_at": CREATED_AT_S + LIVES_S,
            "status": "pending",
            "file": None,
            **stated,
        }
        self._kept[document["id"]] = _Upload(document)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return wire.whole(request, document)

    def _take(self, request: Request, upload: _Upload) -> Whole:
        part = read_form(request).file("data")
        if part is None:
            raise Refusal(400, "'data' is a required property", param="data")
        if len(part.content) > PART_BYTES_MAX:
            raise Refusal(400, "A part may have at most 64 MB.", param="data")
        part_id = f"part_{request.number:024x}"
        upload.parts[part_id] = bytes(part.content)
        told = {
            "id": part_id,
            "object": "upload.part",
            "created_at": CREATED_AT_S,
            "upload_id": upload.document["id"],
        }
        return wire.whole(request, told)

    def _complete(self, request: Request, upload: _Upload) -> Whole:
        body = check.body_of(request)
        named = check.required(body, "part_ids")
        unknown = [each for each in named if each not in upload.parts]
        if unknown:
            raise Refusal(400, f"Part {unknown[0]} is not of this upload.", param="part_ids")
        content = b"".join(upload.parts[each] for each in named)
        document = upload.document
        if len(content) != document["bytes"]:
            raise Refusal(400, "The parts do not have as many bytes as the upload was to have.")
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if body.get("md5") not in {None, md5}:
            raise Refusal(400, "The file does not have the given MD5 checksum.", param="md5")
        file_id = f"file-{request.number:024x}"
        file = self.files.add(file_id, document["filename"], content, purpose=document["purpose"])
        upload.parts.clear()
        document |= {"status": "completed", "file": file}
        return wire.whole(request, document)

    def _pending(self, upload_id: str) -> _Upload:
        upload = self._kept.get(upload_id)
        if upload is None:
            raise Refusal(404, f"No upload found with id '{upload_id}'.", param="upload_id")
        if upload.document["status"] != "pending":
            raise Refusal(400, f"The upload is {upload.document['status']}.", param="upload_id")
        return upload
