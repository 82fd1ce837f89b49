"""HTTP connections within bounds of number, bytes and time.

The server underneath ends a connection that is idle between two requests, and nothing
else: a head that never ends, or bytes that trickle behind an answer, would keep one for
ever. Here each part of a request has one deadline from its beginning, which further bytes
do not move. A body that somebody reads is theirs to bound (`HttpBounds.body_wait_s`, in
the provider's own shape); the rest of one that was answered early is bounded here.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mintgate_facade.joined import JoinedWrites
from mintgate_facade.relay.client_watch import ON_LEAVING

HEAD_BYTES_MAX = 64 << 10
"""Of the request line and all headers, beyond the first read of the socket that has some; and
of what belongs to a body and is none: sizes of its chunks, trailers."""

_REFUSAL = "HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TIMED_OUT = _REFUSAL.format("408 Request Timeout").encode()
_TOO_LARGE = _REFUSAL.format("431 Request Header Fields Too Large").encode()


@dataclass(frozen=True, slots=True)
class HttpBounds:
    """What one worker lets its clients take."""

    connections_max: int = 16_384
    """A connection beyond it is closed as soon as it is made."""
    head_wait_s: float = 30.0
    """How long a client may take to send the head of a request, from its first byte; the first
    of a connection from when it was made."""
    body_wait_s: float = 60.0
    """How long it may then take to send the body."""
    bodies_bytes_max: int = 1 << 30
    """Of long bodies in memory, all requests together; see `relay.long_bodies`."""


class _Part(enum.Enum):
    """What the bytes that come next belong to."""

    HEAD = enum.auto()
    BODY = enum.auto()
    NOTHING = enum.auto()


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `bounded` makes the class that has a worker's bounds."""

    bounds: ClassVar[HttpBounds] = HttpBounds()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._asked = False
        """Whether a head was ever complete; before that there is no cycle."""
        self._part = _Part.NOTHING
        self._timed = _Part.NOTHING
        """What the deadline is for; there is none for nothing."""
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._bare_bytes = 0
        """Read of a body since there was a piece of it."""
        self._declined = b""
        """The head of a request that asked to go on in another protocol, without that."""
        self._gone = False
        self._told: set[Callable[[], None]] = set()

    def on_leaving(self, told: Callable[[], None]) -> Callable[[], None]:
        """Have `told` called once the client has left; returns what takes that back."""
        # Who is not read from is not heard leaving.
        self.flow.resume_reading()
        if self._gone:
            self.loop.call_soon(told)
        self._told.add(told)
        return partial(self._told.discard, told)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or close it when there are too many."""
        super().connection_made(JoinedWrites(transport, self.loop))
        if len(self.connections) > self.bounds.connections_max:
            transport.close()
            return
        self._time(_Part.HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline, and tell who waits for this."""
        self._time(_Part.NOTHING)
        super().connection_lost(exc)
        self._gone = True
        for told in tuple(self._told):
            told()

    def data_received(self, data: bytes) -> None:
        """Parse, then see what is awaited."""
        in_head = self._part is _Part.HEAD
        if self._part is _Part.BODY:
            self._bare_bytes += len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        if self.transport.is_closing():
            return
        if self._part is _Part.BODY:
            self._time(_Part.BODY)
            if self._bare_bytes > HEAD_BYTES_MAX:
                self._refuse(b"")
        elif self._part is _Part.HEAD or not self._answering():
            # Also bytes between two requests that begin none, such as line breaks.
            self._time(_Part.HEAD)
            # The read in which a head begins may end with the body before it.
            self._head_bytes += len(data) if in_head else 0
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(_TOO_LARGE)
        else:
            self._time(_Part.NOTHING)

    def on_message_begin(self) -> None:
        """Note that a head has begun."""
        self._part = _Part.HEAD
        super().on_message_begin()
        cast("dict[str, object]", self.scope)[ON_LEAVING] = self.on_leaving

    def on_headers_complete(self) -> None:
        """Note that a body may follow."""
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._declined = self._head_without_upgrade()
            return
        self._part = _Part.BODY
        self._asked = True
        self._bare_bytes = 0
        super().on_headers_complete()
        # The parser tells of trailers as of headers. Whoever wrote the head, a proxy among
        # them, did not write those; so nobody gets to see them (RFC 9110, 6.5.1).
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Note that this is a body indeed."""
        self._bare_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is complete."""
        if self._declined:
            return
        self._part = _Part.NOTHING
        super().on_message_complete()

    def _parse(self, data: bytes) -> None:
        """Feed the parser, which takes what follows a request to go on otherwise for no HTTP.

        Nothing else is spoken here, so the body that follows is read as if it had not asked
        (RFC 9110, 7.8). Java's own client asks for HTTP/2 like that wherever there is no TLS.
        """
        left = memoryview(data)
        try:
            while left:
                try:
                    self.parser.feed_data(left)
                except HttpParserUpgrade as upgrade:
                    head, self._declined = self._declined, b""
                    left = left[upgrade.args[0] :]
                    if head:
                        self.parser.feed_data(head)
                        continue
                return
        except HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _answering(self) -> bool:
        """Whether a request is under way that has not been answered to its end."""
        return self._asked and not self.cycle.response_complete

    def _time(self, part: _Part) -> None:
        """Set the deadline for a part, unless it runs already."""
        if part is self._timed:
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._timed = part
        self._head_bytes = 0
        if part is not _Part.NOTHING:
            bounds = self.bounds
            wait_s = bounds.head_wait_s if part is _Part.HEAD else bounds.body_wait_s
            self._deadline = self.loop.call_later(wait_s, self._overdue)

    def _overdue(self) -> None:
        if self._answering():
            # Whoever answers bounds the body; and the head of a request that was sent too
            # early may wait for the answer before it. Neither may wait for ever.
            self._deadline = self.loop.call_later(self.bounds.head_wait_s, self._overdue)
        else:
            self._refuse(_TIMED_OUT if self._part is _Part.HEAD else b"")

    def _refuse(self, answer: bytes) -> None:
        """Close; in the middle of an answer without a word."""
        if answer and not self._answering():
            self.transport.write(answer)
        self.transport.close()


def bounded(bounds: HttpBounds) -> type[BoundedProtocol]:
    """The protocol of a worker with these bounds."""
    return type("WorkerProtocol", (BoundedProtocol,), {"bounds": bounds})
