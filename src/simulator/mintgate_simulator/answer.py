"""Answers, and how they reach the client: at once, slowly, in odd pieces, or not to the end.

Faults (``break=...``) fall after ``break_after`` content events of a stream, or before its terminal
events where it has fewer. An answer that is no stream breaks in the middle of its body (with
``break_after=0``: before it); ``break=error`` gives an error status instead.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from .control import DEFAULT_CONTROLS, Controls, Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    from .record import Record

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Headers = list[tuple[bytes, bytes]]

TRANSPORT = "mintgate_simulator.transport"
"""ASGI extension under which ``serve`` hands over the connection's transport."""
EVENTS_PER_WRITE = 8
"""Events that a stream without controls sends in one write. Every write is a system call, the
dearest part of a simulated stream; any control, also ``chunk_delay_ms=0``, gives each event a write
of its own."""
FLUSH_WAITS_MAX = 1_000
FLUSH_WAIT_S = 0.001
"""A reset waits so often, so long, for what was written before it to leave the process."""
GZIP_WINDOW_BITS = 31
"""zlib's number for a 32 KiB window inside a gzip container."""
# Linger on, for zero seconds: closing then sends a TCP reset instead of an orderly end.
_LINGER_RESET = struct.pack("ii", 1, 0)


class Kind(IntEnum):
    """What an event of a stream is, for deciding where a fault falls."""

    PRELUDE = 0
    """Opens, separates or closes parts; carries nothing a model produced."""
    CONTENT = 1
    """Carries output."""
    CLOSING = 2
    """Belongs to the end of the stream, where its reason and its usage are told."""


@dataclass(slots=True)
class Whole:
    """An answer whose body is sent as one."""

    status: int
    headers: Headers
    body: bytes


@dataclass(slots=True)
class Stream:
    """An answer sent event by event.

    ``failure`` makes the dialect's in-stream error, which takes the place of the event made last: a
    fault is noticed when the event it falls before has already been made. ``ping`` is the
    keep-alive (empty where the dialect has none); ``crlf_allowed`` says whether the line ends may
    be CRLF.
    """

    headers: Headers
    events: Iterable[tuple[Kind, bytes]]
    failure: Callable[[], bytes]
    ping: bytes = b""
    crlf_allowed: bool = False


Answer = Whole | Stream


class Delivery:
    """Sends one answer over one ASGI connection, and keeps the record of what was sent."""

    def __init__(
        self,
        *,
        receive: Receive,
        send: Send,
        transport: asyncio.Transport | None,
        record: Record,
        controls: Controls,
    ) -> None:
        self._receive = receive
        self._send = send
        self._transport = transport
        self._record = record
        self._controls = controls
        self._encoder = zlib.compressobj(wbits=GZIP_WINDOW_BITS) if controls.gzip else None
        self._unsplit = bytearray()

    async def deliver(self, answer: Answer) -> None:
        """Send the answer as the controls ask."""
        delay_ms = self._controls.delay_ms
        if delay_ms and await self._client_leaves_within(delay_ms):
            return
        if isinstance(answer, Whole):
            await self._deliver_whole(answer)
        elif self._controls is DEFAULT_CONTROLS:
            await self._deliver_plain(answer)
        else:
            await self._deliver_shaped(answer)

    async def _deliver_whole(self, answer: Whole) -> None:
        body, headers, fault = answer.body, answer.headers, self._controls.fault
        if self._controls.gzip:
            body = gzip.compress(body, mtime=0)
            headers = [*headers, (b"content-encoding", b"gzip")]
        if fault is not Fault.EOF:
            # Without a length the body is chunked, the only form that can end early and cleanly.
            headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self._start(answer.status, headers)
        if fault is not None:
            body = body[: len(body) // 2] if self._controls.break_after else b""
        size = self._controls.split
        if size is not None:
            for at in range(0, len(body), size):
                await self._emit(body[at : at + size])
                await asyncio.sleep(0)
        elif fault is not None:
            await self._emit(body)
        else:
            self._record.sent.add(body)
            await self._end(body)
            return
        if fault is None:
            await self._end()
        else:
            await self._break_off(fault)

    async def _deliver_plain(self, answer: Stream) -> None:
        """The stream as fast as it goes, several events to a write."""
        await self._start(200, answer.headers)
        sent = self._record.sent
        frames: list[bytes] = []
        for _, frame in answer.events:
            if len(frames) == EVENTS_PER_WRITE:
                body = b"".join(frames)
                await self._send({"type": "http.response.body", "body": body, "more_body": True})
                frames.clear()
            sent.add(frame)
            frames.append(frame)
        await self._end(b"".join(frames))

    async def _deliver_shaped(self, answer: Stream) -> None:
        """The stream with everything the controls ask for: pauses, splits, encodings, faults."""
        controls = self._controls
        headers = answer.headers
        if controls.gzip:
            headers = [*headers, (b"content-encoding", b"gzip")]
        await self._start(200, headers)
        content_events = 0
        first = True
        for kind, frame in answer.events:
            pause_ms = controls.chunk_delay_ms
            if not first and pause_ms is not None and await self._client_leaves_within(pause_ms):
                return
            first = False
            if controls.fault is not None and self._breaks_before(kind, content_events):
                await self._finish_pieces()
                if controls.fault is Fault.ERROR:
                    await self._write(self._line_ends(answer, answer.failure()))
                await self._break_off(controls.fault)
                return
            content_events += kind is Kind.CONTENT
            pinged = controls.pings and kind is Kind.CONTENT
            await self._write(self._line_ends(answer, answer.ping + frame if pinged else frame))
        await self._finish_pieces(last=True)
        await self._end()

    def _breaks_before(self, kind: Kind, content_events: int) -> bool:
        """Whether the fault falls before the next event."""
        if kind is Kind.CLOSING:
            return True
        after = self._controls.break_after
        return content_events >= after and (after > 0 or kind is Kind.CONTENT)

    def _line_ends(self, answer: Stream, frame: bytes) -> bytes:
        # A JSON text has no raw line feed inside, so every one here ends a line of the framing.
        if self._controls.crlf and answer.crlf_allowed:
            return frame.replace(b"\n", b"\r\n")
        return frame

    async def _write(self, frame: bytes) -> None:
        """Encode and send a frame, or hold it until it fills a piece of the split size."""
        if self._encoder is not None:
            frame = self._encoder.compress(frame) + self._encoder.flush(zlib.Z_SYNC_FLUSH)
        size = self._controls.split
        if size is None:
            await self._emit(frame)
            return
        self._unsplit += frame
        while len(self._unsplit) >= size:
            piece = bytes(self._unsplit[:size])
            del self._unsplit[:size]
            await self._emit(piece)
            # A turn of the loop makes every piece a system call of its own.
            await asyncio.sleep(0)

    async def _finish_pieces(self, *, last: bool = False) -> None:
        """Send what waits to fill a piece; ``last`` also closes the content encoding."""
        rest = bytes(self._unsplit)
        self._unsplit.clear()
        if last and self._encoder is not None:
            rest += self._encoder.flush()
        if rest:
            await self._emit(rest)

    async def _break_off(self, fault: Fault) -> None:
        """End the answer the wrong way."""
        if fault is Fault.RESET:
            await self._abort()
        elif fault is Fault.HANG:
            await self._client_leaves_within(None)
        else:
            await self._finish_pieces(last=True)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _abort(self) -> None:
        """Reset the connection, once everything written before has left."""
        transport = self._transport
        if transport is None:
            raise ConnectionAbortedError("simulated reset: the server closes the connection")
        for _ in range(FLUSH_WAITS_MAX):
            if transport.get_write_buffer_size() == 0:
                break
            await asyncio.sleep(FLUSH_WAIT_S)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        transport.abort()
        # The server learns of the abort in the loop's next turn; returning earlier would make it
        # report an unfinished answer.
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _client_leaves_within(self, wait_ms: int | None) -> bool:
        """Wait that long (``None``: for ever); whether the client closed the connection."""
        if wait_ms == 0:
            await asyncio.sleep(0)
            left = self._transport is not None and self._transport.is_closing()
        else:
            left = False
            try:
                async with asyncio.timeout(None if wait_ms is None else wait_ms / 1000):
                    while not left:
                        left = (await self._receive())["type"] == "http.disconnect"
            except TimeoutError:
                pass
        self._record.client_left |= left
        return left

    async def _start(self, status: int, headers: Headers) -> None:
        self._record.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _emit(self, piece: bytes) -> None:
        self._record.sent.add(piece)
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _end(self, body: bytes = b"") -> None:
        """Send the end of the answer; complete if there was still somebody to read it."""
        left = self._transport is not None and self._transport.is_closing()
        self._record.client_left |= left
        self._record.completed = not left
        await self._send({"type": "http.response.body", "body": body, "more_body": False})
