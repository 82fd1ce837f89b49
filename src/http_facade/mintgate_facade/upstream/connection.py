"""One kept connection to a provider: requests go out, answers are parsed as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import IO, cast

import httptools

from mintgate_facade.upstream.answer import Answer, BrokenConnectionError, SilentProviderError
from mintgate_facade.upstream.request import Request

HEAD_BYTES_MAX = 128 << 10
"""Of the head of one answer, and of all else in it that is no body: chunk sizes, trailers."""
READ_WAIT_S = 600.0
"""Between two reads of an answer, and for its first byte: reasoning models may think that long."""
WRITE_PIECE_BYTES = 256 << 10
"""Of a body that is written piece by piece, as fast as the provider takes it."""
SUCCESS_FROM = 200
"""Statuses below it (100, 103) announce an answer and are none."""


class Connection(asyncio.Protocol):
    """HTTP/1.1 over one transport, one request at a time."""

    def __init__(self, released: Callable[[Connection, bool], None]) -> None:
        """`released` is called when a request is over, with whether another may follow."""
        self.idle_since_s = 0.0
        self.answering = False
        """Something of the answer has arrived."""
        self._loop = asyncio.get_running_loop()
        self._released = released
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._busy = False
        self._headless = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._bare_bytes = 0
        """Read since there was any of the body, or the head was complete."""
        self._head: asyncio.Future[Answer] | None = None
        self._answer: Answer | None = None
        self._sending: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._paused = False
        self._read_at_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def closed(self) -> bool:
        """It carries nothing any more."""
        return self._transport is None or self._transport.is_closing()

    async def ask(self, request: Request) -> Answer:
        """Send a request and wait for the head of its answer.

        Raises `SilentProviderError` and `BrokenConnectionError`; the connection is then closed.
        """
        if self._transport is None:
            raise BrokenConnectionError("the connection was closed")
        self._busy, self.answering, self._answer = True, False, None
        self._headless = request.method == "HEAD"
        self._headers, self._head_bytes, self._bare_bytes = [], 0, 0
        # Kept here, too: before this runs on, the connection may have been given to another.
        head: asyncio.Future[Answer] = self._loop.create_future()
        self._head = head
        self._read_at_s = self._loop.time()
        self._timer = self._loop.call_later(READ_WAIT_S, self._look)
        self._transport.write(request.head)
        if request.body is not None:
            self._sending = self._loop.create_task(self._send(request.body, request.body_bytes))
        try:
            return await head
        except asyncio.CancelledError:
            if head.cancelled():
                self.close()
            elif head.exception() is None:
                # It came in this very turn of the loop.
                head.result().close()
            raise

    def close(self) -> None:
        """End the connection, whatever it carries."""
        self._fail(BrokenConnectionError("the connection was closed"))

    async def _send(self, body: IO[bytes], left_bytes: int) -> None:
        try:
            await self._write(body, left_bytes)
        except (OSError, EOFError, ValueError):
            self._fail(BrokenConnectionError("the body cannot be read any more"))
        else:
            self._sending = None

    async def _write(self, body: IO[bytes], left_bytes: int) -> None:
        while left_bytes > 0:
            piece = await asyncio.to_thread(body.read, min(left_bytes, WRITE_PIECE_BYTES))
            if self._room is not None:
                await self._room
            if self._transport is None:
                return
            if not piece:
                raise EOFError
            self._transport.write(piece)
            left_bytes -= len(piece)

    def _look(self) -> None:
        """Give up a provider that is silent; one that is not read from has its time."""
        left_s = self._read_at_s + READ_WAIT_S - self._loop.time()
        if self._paused:
            left_s = READ_WAIT_S
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:
            self._fail(SilentProviderError("the provider is silent"))

    def _pause(self, paused: bool) -> None:  # noqa: FBT001 - the transport's two calls as one
        self._paused = paused
        if self._transport is None or self._transport.is_closing():
            return
        if paused:
            self._transport.pause_reading()
        else:
            self._read_at_s = self._loop.time()
            self._transport.resume_reading()

    def _over(self, *, reusable: bool) -> None:
        """The request has ended: the connection may carry another, or closes."""
        if not self._busy:
            return
        self._busy = False
        if self._timer is not None:
            self._timer.cancel()
        if self._sending is not None:
            # It answered without all of the body, so that it cannot be told where that ends.
            self._sending.cancel()
            self._sending, reusable = None, False
        if not reusable and self._transport is not None:
            self._transport.abort()
        self._released(self, reusable and not self.closed)

    def _fail(self, failure: Exception) -> None:
        head, self._head = self._head, None
        if head is not None and not head.done():
            head.set_exception(failure)
        if self._answer is not None:
            self._answer.fail(failure)
        if self._transport is not None:
            self._transport.abort()
        self._over(reusable=False)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to carry requests."""
        # uvloop's transports implement the interface without inheriting it.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is under way, unless this is how the body ends."""
        self._transport = None
        if self._answer is not None and exc is None and _ends_with_connection(self._answer):
            self._answer.end()
        self._fail(BrokenConnectionError("the provider closed the connection"))
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def pause_writing(self) -> None:
        """Let a body wait."""
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let it go on."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if not self._busy:
            self._fail(BrokenConnectionError("bytes that nobody asked for"))
            return
        self._read_at_s = self._loop.time()
        self.answering = True
        self._bare_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(BrokenConnectionError("the provider's answer is no HTTP"))
        # The parser keeps a line until it has an end, and tells of it only then.
        if self._bare_bytes > HEAD_BYTES_MAX:
            self._fail(BrokenConnectionError(f"more than {HEAD_BYTES_MAX} bytes of no body"))

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Refuse an answer to nothing, which would be taken for that of the next request."""
        if not self._busy:
            raise BrokenConnectionError("an answer that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_BYTES_MAX:
            raise BrokenConnectionError(f"a head of more than {HEAD_BYTES_MAX} bytes")
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand the answer to whoever asked; its body follows."""
        status = self._parser.get_status_code()
        headers, self._headers = self._headers, []
        if status < SUCCESS_FROM:
            return
        self._bare_bytes = 0
        head, self._head = self._head, None
        if head is None:
            raise BrokenConnectionError("an answer that nobody asked for")
        self._answer = Answer(status, headers, self._pause, self.close)
        if head.done():
            # Whoever asked was cancelled just now.
            self._answer.close()
        else:
            head.set_result(self._answer)
        if self._headless:
            # Its length is that of a body which does not come, which the parser cannot know.
            self._answer.end()
            self._over(reusable=False)

    def on_body(self, data: bytes) -> None:
        """Hand on a piece of the body."""
        self._bare_bytes = 0
        if self._answer is not None:
            self._answer.feed(data)

    def on_message_complete(self) -> None:
        """End the answer, and be free for the next request."""
        if self._answer is not None and self._busy:
            self._bare_bytes = 0
            self._answer.end()
            self._over(reusable=self._parser.should_keep_alive())


def _ends_with_connection(answer: Answer) -> bool:
    return answer.content_length is None and "transfer-encoding" not in answer.headers
