"""A listener for Prometheus: answers `GET /metrics` on a port of its own, and nothing else.

Core and facade each serve their own figures. It runs on the process's loop, so
that the figures need no lock, and is bounded in every direction: connections,
bytes of a request, and time. A process has one; the public port never shows them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

PATH: Final = b"/metrics"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
CONNECTIONS_MAX: Final = 16
"""Scrapers are few; more is somebody else, and is closed at once."""
HEAD_BYTES_MAX: Final = 16_384
ANSWER_WAIT_S: Final = 10.0
"""For the whole exchange; Prometheus itself gives up after ten seconds."""

Render = Callable[[], Awaitable[bytes]]

_log = logging.getLogger("mintgate.scrape")


@contextlib.asynccontextmanager
async def serving_metrics(host: str, port: int, render: Render) -> AsyncIterator[int]:
    """Answer scrapes for the length of the block; gives the port, which 0 leaves to the kernel.

    Raises `OSError` when the port cannot be had.
    """
    listener = _Listener(render)
    server = await asyncio.start_server(listener.serve, host, port, limit=HEAD_BYTES_MAX)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await listener.close()


class _Listener:
    def __init__(self, render: Render) -> None:
        self._render = render
        self._open: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End what is under way."""
        tasks = tuple(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close the connection."""
        task = asyncio.current_task()
        try:
            if task is not None and len(self._open) < CONNECTIONS_MAX:
                self._open.add(task)
                async with asyncio.timeout(ANSWER_WAIT_S):
                    await self._answer(reader, writer)
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.LimitOverrunError:
            pass
        except asyncio.CancelledError:
            # The process stops. The server's own callback must not see it as a failure.
            pass
        except Exception:  # noqa: BLE001 - logged; the next scrape may succeed
            _log.exception("a scrape failed")
        finally:
            if task is not None:
                self._open.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if path != PATH:
            status, body = "404 Not Found", b"metrics are at /metrics\n"
        elif method not in {b"GET", b"HEAD"}:
            status, body = "405 Method Not Allowed", b"only GET\n"
        else:
            status, body = "200 OK", await self._render()
        writer.write(
            f"HTTP/1.1 {status}\r\ncontent-type: {CONTENT_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
        )
        if method != b"HEAD":
            writer.write(body)
        await writer.drain()
