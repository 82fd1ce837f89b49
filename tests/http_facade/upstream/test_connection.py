"""A connection alone, on a wire that hands it exactly what a test says, in one read or several."""

from __future__ import annotations

import asyncio

import pytest
from mintgate_facade.upstream import BROKEN, Answer
from mintgate_facade.upstream.answer import BUFFERED_BYTES_MAX
from mintgate_facade.upstream.connection import HEAD_BYTES_MAX, Connection
from mintgate_facade.upstream.request import Request

from .test_answers import SIZED, whole

GET = Request("GET", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
LONG = b"x" * (BUFFERED_BYTES_MAX + 2)
LONG_SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(LONG), LONG)
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG_CHUNKED = CHUNKED_HEAD + b"%x\r\n%b\r\n0\r\n\r\n" % (len(LONG), LONG)


class Wire(asyncio.Transport):
    """A transport that leads nowhere, and knows whether it is read from."""

    def __init__(self) -> None:
        super().__init__()
        self._reading = True
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True

    def is_reading(self) -> bool:
        return self._reading

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


class Line:
    """A connection with its wire, and what it said of itself at the end of each request."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.reusable: list[bool] = []
        self.connection = Connection(lambda _, reusable: self.reusable.append(reusable))
        self.connection.connection_made(self.wire)

    async def ask(self, *reads: bytes) -> Answer:
        """Send a request; what the provider says to it comes in these reads."""
        return await (await self.asking(*reads))

    async def asking(self, *reads: bytes) -> asyncio.Future[Answer]:
        """The same, with nobody who waits for the answer yet."""
        asking = asyncio.ensure_future(self.connection.ask(GET))
        await asyncio.sleep(0)
        for read in reads:
            self.connection.data_received(read)
        return asking


@pytest.mark.parametrize("said", [LONG_SIZED, LONG_CHUNKED], ids=["sized", "chunked"])
async def test_unread_answer_does_not_stop_the_next_one(said: bytes) -> None:
    """A connection that is free again is read from, whoever reads its last answer and when."""
    line = Line()
    unread = await line.ask(said)
    assert (line.reusable, line.wire.is_reading()) == ([True], True)
    assert await whole(await line.ask(SIZED)) == b"hello"
    assert await whole(unread) == LONG


async def test_late_reader_does_not_let_the_next_answer_flow() -> None:
    """Reading an answer that had ended changes nothing for the one that came after it."""
    line = Line()
    earlier = await line.ask(LONG_SIZED)
    later = await line.ask(LONG_SIZED[:-1])
    assert not line.wire.is_reading()
    assert await whole(earlier) == LONG
    assert not line.wire.is_reading()
    assert await later.read() == LONG[:-1]
    assert line.wire.is_reading()
    later.close()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 ",
        CHUNKED_HEAD + b"2;",
        CHUNKED_HEAD + b"0\r\nX: ",
    ],
    ids=["name", "value", "reason", "chunk", "trailer"],
)
async def test_line_without_an_end_is_given_up(begun: bytes) -> None:
    """However little comes at once, no more is taken than the head of an answer may have."""
    line = Line()
    head = b"" if begun else b"HTTP/1.1 200 OK\r\n"
    piece = b"x" * (HEAD_BYTES_MAX // 64)
    asking = await line.asking(head + begun, *[piece] * 64, b"x")
    assert line.wire.closed
    assert line.reusable == [False]
    with pytest.raises(BROKEN):
        await whole(await asking)


async def test_announcements_without_an_end_are_given_up() -> None:
    """A provider that only ever says that it will answer is not listened to for ever."""
    line = Line()
    asking = await line.asking(*[b"HTTP/1.1 100 Continue\r\n\r\n" * 64] * 128)
    assert line.wire.closed
    with pytest.raises(BROKEN):
        await asking


async def test_long_body_in_short_reads_is_whole() -> None:
    """Sizes and ends of chunks do not add up to a head that is too long."""
    line = Line()
    count = HEAD_BYTES_MAX // 4
    answer = await line.ask(CHUNKED_HEAD, *[b"1\r\n", b"x\r\n"] * count, b"0\r\n\r\n")
    assert await whole(answer) == b"x" * count
    assert line.reusable == [True]
