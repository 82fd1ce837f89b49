"""How many tokens one picture can be, where its bytes bound nothing.

A picture is seen in patches of 32x32, of which each is at most `MULTIPLIER` tokens. Models up to
gpt-5.5 scale it down first; later ones see all of its pixels, unless `detail` says otherwise.
"""

from __future__ import annotations

import binascii
import re

IMAGE_TOKENS_MAX = 6_150
"""2,500 patches at the largest multiplier; 1,445 tokens in tiles are less."""
IMAGE_TOKENS_MAX_FULL = 24_600
"""10,000 patches at 2.46: `detail` "original", or left to a model that scales down."""
IMAGE_TOKENS_MAX_MINI = 49_000
"""gpt-4o-mini bills an image at about 33 times its tiles."""
IMAGE_TOKENS_UNSCALED = 150_000
"""60 megapixels at 2.46, where the size of a picture could not be read: no more were seen to be
taken, and 9000x6000 was billed at 1.2 tokens a patch (measured with gpt-6.1-sol, 2026-10)."""

_PATCH_PIXELS = 32
_MULTIPLIER_PERCENT = 246
_UNSCALED = re.compile(r"gpt-(5\.[6-9]|[6-9]|\d\d)|daybreak|chat-latest")
_HEAD_CHARACTERS = 256 * 1024
"""How much of a picture's base64 is looked through for its size."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of JPEG that state the size."""
_MARK = 0xFF
_FRAME_BYTES = 9
_WEBP_BYTES = 30
_BITS_14 = 0x3FFF


def picture_tokens(model: str, detail: str | None, url: str) -> int:
    """Most tokens of one picture that stands in the request as a `data:` URL."""
    if model.startswith("gpt-4o-mini"):
        return IMAGE_TOKENS_MAX_MINI
    if detail in {"low", "high"}:
        return IMAGE_TOKENS_MAX
    if not _UNSCALED.search(model):
        return IMAGE_TOKENS_MAX_FULL
    size = _size(url.partition(",")[2])
    if size is None:
        return IMAGE_TOKENS_UNSCALED
    wide, high = (-(-pixels // _PATCH_PIXELS) for pixels in size)
    return -(-wide * high * _MULTIPLIER_PERCENT // 100)


def _size(data: str) -> tuple[int, int] | None:
    """Width and height of a PNG, a JPEG or a WebP in base64; None for anything else."""
    head = data[:_HEAD_CHARACTERS]
    try:
        raw = binascii.a2b_base64(head[: len(head) // 4 * 4].encode(), strict_mode=True)
    except (binascii.Error, ValueError):
        return None
    if raw.startswith(_PNG) and raw[12:16] == b"IHDR":
        return int.from_bytes(raw[16:20], "big"), int.from_bytes(raw[20:24], "big")
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return _webp_size(raw)
    return _jpeg_size(raw) if raw.startswith(_JPEG) else None


def _webp_size(raw: bytes) -> tuple[int, int] | None:
    kind = raw[12:16]
    if len(raw) < _WEBP_BYTES:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(raw[24:27], "little"), 1 + int.from_bytes(raw[27:30], "little")
    bits = int.from_bytes(raw[21:25] if kind == b"VP8L" else raw[26:30], "little")
    if kind == b"VP8L":
        return 1 + (bits & _BITS_14), 1 + (bits >> 14 & _BITS_14)
    return (bits & _BITS_14, bits >> 16 & _BITS_14) if kind == b"VP8 " else None


def _jpeg_size(raw: bytes) -> tuple[int, int] | None:
    at = len(_JPEG)
    while at + _FRAME_BYTES <= len(raw) and raw[at] == _MARK:
        if raw[at + 1] in _FRAMES:
            high, wide = (int.from_bytes(raw[at + i : at + i + 2], "big") for i in (5, 7))
            # No height: it stands behind the picture.
            return (wide, high) if high else None
        at += 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
    return None
