"""The meter of an answer that is one JSON document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from mintgate.v1.ledger_pb2 import SETTLED_BY_HOLD

from mintgate_facade.dialects.base import Reading
from mintgate_facade.dialects.lastbyte import LastByte

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of an answer kept for reading its usage. Longer ones still pass, but are
settled by their whole hold, because their usage stands at the end."""

Document = dict[str, Any]
ReadExact = Callable[[Document], Reading | None]
"""The usage a document states, or none when it states none."""
ReadCounted = Callable[[Document | None, int], Reading]
"""What to charge without usage: the document, if it was one, and its bytes so far."""
ReadRefused = Callable[[Document], int]
"""The status that a document stands for which is a refusal, or 0."""


class JsonMeter:
    """Lets everything but the last byte pass, and reads the whole at the end.

    One byte is enough to keep: no client parses a document without its brace.
    """

    def __init__(
        self, exact: ReadExact, counted: ReadCounted, refused: ReadRefused | None = None
    ) -> None:
        self._exact = exact
        self._counted = counted
        self._read_refused = refused
        self._refused = 0
        self._pieces: list[bytes] = []
        self._last = LastByte()
        self._size = 0
        self._final: Reading | None = None
        self._complete = False
        self._exact_known = False

    @property
    def final(self) -> bool:
        """The usage was read; only after `close`."""
        return self._exact_known

    @property
    def complete(self) -> bool:
        """The body was one whole document, or too long to tell."""
        return self._complete

    @property
    def failed(self) -> bool:
        """A JSON answer has one status; a failed one is no 2xx and has no meter."""
        return False

    @property
    def refused(self) -> int:
        """The document is a refusal in spite of its status; only after `close`."""
        return self._refused

    def feed(self, chunk: bytes) -> bytes:
        """Keep the last byte, return all before it."""
        if not chunk:
            return b""
        self._size += len(chunk)
        if self._size <= ANSWER_BYTES_MAX:
            self._pieces.append(chunk)
        else:
            self._pieces.clear()
        return self._last.keep(chunk)

    def close(self) -> bytes:
        """Read the usage and return the last byte."""
        if self._size > ANSWER_BYTES_MAX:
            self._complete = True
            self._final = self._unread()
        else:
            self._final = self._read(b"".join(self._pieces))
        self._pieces.clear()
        return self._last.release()

    def reading(self) -> Reading:
        """The stated usage after `close`; before it, or without it, what was counted."""
        if self._final is not None:
            return self._final
        if not self._size:
            return Reading()
        if self._size > ANSWER_BYTES_MAX:
            return self._unread()
        return self._counted(None, self._size)

    def _read(self, body: bytes) -> Reading:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            return self._counted(None, self._size) if self._size else Reading()
        self._complete = True
        if self._read_refused is not None:
            self._refused = self._read_refused(document)
        try:
            reading = self._exact(document)
        except (AttributeError, KeyError, TypeError):
            # Of another shape than the provider's: it states nothing that can be read.
            return self._counted(None, self._size)
        if reading is None:
            return self._counted(document, self._size)
        self._exact_known = True
        return reading

    @staticmethod
    def _unread() -> Reading:
        return Reading(basis=SETTLED_BY_HOLD)
