"""Writes of one turn of the loop as one: a head and its body, or several events of a stream.

The server underneath hands its transport the head of an answer and its body one after the
other, and each would be a system call, and a packet that wakes the client for half an
answer. Nothing waits for it: what one turn wrote leaves at the beginning of the next.
"""

from __future__ import annotations

import asyncio
from typing import Any

JOINED_BYTES_MAX = 64 << 10
"""Of what a turn writes until it is written at once: only then does the transport below say
that it is full, and whoever writes waits. A piece that is decoded may bring hundreds of others."""


class JoinedWrites(asyncio.Transport):
    """A transport that passes everything on to another, and writes once a turn."""

    def __init__(self, below: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._below = below
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size_bytes = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write at the end of this turn, or at once where it is much."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(bytes(data))
        self._size_bytes += len(data)
        if self._size_bytes > JOINED_BYTES_MAX:
            self._flush()

    def close(self) -> None:
        """Close behind what was written."""
        self._flush()
        self._below.close()

    def abort(self) -> None:
        """Close at once, whatever was written."""
        self._pieces, self._size_bytes = [], 0
        self._below.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or will be."""
        return self._below.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the other one knows."""
        return self._below.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._below.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection to another protocol."""
        self._below.set_protocol(protocol)

    def _flush(self) -> None:
        pieces, self._pieces, self._size_bytes = self._pieces, [], 0
        if pieces:
            self._below.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
