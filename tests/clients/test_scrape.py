"""The metrics port: one page, and bounds against whoever else finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from mintgate.scrape import CONNECTIONS_MAX, HEAD_BYTES_MAX, serving_metrics

WAIT_S = 10.0


async def render() -> bytes:
    return b"up 1\n"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving_metrics("127.0.0.1", 0, render) as opened:
        yield opened


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        async with asyncio.timeout(WAIT_S):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_scrape(port: int) -> None:
    """A client gets the page with the type that Prometheus expects."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics?x=1")
        head = await client.head(f"http://127.0.0.1:{port}/metrics")
    assert (answer.status_code, answer.text) == (200, "up 1\n")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")


async def test_nothing_else_is_served(port: int) -> None:
    """Other paths are 404, other methods 405."""
    assert (await ask(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404")
    assert (await ask(port, b"POST /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405")


async def test_a_long_head_is_cut_off(port: int) -> None:
    """More bytes than a scrape has end the connection without an answer."""
    assert await ask(port, b"GET /metrics HTTP/1.1\r\nx: " + b"a" * 2 * HEAD_BYTES_MAX) == b""


async def test_connections_are_bounded(port: int) -> None:
    """Idle connections cannot pile up: beyond the bound they are closed at once."""
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS_MAX)]
    assert await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n") == b""
    for _, writer in idle:
        writer.close()


async def test_a_port_in_use_is_an_os_error(port: int) -> None:
    """The caller is told, rather than left without metrics."""
    with pytest.raises(OSError, match="in use"):
        async with serving_metrics("127.0.0.1", port, render):
            pass
