"""Streamed answers: what passes when, and how each way of ending is charged and told."""

from __future__ import annotations

import asyncio
import gzip
import logging
import zlib

import orjson
import pytest
from mintgate.v1 import ledger_pb2, unit_pb2

from tests.http_facade.relay.conftest import (
    CHAT_ANSWER,
    WAIT_S,
    Answer,
    Gateway,
    Received,
    chat_body,
    chat_events,
    chat_stream,
)

TERMINATOR = b"0\r\n\r\n"
STREAM = chat_body(stream=True, max_completion_tokens=50)


async def unchunked(reader: asyncio.StreamReader) -> bytes:
    """Read a whole chunked body; raises `IncompleteReadError` when it is cut."""
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


async def next_chunk(reader: asyncio.StreamReader) -> bytes:
    size = int(await reader.readuntil(b"\r\n"), 16)
    return (await reader.readexactly(size + 2))[:-2]


async def test_a_stream_passes_unchanged_without_the_usage_we_asked_for(gateway: Gateway) -> None:
    """The client gets every event but the usage chunk, which only the gateway had asked for."""
    gateway.provider.scripts.append(chat_stream)
    answer = await gateway.chat(stream=True, max_completion_tokens=50)

    assert b"".join(chat_events(usage=False)) == answer.content
    assert "text/event-stream" in answer.headers["content-type"]
    sent = orjson.loads(gateway.provider.requests[0].body)
    assert sent["stream_options"] == {"include_usage": True}
    (settle,) = gateway.core.settles()
    counts = {unit.unit: unit.count for unit in settle.units}
    assert counts == {unit_pb2.UNIT_INPUT_TOKENS: 9, unit_pb2.UNIT_OUTPUT_TOKENS: 3}
    assert settle.settled_by == ledger_pb2.SETTLED_BY_USAGE


async def test_a_client_that_asked_for_usage_gets_the_bytes_as_they_are(gateway: Gateway) -> None:
    """When nothing is hidden the relayed body equals the provider's byte for byte."""
    gateway.provider.scripts.append(chat_stream)
    answer = await gateway.chat(
        stream=True, max_completion_tokens=50, stream_options={"include_usage": True}
    )

    assert b"".join(chat_events()) == answer.content


async def test_content_waits_for_nothing(gateway: Gateway) -> None:
    """A content chunk reaches the client before the next one was sent by the provider."""
    events = chat_events()
    seen = asyncio.Event()

    async def script(received: Received, answer: Answer) -> None:
        await answer.begin()
        await answer.chunk(events[0])
        await seen.wait()
        for event in events[1:]:
            await answer.chunk(event)
        await answer.end()

    gateway.provider.scripts.append(script)
    async with asyncio.timeout(WAIT_S), gateway.raw(STREAM) as reader:
        await reader.readuntil(b"\r\n\r\n")
        assert events[0] == await next_chunk(reader)
        seen.set()
        assert (await unchunked(reader)).endswith(b"data: [DONE]\n\n")


async def test_the_end_waits_for_the_charge(gateway: Gateway) -> None:
    """Neither the closing event nor the terminator passes before the ledger has the charge."""
    gateway.provider.scripts.append(chat_stream)
    gateway.core.settles_may_answer.clear()
    async with asyncio.timeout(WAIT_S), gateway.raw(STREAM) as reader:
        await reader.readuntil(b'"finish_reason":"stop"')
        await gateway.core.heard("settle")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readuntil(b"[DONE]"), 0.1)
        gateway.core.settles_may_answer.set()

        assert (await reader.readuntil(TERMINATOR)).endswith(TERMINATOR)


async def broken_by_reset(received: Received, answer: Answer) -> None:
    await answer.begin()
    await answer.chunk(chat_events()[0])
    await answer.chunk(chat_events()[1])
    answer.reset()


async def broken_by_clean_end(received: Received, answer: Answer) -> None:
    await answer.begin()
    await answer.chunk(chat_events()[0])
    await answer.chunk(chat_events()[1])
    await answer.end()


@pytest.mark.parametrize("script", [broken_by_reset, broken_by_clean_end])
async def test_a_broken_stream_is_never_closed_cleanly(
    gateway: Gateway, script: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A cut answer is charged as counted, told natively, and cut for the client, too."""
    caplog.set_level(logging.INFO)
    gateway.provider.scripts.append(script)  # type: ignore[arg-type]  # one of the two above
    async with asyncio.timeout(WAIT_S), gateway.raw(STREAM) as reader:
        raw = await reader.read(-1)

    assert b'"content":"w0 "' in raw
    assert b'data: {"error"' in raw
    assert TERMINATOR not in raw
    assert b"[DONE]" not in raw
    (settle,) = gateway.core.settles()
    assert settle.status == ledger_pb2.EVENT_STATUS_UPSTREAM_BROKEN
    assert settle.settled_by == ledger_pb2.SETTLED_BY_COUNTED
    assert any(unit.unit == unit_pb2.UNIT_OUTPUT_TOKENS for unit in settle.units)
    assert "Traceback" not in caplog.text


async def test_a_client_that_leaves_stops_the_provider(gateway: Gateway) -> None:
    """On abort the provider's connection is closed at once and what was delivered is charged."""
    provider_lost_us = asyncio.Event()

    async def script(received: Received, answer: Answer) -> None:
        await answer.begin()
        await answer.chunk(chat_events()[0])
        await answer.gone.wait()
        provider_lost_us.set()

    gateway.provider.scripts.append(script)
    gateway.core.settles_may_answer.clear()
    async with gateway.raw(STREAM) as reader:
        await reader.readuntil(b"w0 ")
    async with asyncio.timeout(1.0):
        # At once: before the ledger has answered.
        await provider_lost_us.wait()
        gateway.core.settles_may_answer.set()
    await gateway.core.heard("settle")

    (settle,) = gateway.core.settles()
    assert settle.status == ledger_pb2.EVENT_STATUS_CLIENT_GONE
    assert settle.settled_by == ledger_pb2.SETTLED_BY_COUNTED


async def test_a_client_that_leaves_before_the_answer_pays_for_its_input(
    gateway: Gateway,
) -> None:
    """A request given up while the provider thinks is charged its input, and stopped."""
    provider_lost_us = asyncio.Event()

    async def script(received: Received, answer: Answer) -> None:
        await answer.gone.wait()
        provider_lost_us.set()

    gateway.provider.scripts.append(script)
    async with gateway.raw(chat_body(max_completion_tokens=50)):
        await gateway.provider.arrived.wait()
    async with asyncio.timeout(WAIT_S):
        await provider_lost_us.wait()
        await gateway.core.heard("settle")

    (settle,) = gateway.core.settles()
    assert settle.status == ledger_pb2.EVENT_STATUS_CLIENT_GONE
    assert [unit.unit for unit in settle.units] == [unit_pb2.UNIT_INPUT_TOKENS]


async def test_drain_reads_the_answer_to_its_end(gateway: Gateway) -> None:
    """On drain a client that left is charged the exact usage that the provider states."""
    gateway.core.on_disconnect = ledger_pb2.ON_DISCONNECT_DRAIN
    client_left = asyncio.Event()

    async def script(received: Received, answer: Answer) -> None:
        events = chat_events()
        await answer.begin()
        await answer.chunk(events[0])
        await client_left.wait()
        for event in events[1:]:
            await answer.chunk(event)
        await answer.end()

    gateway.provider.scripts.append(script)
    async with gateway.raw(STREAM) as reader:
        await reader.readuntil(b"w0 ")
    client_left.set()
    await gateway.core.heard("settle")

    (settle,) = gateway.core.settles()
    assert settle.settled_by == ledger_pb2.SETTLED_BY_USAGE
    counts = {unit.unit: unit.count for unit in settle.units}
    assert counts == {unit_pb2.UNIT_INPUT_TOKENS: 9, unit_pb2.UNIT_OUTPUT_TOKENS: 3}


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_answer_is_read_and_sent_plain(gateway: Gateway, coding: str) -> None:
    """A coding that nobody asked for is undone, for the meter and for the client."""
    body = gzip.compress(CHAT_ANSWER) if coding == "gzip" else zlib.compress(CHAT_ANSWER)

    async def script(received: Received, answer: Answer) -> None:
        await answer.whole(body, extra=f"content-encoding: {coding}\r\n")

    gateway.provider.scripts.append(script)
    answer = await gateway.chat()

    assert answer.content == CHAT_ANSWER
    assert "content-encoding" not in answer.headers
    assert gateway.core.settles()[0].settled_by == ledger_pb2.SETTLED_BY_USAGE


async def test_a_coding_that_cannot_be_read_is_charged_as_the_whole_hold(
    gateway: Gateway,
) -> None:
    """An answer in another coding passes unchanged and costs what was held."""

    async def script(received: Received, answer: Answer) -> None:
        await answer.whole(b"\x0b\x02\x80opaque", extra="content-encoding: x-unknown\r\n")

    gateway.provider.scripts.append(script)
    async with asyncio.timeout(WAIT_S), gateway.raw(chat_body()) as reader:
        head = await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(9) == b"\x0b\x02\x80opaque"

    assert b"content-encoding: x-unknown" in head
    assert gateway.core.settles()[0].settled_by == ledger_pb2.SETTLED_BY_HOLD


async def test_a_long_json_answer_keeps_its_last_byte(gateway: Gateway) -> None:
    """A JSON answer too long to keep passes as it arrives; its last byte waits for the charge."""
    document = orjson.loads(CHAT_ANSWER)
    document["choices"][0]["message"]["content"] = "x" * (2 << 20)
    body = orjson.dumps(document)

    async def script(received: Received, answer: Answer) -> None:
        await answer.whole(body)

    gateway.provider.scripts.append(script)
    gateway.core.settles_may_answer.clear()
    async with asyncio.timeout(WAIT_S), gateway.raw(chat_body()) as reader:
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"content-length: {len(body)}".encode() in head
        assert body[:-1] == await reader.readexactly(len(body) - 1)
        await gateway.core.heard("settle")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        gateway.core.settles_may_answer.set()
        assert body[-1:] == await reader.readexactly(1)


async def test_a_stopping_worker_keeps_the_charge(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is running when the worker stops is charged by what was delivered."""

    async def script(received: Received, answer: Answer) -> None:
        await answer.begin()
        await answer.chunk(chat_events()[0])
        await answer.gone.wait()

    gateway.provider.scripts.append(script)
    async with gateway.raw(STREAM) as reader:
        await reader.readuntil(b"w0 ")
        gateway.stop()
        async with asyncio.timeout(WAIT_S):
            rest = await reader.read(-1)

    assert TERMINATOR not in rest
    await gateway.stopped()
    settles = gateway.core.settles() or gateway.kept_charges()
    assert [settle.status for settle in settles] == [ledger_pb2.EVENT_STATUS_UPSTREAM_BROKEN]
