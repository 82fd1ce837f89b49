"""Connections: kept, used again, given up, and never shared."""

from __future__ import annotations

import asyncio
import io
import socket
import ssl

import pytest
from mintgate_facade.dialects.base import FailureKind, RefusedRequest
from mintgate_facade.upstream import Upstream
from mintgate_facade.upstream.request import WHOLE_BODY_BYTES_MAX

from .conftest import request_of, saying, saying_once, speaking
from .test_answers import CHUNKED, SIZED, TO_THE_END, WAIT_S, whole


async def ask(upstream: Upstream, url: str, method: str = "POST", body: bytes = b"{}") -> bytes:
    """Ask, and read the answer whole."""
    answer = await upstream.open(method, url, {}, body)
    try:
        return await whole(answer)
    finally:
        answer.close()


@pytest.mark.parametrize("said", [SIZED, CHUNKED])
async def test_connection_is_used_again(upstream: Upstream, said: bytes) -> None:
    """Requests one after the other share a connection."""
    async with speaking(saying(said)) as provider:
        for _ in range(5):
            assert await ask(upstream, provider.url) == b"hello"
        assert provider.connections == 1


async def test_requests_at_once_have_connections_of_their_own(upstream: Upstream) -> None:
    """No request waits for another's answer, and none gets it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first, _, body = await request_of(reader)
            said = first.encode() + body
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said)

    async with speaking(talk) as provider:
        for _ in range(3):
            asked = [
                ask(upstream, f"{provider.url}/{number}", body=b"%d" % number)
                for number in range(40)
            ]
            answers = await asyncio.gather(*asked)
            assert answers == [b"POST /%d HTTP/1.1%d" % (n, n) for n in range(40)]
        assert provider.connections == 40


@pytest.mark.parametrize(
    "said",
    [SIZED + b"HTTP/1.1 200 OK\r\n", SIZED.replace(b"X-A: 1", b"Connection: close")],
    ids=["more than asked", "last"],
)
async def test_connection_that_cannot_be_trusted_is_not_used_again(
    upstream: Upstream, said: bytes
) -> None:
    """One that the provider closes, or on which it says more than it was asked, ends."""
    async with speaking(saying(said)) as provider:
        for _ in range(3):
            await ask(upstream, provider.url)
            await asyncio.sleep(0)
        assert provider.connections == 3


async def test_answer_that_is_not_read_ends_its_connection(upstream: Upstream) -> None:
    """Closing an answer before its end stops the provider, and nothing of it is read later."""
    closed = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await reader.read()
        closed.set()

    async with speaking(talk) as provider, asyncio.timeout(WAIT_S):
        answer = await upstream.open("POST", provider.url, {}, b"{}")
        answer.close()
        await closed.wait()


async def test_request_that_is_cancelled_ends_its_connection(upstream: Upstream) -> None:
    """Who stops to wait for the head of an answer stops the provider, too."""
    asked, closed = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        asked.set()
        await reader.read()
        closed.set()

    async with speaking(talk) as provider, asyncio.timeout(WAIT_S):
        waiting = asyncio.ensure_future(upstream.open("POST", provider.url, {}, b"{}"))
        await asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await closed.wait()


async def test_kept_connection_that_was_closed_meanwhile(upstream: Upstream) -> None:
    """A GET is sent again over another one; what may have been done is not done twice."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(SIZED)
        await request_of(reader)

    async with speaking(talk) as provider:
        assert await ask(upstream, provider.url, "GET", b"") == b"hello"
        assert await ask(upstream, provider.url, "GET", b"") == b"hello"
        assert provider.connections == 2
        with pytest.raises(RefusedRequest) as refused:
            await ask(upstream, provider.url)
        assert refused.value.failure.kind is FailureKind.UPSTREAM_FAILED
        assert provider.connections == 2


async def test_long_upload_is_sent_whole(upstream: Upstream) -> None:
    """A file of many pieces arrives as it is, and its connection is used again."""
    content = bytes(range(256)) * 8 * (WHOLE_BODY_BYTES_MAX // 1_024)
    received = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            received.append((await request_of(reader))[2])
            writer.write(SIZED)

    async with speaking(talk) as provider:
        for body in (content, io.BytesIO(content)):
            answer = await upstream.open("POST", provider.url, {}, body)
            assert await whole(answer) == b"hello"
        assert received == [content, content]
        assert provider.connections == 1


async def test_provider_may_answer_before_it_has_read_the_upload(upstream: Upstream) -> None:
    """An early refusal is handed on, and its connection carries nothing more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()

    async with speaking(talk) as provider:
        answer = await upstream.open("POST", provider.url, {}, b"x" * (64 << 20))
        assert (answer.status, await whole(answer)) == (413, b"no")
        assert await ask(upstream, provider.url) == b"no"
        assert provider.connections == 2


async def test_nobody_listens(upstream: Upstream) -> None:
    """A refused connection is a 502 that names no address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(RefusedRequest) as refused:
            await upstream.open("POST", f"http://127.0.0.1:{port}/", {}, b"{}")
    assert refused.value.failure.kind is FailureKind.UPSTREAM_FAILED
    assert str(port) not in refused.value.failure.message


async def test_provider_that_does_not_speak_tls_is_refused(upstream: Upstream) -> None:
    """Nothing is sent to a provider that does not prove who it is."""
    heard = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1_024))
        writer.write(SIZED)

    async with speaking(talk) as provider:
        url = provider.url.replace("http://", "https://")
        with pytest.raises(RefusedRequest):
            await upstream.open("POST", url, {"authorization": "Bearer sk-secret"}, b"{}")
    assert not any(b"secret" in data for data in heard)
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


async def test_close_ends_what_is_idle_and_what_runs() -> None:
    """After a stop no connection is left open, and whoever reads is told."""
    upstream = Upstream()
    upstream.start()
    ended: asyncio.Queue[str] = asyncio.Queue()
    begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, _, _ = await request_of(reader)
        writer.write(SIZED if "idle" in first else begun)
        await reader.read()
        ended.put_nowait(first)

    async with speaking(talk) as provider, asyncio.timeout(WAIT_S):
        running = await upstream.open("POST", provider.url, {}, b"{}")
        await ask(upstream, provider.url + "/idle")
        assert await running.read() == b"one"
        await upstream.close()
        with pytest.raises(ConnectionError):
            await running.read()
        assert {await ended.get(), await ended.get()} == {"POST / HTTP/1.1", "POST /idle HTTP/1.1"}


async def test_answer_over_a_closing_connection_is_whole(upstream: Upstream) -> None:
    """Each connection answers once; every request gets its answer all the same."""
    async with speaking(saying_once(TO_THE_END)) as provider:
        answers = await asyncio.gather(*(ask(upstream, provider.url) for _ in range(20)))
        assert answers == [b"hello"] * 20
