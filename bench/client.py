"""A load generator lean enough not to be what is measured: raw HTTP/1.1 on kept connections.

The request is rendered once; an answer is read up to its end, by content length
or by the chunked terminator, and not parsed further.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

TERMINATOR = b"\r\n0\r\n\r\n"


@dataclass
class Sample:
    """What a run came to."""

    latencies_ms: list[float] = field(default_factory=list)
    failures: int = 0


class Connection(asyncio.Protocol):
    """One kept connection with one request in flight."""

    def __init__(self) -> None:
        self._done: asyncio.Future[int] | None = None
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports implement the interface without inheriting it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._complete() and self._done and not self._done.done():
            self._done.set_result(int(self._buffer[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done and not self._done.done():
            self._done.set_exception(exc or ConnectionResetError())

    def _complete(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end]).lower()
        at = head.find(b"content-length:")
        if at >= 0:
            length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            return len(self._buffer) >= end + 4 + length
        return self._buffer.endswith(TERMINATOR)

    async def ask(self, request: bytes) -> int:
        """Send and wait for the whole answer; returns its status."""
        assert self._transport is not None
        self._buffer.clear()
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._done

    def close(self) -> None:
        """Let go of the connection."""
        if self._transport:
            self._transport.close()


def render(url: str, body: bytes, credential: str, simulate: str = "") -> bytes:
    """A POST of JSON, with the simulator's control header where one is wanted."""
    parts = urlsplit(url)
    control = f"x-simulate: {simulate}\r\n" if simulate else ""
    return (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
        f"authorization: Bearer {credential}\r\ncontent-type: application/json\r\n"
        f"{control}content-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def load(url: str, request: bytes, *, clients: int, seconds: float) -> Sample:
    """Keep `clients` requests in flight for a while."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    sample = Sample()
    deadline = time.perf_counter() + seconds

    async def one() -> None:
        _, connection = await loop.create_connection(
            Connection, parts.hostname or "127.0.0.1", parts.port or 80
        )
        try:
            while (before := time.perf_counter()) < deadline:
                status = await connection.ask(request)
                if status == 200:
                    sample.latencies_ms.append((time.perf_counter() - before) * 1_000)
                else:
                    sample.failures += 1
        finally:
            connection.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return sample
