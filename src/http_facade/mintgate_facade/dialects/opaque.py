"""The meter of an answer that says nothing about its cost: audio, plain text, subtitles."""

from __future__ import annotations

from collections.abc import Callable

from mintgate_facade.dialects.base import Reading
from mintgate_facade.dialects.lastbyte import LastByte


class OpaqueMeter:
    """Lets everything but the last byte pass; the charge is known otherwise.

    It is worked out from the request (characters, seconds of an upload) or from the
    bytes that pass (`see`, for example the length of the audio in them).
    """

    def __init__(
        self, charge: Callable[[int], Reading], see: Callable[[bytes], object] | None = None
    ) -> None:
        """`charge` gives the reading of an answer that has begun, from its bytes so far."""
        self._charge = charge
        self._see = see
        self._last = LastByte()
        self._size_bytes = 0
        self._complete = False

    @property
    def final(self) -> bool:
        """Nothing in the answer can make its charge final before its end."""
        return self._complete

    @property
    def complete(self) -> bool:
        """The body has ended as its framing said; nothing else marks its end."""
        return self._complete

    @property
    def failed(self) -> bool:
        """It cannot say so."""
        return False

    @property
    def refused(self) -> int:
        """It cannot say so either."""
        return 0

    def feed(self, chunk: bytes) -> bytes:
        """Keep the last byte, return all before it."""
        if not chunk:
            return b""
        self._size_bytes += len(chunk)
        if self._see is not None:
            self._see(chunk)
        return self._last.keep(chunk)

    def close(self) -> bytes:
        """Return the last byte."""
        self._complete = True
        return self._last.release()

    def reading(self) -> Reading:
        """What to charge; nothing for an answer of which nothing came."""
        return self._charge(self._size_bytes) if self._size_bytes else Reading()
