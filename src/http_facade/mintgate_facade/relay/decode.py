"""Undoes a content coding that a provider used although it was asked for none.

The meter must read the bytes; the client then gets them plain, too.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE_BYTES_MAX = 256 << 10
"""Decoded bytes handed on at once, however well they were compressed."""
_GZIP = 31
_ZLIB = 15
_RAW_DEFLATE = -15
_DECODED = frozenset({"gzip", "x-gzip", "deflate"})


def can_decode(coding: str) -> bool:
    """Whether `Decoder` reads this content coding."""
    return coding in _DECODED


class Decoder:
    """Decodes one answer, piece by piece. Raises `zlib.error` on damaged input."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._stream: zlib._Decompress | None = None

    @property
    def complete(self) -> bool:
        """The coding's own end was seen, or nothing was sent at all."""
        return self._stream is None or self._stream.eof

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Decode a chunk; every piece is at most `PIECE_BYTES_MAX`."""
        full = False
        while chunk or full:
            if self._stream is None or self._stream.eof:
                self._stream = zlib.decompressobj(self._window(chunk))
            piece = self._stream.decompress(chunk, PIECE_BYTES_MAX)
            if piece:
                yield piece
            # A gzip body may hold several members; what follows an end begins the next.
            chunk = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            # The last bytes that were taken may stand for more than the piece had room for.
            full = len(piece) == PIECE_BYTES_MAX and not self._stream.eof

    def _window(self, first: bytes) -> int:
        if self._coding != "deflate":
            return _GZIP
        # "deflate" means zlib-wrapped, but some servers send it raw: a zlib header's
        # low nibble is the method 8.
        return _ZLIB if first[0] & 0x0F == 8 else _RAW_DEFLATE  # noqa: PLR2004 - named above
