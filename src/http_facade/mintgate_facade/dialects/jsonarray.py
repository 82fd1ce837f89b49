r"""Splits one streamed JSON array into its elements as they arrive.

Gemini streams this way without `alt=sse`: `[{...}`, then `,\r\n{...}` for each
further chunk, then `]`.
"""

from __future__ import annotations

import re

from mintgate_facade.dialects.base import BrokenAnswer
from mintgate_facade.dialects.sse import EVENT_BYTES_MAX

Element = tuple[bytes, bytes]
"""The exact bytes since the element before, separator included; and the element itself."""

_STRUCTURE = re.compile(rb'["{}\[\]]')
_STRING_END = re.compile(rb'["\\]')
_BETWEEN = b" \t\r\n,"
_QUOTE = ord('"')
_BACKSLASH = ord("\\")


class JsonArraySplitter:
    """Feed it bytes in any pieces; it returns the elements that are complete.

    What is left after `feed` begins with the closing bracket once the array has
    ended; `ended` tells. Elements must be objects, as all of Gemini's are.
    """

    __slots__ = ("_at", "_depth", "_in_string", "_opened", "_rest", "_start", "ended")

    def __init__(self) -> None:
        self.ended = False
        self._rest = bytearray()
        self._at = 0
        self._start = -1
        self._depth = 0
        self._in_string = False
        self._opened = False

    def feed(self, chunk: bytes) -> list[Element]:
        """Take the next bytes. Raises `BrokenAnswer` when they are no array of objects."""
        self._rest += chunk
        elements: list[Element] = []
        taken = 0
        while not self.ended:
            if self._depth:
                end = self._element_end()
                if end < 0:
                    break
                raw = bytes(self._rest[taken:end])
                elements.append((raw, raw[self._start - taken :]))
                taken = self._at = end
            elif not self._open_next():
                break
        if taken:
            del self._rest[:taken]
            self._at -= taken
            self._start -= taken
        if len(self._rest) > EVENT_BYTES_MAX:
            raise BrokenAnswer(f"an element is longer than {EVENT_BYTES_MAX} bytes")
        return elements

    def flush(self) -> bytes:
        """The body has ended: return the closing bracket and all after it."""
        return bytes(self._rest) if self.ended else b""

    def _open_next(self) -> bool:
        """Move to the next element, or to the end of the array; false to wait for more."""
        rest = self._rest
        while self._at < len(rest):
            byte = rest[self._at : self._at + 1]
            if self._opened and byte == b"{":
                self._start = self._at
                self._at += 1
                self._depth = 1
                return True
            if self._opened and byte == b"]":
                self.ended = True
                return True
            if byte == b"[" and not self._opened:
                self._opened = True
            elif byte not in _BETWEEN:
                raise BrokenAnswer("the answer is not a JSON array of objects")
            self._at += 1
        return False

    def _element_end(self) -> int:
        """Walk to the end of the open element; -1 when it has not arrived yet."""
        rest = self._rest
        while True:
            pattern = _STRING_END if self._in_string else _STRUCTURE
            match = pattern.search(rest, self._at)
            if match is None:
                self._at = len(rest)
                return -1
            byte = rest[match.start()]
            if byte == _BACKSLASH:  # It takes the next byte with it.
                if match.end() == len(rest):
                    self._at = match.start()
                    return -1
                self._at = match.end() + 1
                continue
            self._at = match.end()
            if byte == _QUOTE:
                self._in_string = not self._in_string
            elif byte in b"{[":
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth == 0:
                    return self._at
