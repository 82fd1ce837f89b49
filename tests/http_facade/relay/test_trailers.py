"""What comes behind a chunked body of a client's: nobody reads it, and it has an end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mintgate_facade.connections import HEAD_BYTES_MAX

from tests.http_facade.relay.conftest import KEY, WAIT_S, CoreServer, Gateway, chat_json, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mintgate_facade.settings import FacadeSettings

    from tests.http_facade.relay.conftest import ScriptedProvider

CLIENT, FORGED = "203.0.113.7", "198.51.100.66"
BODY = b'{"input": "hello"}'
HEAD = (
    b"POST /openai/v1/moderations HTTP/1.1\r\nhost: gw\r\nauthorization: Bearer %b\r\n"
    b"content-type: application/json\r\nx-forwarded-for: %b\r\nconnection: close\r\n"
    b"transfer-encoding: chunked\r\n\r\n" % (KEY.encode(), CLIENT.encode())
)
WHOLE = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to a gateway."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(WAIT_S):
            yield reader, writer
    finally:
        writer.transport.abort()


async def test_trailers_are_no_headers(
    settings: FacadeSettings, core_server: CoreServer, provider: ScriptedProvider
) -> None:
    """They present no key, forge no address behind a trusted proxy, and are not sent on."""
    provider.scripts.append(chat_json)
    trailers = b"x-api-key: other\r\nx-forwarded-for: %b\r\nx-more: 1\r\n\r\n" % FORGED.encode()
    behind = replace(settings, trusted_proxies=("127.0.0.0/8",))
    async with serving(behind) as (_, _, port), connected(port) as (reader, writer):
        writer.write(HEAD + WHOLE + trailers)
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    (question,) = core_server.core.questions
    assert question.client_address == CLIENT
    (received,) = provider.requests
    assert (received.body, received.header("x-more")) == (BODY, "")


@pytest.mark.parametrize("begun", [WHOLE + b"x: ", b"1;"], ids=["trailer", "chunk"])
async def test_line_of_a_body_without_an_end_ends_the_connection(
    gateway: Gateway, begun: bytes
) -> None:
    """It is ended by its size, long before the time of a body is over."""
    async with connected(gateway.port) as (reader, writer):
        writer.write(HEAD + begun)
        with contextlib.suppress(ConnectionError):
            for _ in range(8):
                writer.write(b"x" * HEAD_BYTES_MAX)
                await writer.drain()
            assert await reader.read() == b""


async def test_body_of_short_chunks_is_whole(gateway: Gateway) -> None:
    """Sizes and ends of chunks do not add up to a line that is too long."""
    gateway.provider.scripts.append(chat_json)
    body = b'{"input": "%b"}' % (b"x" * HEAD_BYTES_MAX)
    async with connected(gateway.port) as (reader, writer):
        writer.write(HEAD)
        for at in range(0, len(body), 4):
            piece = body[at : at + 4]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    assert gateway.provider.requests[0].body == body
