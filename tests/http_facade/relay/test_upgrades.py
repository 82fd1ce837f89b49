"""Clients that offer to go on in another protocol, which the gateway does not take up."""

from __future__ import annotations

import asyncio

import pytest

from tests.http_facade.relay.conftest import KEY, WAIT_S, Gateway, chat_body, chat_json

BODY = chat_body(padding="x" * 1_000)
HEAD = (
    b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: gw\r\n"
    b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAAB\r\n"
    b"authorization: Bearer %b\r\ncontent-type: application/json\r\n" % KEY.encode()
)
SIZED = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


async def answered(reader: asyncio.StreamReader) -> bytes:
    """Read an answer; its first line."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return head.partition(b"\r\n")[0]


@pytest.mark.parametrize("request_bytes", [SIZED, CHUNKED], ids=["sized", "chunked"])
@pytest.mark.parametrize("cut_at", [-1, 40, len(HEAD), len(HEAD) + 40, -2_000, -7])
async def test_request_that_offers_another_protocol_is_served_in_this_one(
    gateway: Gateway, request_bytes: bytes, cut_at: int
) -> None:
    """Its body goes on whole however the network cuts it, and so does the connection."""
    gateway.provider.scripts.extend([chat_json, chat_json])
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    async with asyncio.timeout(WAIT_S):
        for _ in range(2):
            writer.write(request_bytes[:cut_at])
            await writer.drain()
            for _ in range(3):
                # The gateway reads the first part by itself.
                await asyncio.sleep(0)
            writer.write(request_bytes[cut_at:])
            assert await answered(reader) == b"HTTP/1.1 200 OK"
    writer.transport.abort()
    bodies = [received.body for received in gateway.provider.requests]
    assert bodies == [BODY, BODY]
    named = {name for received in gateway.provider.requests for name, _ in received.headers}
    assert not {"upgrade", "http2-settings", "connection"} & named
