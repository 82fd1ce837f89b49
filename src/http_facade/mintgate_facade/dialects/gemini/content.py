"""Reads Gemini contents for what they can be billed as.

Content stands in the request, at a public address, or in a stored file, which
must be the key's own: the relay checks the names that are collected here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from mintgate.v1.unit_pb2 import (
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_IMAGE_TOKENS,
    UNIT_INPUT_VIDEO_TOKENS,
    Unit,
)

from mintgate_facade.dialects.base import ObjectName
from mintgate_facade.dialects.checks import (
    OUTPUT_TOKENS_MAX,
    Fields,
    inside,
    integer,
    mapping,
    objects,
    refused,
    text,
)
from mintgate_facade.dialects.gemini.names import unify
from mintgate_facade.dialects.inline_audio import bytes_bound

_STORED = re.compile(
    r"(?:https://generativelanguage\.googleapis\.com/v1(?:beta|alpha)?/)?files/([a-z0-9-]{1,64})"
)
"""How a file's uri and its name are written (google/genai/types.py, File)."""
_DOWNLOAD = re.compile(r":download(?:\?alt=media)?$")
"""What stands behind it where Google made the file."""
FILE_KEPT_MS = 48 * 3_600_000
"""Google deletes files after 48 hours, also those that it has made."""
IMAGE_TOKENS_MAX = 2_240
"""One image at the highest media resolution."""


@dataclass(slots=True)
class Content:
    """What a request's content adds to its bound."""

    media_bytes: int = 0
    """Bytes of the body that are media in base64."""
    audio_bytes: int = 0
    """The same of audio. They bound its own tokens, and make no room for those of a picture."""
    media_tokens: int = 0
    """Most tokens that this media can be billed as, where its bytes do not bound it."""
    text_size_bytes: int = 0
    """UTF-8 bytes of the text parts."""
    audio: bool = False
    image: bool = False
    video: bool = False
    files: list[ObjectName] = field(default_factory=list)
    """Stored files that are read."""
    open: bool = False
    """Some content is not in the request, or its tokens are not bounded by its bytes."""

    @property
    def media(self) -> bool:
        """There is something besides text."""
        return self.audio or self.image or self.video or self.open

    @property
    def units(self) -> list[Unit.ValueType]:
        """Kinds of input that it may be billed as besides text."""
        kinds = (
            (self.audio, UNIT_INPUT_AUDIO_TOKENS),
            (self.image, UNIT_INPUT_IMAGE_TOKENS),
            (self.video, UNIT_INPUT_VIDEO_TOKENS),
        )
        return [unit for present, unit in kinds if present]

    def read_content(self, content: Fields, where: str) -> None:
        """Read one content object: its role, and its parts."""
        content = unify(content, where)
        for index, part in enumerate(objects(content, "parts", where=where)):
            self.read_part(part, f"{inside(where, 'parts')}[{index}]")

    def read_part(self, part: Fields, where: str) -> None:
        """Read one part; unknown fields are upstream's to refuse."""
        part = unify(part, where)
        words = text(part, "text", where=where)
        if words is not None:
            self.text_size_bytes += len(words.encode("utf-8", "surrogatepass"))
        resolution = mapping(part, "mediaResolution", where=where)
        asked = 0
        if resolution is not None:
            param = inside(where, "mediaResolution")
            fields = unify(resolution, param)
            asked = integer(fields, "numTokens", 0, OUTPUT_TOKENS_MAX, where=param) or 0
        blob = mapping(part, "inlineData", where=where)
        if blob is not None:
            self._read_blob(unify(blob, where), inside(where, "inlineData"), asked)
        file = mapping(part, "fileData", where=where)
        if file is not None:
            self._read_file(unify(file, where), inside(where, "fileData"))
        response = mapping(part, "functionResponse", where=where)
        if response is not None:
            param = inside(where, "functionResponse")
            for index, inner in enumerate(objects(unify(response, param), "parts", where=param)):
                self.read_part(inner, f"{inside(param, 'parts')}[{index}]")

    def _read_blob(self, blob: Fields, where: str, asked_tokens: int) -> None:
        data = text(blob, "data", where=where) or ""
        mime = (text(blob, "mimeType", where=where) or "").lower()
        if mime.startswith("text/"):
            return
        if mime.startswith("audio/"):
            self.audio = True
            self.audio_bytes += len(data)
            # 32 tokens a second, up to nine and a half hours.
            self.open = self.open or not bytes_bound(mime, data)
            return
        self.media_bytes += len(data)
        if mime.startswith("image/"):
            self.image = True
            self.media_tokens += max(IMAGE_TOKENS_MAX, asked_tokens)
        else:
            # Video, PDF and the like: a few bytes can stand for many frames or pages.
            self._mark_any()

    def _read_file(self, file: Fields, where: str) -> None:
        uri = text(file, "fileUri", where=where) or ""
        param = inside(where, "fileUri")
        self._mark_any()
        stored = _STORED.fullmatch(uri)
        if stored is not None:
            self.files.append(ObjectName("file", stored[1]))
            return
        parts = _split(uri, param)
        host = (parts.hostname or "").lower()
        if parts.scheme not in {"http", "https"} or not host or "generativelanguage" in host:
            raise refused(
                f"'{param}' must be a public http(s) address, or the uri of a file that was "
                "uploaded through this gateway.",
                param,
            )

    def _mark_any(self) -> None:
        self.open = True
        self.audio = True
        self.image = True
        self.video = True


def stored_file(uri: str) -> ObjectName | None:
    """The file that a uri or a name of the provider's leads to; None when it leads elsewhere."""
    stored = _STORED.fullmatch(_DOWNLOAD.sub("", uri))
    return None if stored is None else ObjectName("file", stored[1])


def _split(uri: str, param: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError:
        raise refused(f"'{param}' is not an address.", param) from None
