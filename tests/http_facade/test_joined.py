"""Writes of one turn of the loop leave together, and nothing is lost or reordered."""

from __future__ import annotations

import asyncio

from mintgate_facade.joined import JOINED_BYTES_MAX, JoinedWrites


class Wire(asyncio.Transport):
    """Keeps what reaches it, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes | str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.seen.append(bytes(data))

    def close(self) -> None:
        self.seen.append("closed")

    def abort(self) -> None:
        self.seen.append("aborted")


async def test_what_one_turn_writes_is_one_write() -> None:
    """A head and its body, written one after the other, are one system call."""
    wire = Wire()
    joined = JoinedWrites(wire, asyncio.get_running_loop())
    joined.write(b"head")
    joined.write(bytearray(b"body"))
    assert wire.seen == []
    await asyncio.sleep(0)
    assert wire.seen == [b"headbody"]


async def test_each_turn_writes_what_it_has() -> None:
    """A later piece does not wait for one that may never come."""
    wire = Wire()
    joined = JoinedWrites(wire, asyncio.get_running_loop())
    for piece in (b"one", b"two"):
        joined.write(piece)
        await asyncio.sleep(0)
    assert wire.seen == [b"one", b"two"]


async def test_much_is_written_at_once() -> None:
    """The transport below hears of much before the turn is over, and can make the writer wait."""
    wire = Wire()
    joined = JoinedWrites(wire, asyncio.get_running_loop())
    half = b"x" * (JOINED_BYTES_MAX // 2)
    for piece in (half, half, b"over", b"rest"):
        joined.write(piece)
    assert wire.seen == [half + half + b"over"]
    await asyncio.sleep(0)
    assert wire.seen == [half + half + b"over", b"rest"]


async def test_close_comes_behind_what_was_written() -> None:
    """An answer is whole before its connection ends, and is not written twice."""
    wire = Wire()
    joined = JoinedWrites(wire, asyncio.get_running_loop())
    joined.write(b"end")
    joined.close()
    await asyncio.sleep(0)
    assert wire.seen == [b"end", "closed"]


async def test_abort_drops_what_was_not_written() -> None:
    """A connection that is broken off says nothing more."""
    wire = Wire()
    joined = JoinedWrites(wire, asyncio.get_running_loop())
    joined.write(b"late")
    joined.abort()
    await asyncio.sleep(0)
    assert wire.seen == ["aborted"]
