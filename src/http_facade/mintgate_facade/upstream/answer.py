"""An answer of a provider as it arrives: status and headers, then the body piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

BUFFERED_BYTES_MAX = 128 << 10
"""Of a body that nobody has read yet; beyond it the provider is made to wait."""


class BrokenConnectionError(ConnectionError):
    """The provider ended the connection, or spoke no HTTP, before its answer was complete."""


class SilentProviderError(TimeoutError):
    """The provider has the request and says nothing for too long."""


BROKEN = (TimeoutError, ConnectionError)
"""What reading an answer raises when the provider breaks it off."""


class Answer:
    """One answer. Made by a connection, which feeds it; `close` it in any case."""

    __slots__ = (
        "_ended",
        "_failure",
        "_pause",
        "_paused",
        "_pieces",
        "_size_bytes",
        "_stop",
        "_waiter",
        "content_length",
        "headers",
        "raw_headers",
        "status",
    )

    def __init__(
        self,
        status: int,
        raw_headers: Sequence[tuple[bytes, bytes]],
        pause: Callable[[bool], None],
        stop: Callable[[], None],
    ) -> None:
        """`pause` stops (True) and resumes reading; `stop` ends an answer that is not wanted."""
        self.status = status
        self.raw_headers = raw_headers
        self.headers: dict[str, str] = {}
        """Lower-case names; what comes more than once is joined with a comma."""
        for raw_name, raw_value in raw_headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        length = self.headers.get("content-length", "")
        self.content_length = int(length) if length.isdecimal() else None
        """What the provider said; None when it said nothing."""
        self._pause = pause
        self._stop = stop
        self._paused = False
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._ended = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """What has arrived since the last call, or the next that arrives; b"" is the end.

        Raises one of `BROKEN` when the provider broke off, once everything before was read.
        """
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size_bytes = 0
        if self._paused:
            self._paused = False
            self._pause(False)
        return data

    def close(self) -> None:
        """Let go of it: an answer that is not complete ends with its connection."""
        if not self._ended and self._failure is None:
            self._failure = BrokenConnectionError("the answer was closed")
            self._stop()

    def feed(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._pieces.append(data)
        self._size_bytes += len(data)
        self._wake()
        if self._size_bytes > BUFFERED_BYTES_MAX and not self._paused:
            self._paused = True
            self._pause(True)

    def end(self) -> None:
        """The body is complete."""
        self._ended = True
        if self._paused:
            # The connection goes on to another's request, whenever this body is read.
            self._paused = False
            self._pause(False)
        self._wake()

    def fail(self, failure: Exception) -> None:
        """The body will never be complete."""
        if not self._ended and self._failure is None:
            self._failure = failure
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
