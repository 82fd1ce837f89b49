"""Connections to providers: made when needed, kept while idle, bounded in number."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from typing import IO

from aiohappyeyeballs import start_connection

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest
from mintgate_facade.upstream.answer import Answer, BrokenConnectionError, SilentProviderError
from mintgate_facade.upstream.connection import Connection
from mintgate_facade.upstream.request import Origin, Request, render, split_url

CONNECTIONS_MAX = 16_384
"""Open connections of one worker, all providers together: as many as it takes from clients.
Most installations have one provider for most of their traffic, so a host has no less."""
CONNECT_WAIT_S = 10.0
"""For a free place in the pool, the name, the TCP and the TLS handshake together."""
KEEPALIVE_S = 15.0
"""How long an idle connection is kept; providers close theirs after a minute and more."""
SECOND_ADDRESS_AFTER_S = 0.25
"""A host that does not answer at its first address is tried at its next one meanwhile."""

_REPEATABLE = frozenset({"GET", "HEAD"})


class LostAnswerError(RefusedRequest):
    """No answer came to a request that was sent: the provider may have done it all the same."""


class Upstream:
    """Sends requests to providers. No cookies, no redirects, no decoding.

    No retry either, but of a GET on a kept connection that the provider closed meanwhile.
    """

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(CONNECTIONS_MAX)
        self._hosts: dict[Origin, _Host] = {}
        self._tls: ssl.SSLContext | None = None
        self._sweep: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Get ready; must be called on the running loop."""
        self._tls = ssl.create_default_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._sweep_later()

    async def close(self) -> None:
        """Close every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        for host in self._hosts.values():
            host.close()
        # Transports that are aborted end in the loop's next turn.
        await asyncio.sleep(0)

    async def open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | IO[bytes]
    ) -> Answer:
        """Send a request and wait for the status and headers of its answer.

        Raises `RefusedRequest` (502, 504) when the provider cannot be reached
        or does not answer in time; `LostAnswerError`, which is one, once it was sent.
        """
        if self._tls is None:
            raise RuntimeError("the upstream pool was not started")
        try:
            origin, target = split_url(url)
            request = render(method, origin, target, headers, body)
            host = self._hosts.get(origin)
            if host is None:
                tls = self._tls if origin.tls else None
                host = self._hosts[origin] = _Host(origin, tls, self._places)
            return await host.ask(request)
        except (TimeoutError, OSError, ValueError) as failure:
            # A connection that carried the request fails in these two ways, and in no other.
            sent = isinstance(failure, (SilentProviderError, BrokenConnectionError))
            raise (LostAnswerError if sent else RefusedRequest)(_failure_of(failure)) from None

    def _sweep_later(self) -> None:
        loop = asyncio.get_running_loop()
        for host in self._hosts.values():
            host.drop_idle(loop.time() - KEEPALIVE_S)
        self._sweep = loop.call_later(KEEPALIVE_S, self._sweep_later)


def _failure_of(failure: Exception) -> Failure:
    if isinstance(failure, TimeoutError):
        return Failure(FailureKind.UPSTREAM_TIMEOUT, "The provider did not answer in time.")
    return Failure(
        FailureKind.UPSTREAM_FAILED,
        f"The provider could not be reached ({type(failure).__name__}).",
    )


class _Host:
    """The connections to one origin."""

    def __init__(
        self, origin: Origin, tls: ssl.SSLContext | None, places: asyncio.Semaphore
    ) -> None:
        self._origin = origin
        self._tls = tls
        self._places = places
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._loop = asyncio.get_running_loop()

    async def ask(self, request: Request) -> Answer:
        """Send a request over a kept connection, or a new one."""
        connection = self._kept()
        if connection is not None:
            try:
                return await self._over(connection, request)
            except BrokenConnectionError:
                # Closed at the moment of use. Only what may be done twice is sent again.
                if connection.answering or request.method not in _REPEATABLE:
                    raise
        return await self._over(await self._connect(), request)

    def close(self) -> None:
        """Close what is idle and what is in use."""
        for connection in (*self._idle, *self._busy):
            connection.close()

    def drop_idle(self, since_s: float) -> None:
        """Close what has been idle since before `since_s`."""
        while self._idle and (self._idle[0].closed or self._idle[0].idle_since_s < since_s):
            self._forget(self._idle.popleft())

    async def _over(self, connection: Connection, request: Request) -> Answer:
        self._busy.add(connection)
        return await connection.ask(request)

    def _kept(self) -> Connection | None:
        """The connection that was used last, if it still is one."""
        oldest_s = self._loop.time() - KEEPALIVE_S
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and connection.idle_since_s >= oldest_s:
                return connection
            self._forget(connection)
        return None

    async def _connect(self) -> Connection:
        """A new connection, in a place of its own. Raises `TimeoutError` and `OSError`."""
        async with asyncio.timeout(CONNECT_WAIT_S):
            await self._places.acquire()
            try:
                return await self._dial()
            except BaseException:
                self._places.release()
                raise

    async def _dial(self) -> Connection:
        origin = self._origin
        found = await self._loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        raw = await start_connection(
            found, happy_eyeballs_delay=SECOND_ADDRESS_AFTER_S, interleave=1, loop=self._loop
        )
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        _, connection = await self._loop.create_connection(
            lambda: Connection(self._released),
            sock=raw,
            ssl=self._tls,
            server_hostname=origin.host if self._tls else None,
        )
        return connection

    def _released(self, connection: Connection, reusable: bool) -> None:  # noqa: FBT001 - a callback
        self._busy.discard(connection)
        if reusable:
            connection.idle_since_s = self._loop.time()
            self._idle.append(connection)
        else:
            self._places.release()

    def _forget(self, connection: Connection) -> None:
        """Close an idle connection and give its place to another."""
        connection.close()
        self._places.release()
