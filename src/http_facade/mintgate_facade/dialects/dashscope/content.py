"""Reads DashScope's messages for what they can be billed as.

A part of a message names its kind by its key: {"text": ...}, {"image": ...}. Media stand
in the request as a `data:` URL or at a public address. Others (oss://, file://, fileid://)
are stored at the provider, where all users of a gateway share one account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mintgate_facade.dialects.checks import Fields, array, element, inside, refused, text

IMAGE_TOKENS_MAX = 16_384
"""Of one picture, in high resolution (Model Studio, "Visual understanding")."""

_PUBLIC = ("https://", "http://")
_STORED_TEXT = "fileid://"
_STORED = (
    "Content stored at the provider cannot be used through this gateway, because all its users "
    "share one account there. Send the content itself."
)
_AUDIO = "What heard audio costs is not known to this gateway. Send its transcript in the request."
_HINTS = frozenset(
    {"cache_control", "fps", "max_frames", "max_pixels", "min_pixels", "total_pixels", "type"}
)
"""Keys beside the one that names a part's kind."""


@dataclass(slots=True)
class Content:
    """What a request's content adds to its bound."""

    media_bytes: int = 0
    """Bytes of the body that are media in base64."""
    media_tokens: int = 0
    """Most tokens that this media can be billed as, where its bytes do not bound it."""
    images: bool = False
    videos: bool = False
    open: bool = False
    """Some content is not in the request, or its tokens are not bounded by its bytes."""

    def read_messages(self, input_fields: Fields) -> None:
        """Read `input.messages`, and the prompt and history of older clients, which are text."""
        for name in ("prompt", "history"):
            _refuse_stored(input_fields.get(name), inside("input", name))
        for index, value in enumerate(array(input_fields, "messages", where="input") or ()):
            where = f"input.messages[{index}]"
            self._read_content(element(value, where), where)

    def _read_content(self, message: Fields, where: str) -> None:
        content = message.get("content")
        param = inside(where, "content")
        if content is None or isinstance(content, str):
            _refuse_stored(content, param)
            return
        for index, part in enumerate(array(message, "content", where=where) or ()):
            self._read_part(element(part, f"{param}[{index}]"), f"{param}[{index}]")

    def _read_part(self, part: Fields, where: str) -> None:
        kinds = part.keys() - _HINTS
        for kind in kinds:
            match kind:
                case "text":
                    _refuse_stored(text(part, "text", where=where), inside(where, "text"))
                case "image":
                    self._add_picture(part, where)
                case "video":
                    self._add_video(part, where)
                case "audio":
                    raise refused(_AUDIO, inside(where, "audio"), "unsupported_parameter")
                case _:
                    raise refused(
                        f"Content of the kind {kind[:64]!r} is not supported by this gateway.",
                        inside(where, kind[:64]),
                    )

    def _add_picture(self, part: Fields, where: str) -> None:
        self.images = True
        self._add_medium(text(part, "image", where=where) or "", inside(where, "image"))
        self.media_tokens += IMAGE_TOKENS_MAX

    def _add_video(self, part: Fields, where: str) -> None:
        """Note a video, or its frames: how many tokens they are, only the window bounds."""
        self.videos = True
        self.open = True
        video = part.get("video")
        frames: Any = video if isinstance(video, list) else [video]
        for frame in frames:
            if not isinstance(frame, str):
                raise refused("A video is an address, or a list of them.", inside(where, "video"))
            self._add_medium(frame, inside(where, "video"))

    def _add_medium(self, url: str, param: str) -> None:
        if url.startswith("data:"):
            self.media_bytes += len(url)
        elif url.startswith(_PUBLIC):
            self.open = True
        else:
            raise refused(_STORED, param, "unsupported_parameter")


def _refuse_stored(value: Any, param: str) -> None:
    """Refuse text that names documents at the provider, as a system message may."""
    if isinstance(value, str) and _STORED_TEXT in value:
        raise refused(_STORED, param, "unsupported_parameter")
