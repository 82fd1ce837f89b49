"""Small real pictures, so that whoever decodes an answer gets an image."""

from __future__ import annotations

import base64
import struct
import zlib

_SIDE_PIXELS = 8
_BLUE = bytes((32, 96, 224))


def _png_part(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _make_png() -> bytes:
    """A square of one colour: 8 bits a channel, RGB, no filter, not interlaced."""
    row = b"\x00" + _BLUE * _SIDE_PIXELS
    header = struct.pack(">IIBBBBB", _SIDE_PIXELS, _SIDE_PIXELS, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _png_part(b"IHDR", header),
            _png_part(b"IDAT", zlib.compress(row * _SIDE_PIXELS)),
            _png_part(b"IEND", b""),
        )
    )


def _jpeg_part(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _make_jpeg() -> bytes:
    """A grey square: one block, whose only coefficients are "no change" and "end of block"."""
    one_code = bytes((1, *(0,) * 15, 0))
    return b"".join(
        (
            b"\xff\xd8",
            _jpeg_part(0xDB, bytes((0, *(1,) * 64))),
            _jpeg_part(0xC0, struct.pack(">BHHB3B", 8, _SIDE_PIXELS, _SIDE_PIXELS, 1, 1, 0x11, 0)),
            _jpeg_part(0xC4, b"\x00" + one_code),
            _jpeg_part(0xC4, b"\x10" + one_code),
            _jpeg_part(0xDA, bytes((1, 1, 0, 0, 63, 0))),
            b"\x3f\xff\xd9",
        )
    )


PNG_BASE64 = base64.b64encode(_make_png()).decode()
JPEG_BASE64 = base64.b64encode(_make_jpeg()).decode()
# A lossless WebP of one pixel.
WEBP_BASE64 = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="
