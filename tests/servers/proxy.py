"""A TCP proxy with faults, to stand between a client and a real server.

    with running_proxy("127.0.0.1", port) as proxy:
        proxy.on_request = lambda data: proxy.drop_replies() if b"commit" in data else None
        ... connect to proxy.port ...
        proxy.cut()

It runs on a loop of its own, so that a blocked test cannot stop it. Every method
may be called from any thread.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.servers.process import STOP_WAIT_S

CHUNK_BYTES = 64 * 1024


class Flow(enum.Enum):
    """What happens to the bytes of one direction."""

    PASS = enum.auto()
    HOLD = enum.auto()
    """Kept, and passed on once flow is PASS again."""
    DROP = enum.auto()
    """Lost without a sign: half of a partition."""


class Direction:
    """A gate that the bytes of one direction go through."""

    def __init__(self) -> None:
        self.flow = Flow.PASS
        self.changed = asyncio.Event()

    def set(self, flow: Flow) -> None:
        self.flow = flow
        self.changed.set()
        self.changed = asyncio.Event()

    async def admit(self) -> bool:
        """Wait while held, then say whether the bytes go on."""
        while self.flow is Flow.HOLD:
            await self.changed.wait()
        return self.flow is Flow.PASS


class Proxy:
    """See the module. Made by `running_proxy`."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.port = 0
        self.connections = 0
        """Accepted so far."""
        self.on_request: Callable[[bytes], None] | None = None
        """Called with what a client sends, before it is passed on."""
        self.on_reply: Callable[[bytes], None] | None = None
        """Called with what the server answers, before it is passed on."""
        self.accepting = True
        self._loop = asyncio.new_event_loop()
        self._requests = Direction()
        self._replies = Direction()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def hold_replies(self) -> None:
        """Keep what the server answers until `heal`."""
        self._set(self._replies, Flow.HOLD)

    def drop_replies(self) -> None:
        """Lose what the server answers from now on."""
        self._set(self._replies, Flow.DROP)

    def hold_requests(self) -> None:
        """Keep what clients send until `heal`."""
        self._set(self._requests, Flow.HOLD)

    def drop_requests(self) -> None:
        """Lose what clients send from now on."""
        self._set(self._requests, Flow.DROP)

    def partition(self) -> None:
        """Lose both directions; connections stay open and new ones get no answer."""
        self.drop_requests()
        self.drop_replies()

    def heal(self) -> None:
        """Let bytes through and take connections again."""
        self.accepting = True
        self._set(self._requests, Flow.PASS)
        self._set(self._replies, Flow.PASS)

    def refuse(self) -> None:
        """End every connection and each new one at once, as when nobody listens."""
        self.accepting = False
        self.cut()

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        self._call(self._cut)

    def _set(self, direction: Direction, flow: Flow) -> None:
        # The flag at once, so that a hook decides about the very bytes it saw.
        direction.flow = flow
        self._call(lambda: direction.set(flow))

    def _call(self, work: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(work)

    def _cut(self) -> None:
        for writer in self._writers:
            _reset(writer)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        ends = {writer}
        try:
            if not self.accepting:
                _reset(writer)
                return
            there, back = await asyncio.open_connection(*self.target)
            ends.add(back)
            self._writers |= ends
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, back, self._requests, request=True))
                pumps.create_task(self._pump(there, writer, self._replies, request=False))
        except OSError:
            pass
        finally:
            self._writers -= ends
            for end in ends:
                end.close()
            self._tasks.discard(task)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        direction: Direction,
        *,
        request: bool,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                hook = self.on_request if request else self.on_reply
                if hook is not None:
                    hook(data)
                if await direction.admit():
                    writer.write(data)
                    await writer.drain()
        if await direction.admit():
            # An end is passed on like bytes; in a partition nobody learns of it.
            writer.close()

    async def _serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        server.close()
        self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the peer gets a reset instead of an end."""
    plain = writer.get_extra_info("socket")
    if plain is not None:
        with suppress(OSError):
            plain.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
            )
    writer.transport.abort()


@contextmanager
def running_proxy(host: str, port: int) -> Iterator[Proxy]:
    """A proxy in front of a server, on a port of its own."""
    proxy = Proxy(host, port)
    started, stop = threading.Event(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: proxy._loop) as runner:
            runner.run(proxy._serve(started, stop))

    thread = threading.Thread(target=run, name="proxy", daemon=True)
    thread.start()
    assert started.wait(STOP_WAIT_S)
    try:
        yield proxy
    finally:
        proxy._call(stop.set)
        thread.join(STOP_WAIT_S)
