"""Reads messages and input items for what they can be billed as.

Content stands in the request, at a public address, or in a stored file, which
must be the key's own: the relay checks the names that are collected here. An
item within a stored answer cannot be checked and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mintgate_facade.dialects.base import ObjectName
from mintgate_facade.dialects.checks import (
    Fields,
    array,
    choice,
    element,
    inside,
    mapping,
    refused,
    text,
)
from mintgate_facade.dialects.inline_audio import bytes_bound
from mintgate_facade.dialects.openai.pictures import picture_tokens

_SHORT_TTL = "30m"
"""What a cache keeps its content for unless a request says otherwise."""
_PUBLIC = ("https://", "http://")
"""Other schemes name what is stored at a provider, such as Kimi's ms:// for its files."""
_DETAILS = frozenset({"auto", "low", "high", "original"})
_STORED = (
    "Content stored at the provider cannot be used through this gateway, because all its users "
    "share one account there. Send the content itself."
)
_TEXT_PARTS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "summary_text": "text",
    "reasoning_text": "text",
    "reference": "title",
}


@dataclass(slots=True)
class Content:
    """What a request's content adds to its bound."""

    model: str
    audio_tokens: bool = True
    """Audio is billed in tokens."""
    image_tokens: int | None = None
    """Most tokens of a picture, where not by OpenAI's own rules."""
    media_bytes: int = 0
    """Bytes of the body that are pictures or files in base64."""
    audio_bytes: int = 0
    """The same of audio. They bound its own tokens, and make no room for those of a picture."""
    media_tokens: int = 0
    """Most tokens that this media can be billed as, where its bytes do not bound it."""
    images: bool = False
    audio: bool = False
    files: list[ObjectName] = field(default_factory=list)
    """Stored files that are read."""
    open: bool = False
    """Some content is not in the request, or its tokens are not bounded by its bytes."""
    kept_long: bool = False
    """Some of it may be written to a cache for longer than half an hour, at twice the price."""

    def mark(self, fields: Fields, name: str, where: str = "") -> None:
        """Note how long a cache breakpoint keeps what stands before it."""
        control = mapping(fields, name, where=where)
        if control is not None:
            ttl = text(control, "ttl", where=inside(where, name))
            self.kept_long = self.kept_long or ttl not in {None, _SHORT_TTL}

    def read_messages(self, messages: Any) -> None:
        """Read the messages of a chat request."""
        for index, value in enumerate(messages):
            where = f"messages[{index}]"
            message = element(value, where)
            if message.get("audio") is not None:
                raise refused(_STORED, inside(where, "audio"), "unsupported_parameter")
            self.read_content(message, "content", where)

    def read_content(self, fields: Fields, name: str, where: str) -> None:
        """Read a field that holds a string or a list of parts."""
        value = fields.get(name)
        if value is None or isinstance(value, str):
            return
        for index, part in enumerate(array(fields, name, where=where) or ()):
            param = f"{inside(where, name)}[{index}]"
            self.read_part(element(part, param), param)

    def read_part(self, part: Fields, where: str) -> None:
        """Read one content part; its type must be one that can be metered."""
        kind = text(part, "type", where=where) or ""
        self.mark(part, "prompt_cache_breakpoint", where)
        name = _TEXT_PARTS.get(kind)
        if name is not None:
            text(part, name, where=where)
            return
        match kind:
            case "image_url":
                self._read_image_url(part, where)
            case "input_image" | "computer_screenshot":
                self._read_image(part, where)
            case "input_audio":
                self._read_audio(part, where)
            case "document_url":
                # Pages become text and a picture each, as those of a file do.
                self.open = True
                self.images = True
            case "thinking":
                self.read_content(part, "thinking", where)
            case "file" | "input_file":
                self._read_file(part, where)
            case _:
                raise refused(
                    f"Content of type {kind[:64]!r} is not supported by this gateway.",
                    inside(where, "type"),
                )

    def _read_image_url(self, part: Fields, where: str) -> None:
        if isinstance(part.get("image_url"), str):
            self._add_image(part, "image_url", where)
            return
        image = mapping(part, "image_url", where=where)
        if image is None:
            raise refused("An image part needs an image_url.", inside(where, "image_url"))
        if self._names_file(image, inside(where, "image_url")):
            self.images = True
            return
        self._add_image(image, "url", inside(where, "image_url"))

    def _read_image(self, part: Fields, where: str) -> None:
        if self._names_file(part, where):
            self.images = True
            return
        self._add_image(part, "image_url", where)

    def _add_image(self, fields: Fields, name: str, where: str) -> None:
        url = text(fields, name, where=where) or ""
        detail = choice(fields, "detail", _DETAILS, where=where)
        self.images = True
        if not url.startswith("data:"):
            if not url.startswith(_PUBLIC):
                raise refused(_STORED, inside(where, name), "unsupported_parameter")
            self.open = True
            return
        self.media_bytes += len(url)
        self.media_tokens += self.image_tokens or picture_tokens(self.model, detail, url)

    def _read_audio(self, part: Fields, where: str) -> None:
        if not self.audio_tokens:
            raise refused(
                "Audio in a chat is billed by its length, which is not known before it is read. "
                "Send its transcript.",
                inside(where, "input_audio"),
                "unsupported_parameter",
            )
        audio = mapping(part, "input_audio", where=where) or {}
        data = text(audio, "data", where=inside(where, "input_audio")) or ""
        self.audio = True
        self.audio_bytes += len(data)
        form = text(audio, "format", where=inside(where, "input_audio")) or ""
        self.open = self.open or not bytes_bound(form, data)

    def _read_file(self, part: Fields, where: str) -> None:
        nested = mapping(part, "file", where=where)
        if nested is not None:
            part, where = nested, inside(where, "file")
        self._names_file(part, where)
        # Pages become text and a picture each: the bytes of a file bound neither.
        self.open = True
        self.images = True
        self.media_bytes += len(text(part, "file_data", where=where) or "")

    def _names_file(self, part: Fields, where: str) -> bool:
        """Note a stored file, whose tokens only the context window bounds."""
        file_id = text(part, "file_id", where=where)
        if not file_id:
            return False
        self.files.append(ObjectName("file", file_id))
        self.open = True
        return True
