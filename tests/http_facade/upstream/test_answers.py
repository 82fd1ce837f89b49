"""Answers as providers send them: framed in every way, complete or not."""

from __future__ import annotations

import asyncio

import pytest
from mintgate_facade.dialects.base import FailureKind, RefusedRequest
from mintgate_facade.upstream import BROKEN, Answer, Upstream
from mintgate_facade.upstream.answer import BUFFERED_BYTES_MAX
from mintgate_facade.upstream.connection import HEAD_BYTES_MAX

from .conftest import request_of, saying, saying_once, speaking

WAIT_S = 20.0
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\n\r\n"
)
TO_THE_END = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"
OLD = b"HTTP/1.0 200 OK\r\n\r\nhello"
ANNOUNCED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + SIZED


async def whole(answer: Answer) -> bytes:
    """The body of an answer, up to its end."""
    body = b""
    async with asyncio.timeout(WAIT_S):
        while piece := await answer.read():
            body += piece
    return body


@pytest.mark.parametrize("said", [SIZED, CHUNKED, TO_THE_END, OLD, ANNOUNCED])
async def test_every_framing_is_read_to_its_end(upstream: Upstream, said: bytes) -> None:
    """A body ends by its length, by its last chunk, or with its connection."""
    async with speaking(saying_once(said)) as provider:
        answer = await upstream.open("POST", provider.url, {}, b"{}")
        assert answer.status == 200
        assert await whole(answer) == b"hello"
        assert await answer.read() == b""


async def test_headers_are_as_they_came_and_by_name(upstream: Upstream) -> None:
    """Raw headers keep their order and case; by lower-case name a repeated one is joined."""
    async with speaking(saying(SIZED)) as provider:
        answer = await upstream.open("GET", provider.url, {}, b"")
        assert answer.raw_headers == [(b"Content-Length", b"5"), (b"X-A", b"1"), (b"X-A", b"2")]
        assert (answer.headers["x-a"], answer.content_length) == ("1, 2", 5)
        answer.close()


@pytest.mark.parametrize("said", [SIZED[:-1], CHUNKED[:-2], CHUNKED[:-9]])
async def test_body_that_is_cut_off_is_broken(upstream: Upstream, said: bytes) -> None:
    """What arrived can be read, and then the answer is broken: never a clean end."""
    async with speaking(saying_once(said)) as provider:
        answer = await upstream.open("POST", provider.url, {}, b"{}")
        with pytest.raises(BROKEN):
            await whole(answer)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (HEAD_BYTES_MAX + 1) + b"\r\n\r\n",
    ],
    ids=["nothing", "half a head", "no HTTP", "two lengths", "no length", "upgrade", "endless"],
)
async def test_what_is_no_answer_is_a_502(upstream: Upstream, said: bytes) -> None:
    """Without the head of an answer the provider counts as not reached."""
    async with speaking(saying_once(said)) as provider:
        with pytest.raises(RefusedRequest) as refused:
            await upstream.open("POST", provider.url, {}, b"{}")
    assert refused.value.failure.kind is FailureKind.UPSTREAM_FAILED


async def test_chunk_that_is_no_chunk_breaks_the_body(upstream: Upstream) -> None:
    """Bytes that cannot be of the framing end the answer as broken."""
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\nzz\r\n"
    async with speaking(saying(said)) as provider:
        answer = await upstream.open("POST", provider.url, {}, b"{}")
        with pytest.raises(BROKEN):
            await whole(answer)


async def test_pieces_are_read_as_they_arrive(upstream: Upstream) -> None:
    """A piece can be read before the provider has sent the next one."""
    seen = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await seen.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async with speaking(talk) as provider, asyncio.timeout(WAIT_S):
        answer = await upstream.open("POST", provider.url, {}, b"{}")
        assert await answer.read() == b"one"
        seen.set()
        assert await whole(answer) == b"two"


async def test_unread_body_makes_the_provider_wait(upstream: Upstream) -> None:
    """A reader that is slow bounds what is kept for it, and gets all of it in the end."""
    size_bytes = 64 * BUFFERED_BYTES_MAX
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size_bytes)
        while sent < size_bytes:
            writer.write(b"x" * BUFFERED_BYTES_MAX)
            await writer.drain()
            sent += BUFFERED_BYTES_MAX
        took_all.set()

    took_all = asyncio.Event()
    async with speaking(talk) as provider:
        answer = await upstream.open("POST", provider.url, {}, b"{}")
        with pytest.raises(TimeoutError):
            # Nobody reads: the provider cannot get rid of all of it.
            await asyncio.wait_for(took_all.wait(), 0.5)
        assert sent < size_bytes
        assert len(await whole(answer)) == size_bytes


async def test_answer_to_head_has_no_body(upstream: Upstream) -> None:
    """The stated length of an answer to HEAD is that of a body which does not come."""
    async with speaking(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")) as provider:
        answer = await upstream.open("HEAD", provider.url, {}, b"")
        assert await whole(answer) == b""
        answer = await upstream.open("HEAD", provider.url, {}, b"")
        assert answer.content_length == 5
