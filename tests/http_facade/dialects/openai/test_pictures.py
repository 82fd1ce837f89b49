"""What one picture can cost in a chat: by its pixels, where the model scales nothing down."""

from __future__ import annotations

import base64
import zlib

import pytest
from mintgate_facade.dialects.openai.pictures import (
    IMAGE_TOKENS_MAX,
    IMAGE_TOKENS_MAX_FULL,
    IMAGE_TOKENS_UNSCALED,
    picture_tokens,
)


def data_url(raw: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(raw).decode()


def png(wide: int, high: int) -> str:
    """A picture of one colour, a few bytes long whatever its size."""
    head = b"IHDR" + wide.to_bytes(4, "big") + high.to_bytes(4, "big") + b"\1\0\0\0\0"
    check = zlib.crc32(head).to_bytes(4, "big")
    return data_url(b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + head + check)


def jpeg(wide: int, high: int, before: bytes = b"") -> str:
    size = high.to_bytes(2, "big") + wide.to_bytes(2, "big")
    return data_url(b"\xff\xd8" + before + b"\xff\xc2\0\x11\x08" + size + bytes(20))


def webp(kind: bytes, head: bytes) -> str:
    return data_url(b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + head + bytes(20))


def webps(wide: int, high: int) -> list[str]:
    """The three forms of WebP."""
    low = (wide - 1) | (high - 1) << 14
    return [
        webp(b"VP8X", bytes(4) + b"".join((n - 1).to_bytes(3, "little") for n in (wide, high))),
        webp(b"VP8L", b"\x2f" + low.to_bytes(4, "little")),
        webp(b"VP8 ", bytes(6) + (wide | high << 16).to_bytes(4, "little")),
    ]


# The largest is what a model was seen to bill for a picture of this size (1.2 tokens a patch).
@pytest.mark.parametrize(("wide", "high", "billed"), [(1024, 1024, 1_229), (9_000, 6_000, 63_500)])
def test_a_picture_that_is_not_scaled_is_held_for_by_its_pixels(
    wide: int, high: int, billed: int
) -> None:
    """A flat picture of 54 megapixels is some bytes, and billed by its patches."""
    for url in (png(wide, high), jpeg(wide, high), *webps(wide, high)):
        for detail in (None, "auto", "original"):
            held = picture_tokens("gpt-6.1-sol", detail, url)
            assert billed <= held <= 2.2 * billed


def test_models_that_scale_have_a_largest_picture() -> None:
    """Up to gpt-5.5, and at the details that scale, no picture costs more than so much."""
    url = png(9_000, 6_000)
    assert picture_tokens("gpt-5.5", None, url) == IMAGE_TOKENS_MAX_FULL
    assert picture_tokens("grok-4.7", None, url) == IMAGE_TOKENS_MAX_FULL
    assert picture_tokens("gpt-6-astra", "high", url) == IMAGE_TOKENS_MAX


def test_a_thumbnail_is_not_the_picture() -> None:
    """The size is that of the picture, not of another one within its metadata."""
    thumbnail = b"\xff\xd8\xff\xc0\0\x11\x08\0\x10\0\x10" + bytes(20)
    before = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    assert picture_tokens("gpt-6", None, jpeg(9_000, 6_000, before)) > IMAGE_TOKENS_MAX_FULL


@pytest.mark.parametrize(
    "url", ["data:", "data:image/webp;base64,UklGRg==", "data:image/png;base64,é", jpeg(100, 0)]
)
def test_a_picture_of_unknown_size_is_held_for_as_the_largest(url: str) -> None:
    """What cannot be read is not taken for small."""
    assert picture_tokens("gpt-6", None, url) == IMAGE_TOKENS_UNSCALED
