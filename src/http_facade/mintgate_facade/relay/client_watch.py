"""Notices that the client has left, and ends a wait for the provider because of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from mintgate_facade.relay.asgi import Receive


class InterruptedRequestError(Exception):
    """The wait was ended by `ClientWatch.interrupt`."""


class ClientWatch:
    """Listens for `http.disconnect` beside a running request.

    As a context manager it marks the waits that may be ended: inside,
    `interrupt` raises `InterruptedRequestError` in the request's own task;
    outside, the interruption is kept for the next entry. A settle is therefore
    never cut short.
    """

    def __init__(self, receive: Receive, drain_wait_s: float | None) -> None:
        """Watch `receive`; a client that leaves ends waits at once, or after `drain_wait_s`."""
        self.gone = False
        self._receive = receive
        self._drain_wait_s = drain_wait_s
        self._interrupted = False
        self._waiting: asyncio.Task[object] | None = None
        self._fired = False
        self._timer: asyncio.TimerHandle | None = None
        self._listener = asyncio.get_running_loop().create_task(self._listen())

    def stop(self) -> None:
        """Stop to listen; must be called when the request is over."""
        self._listener.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def interrupt(self) -> None:
        """End the present wait for the provider, or the next one."""
        self._interrupted = True
        if self._waiting is not None and not self._fired:
            self._fired = True
            self._waiting.cancel()

    def __enter__(self) -> Self:
        if self._interrupted:
            raise InterruptedRequestError
        self._waiting = asyncio.current_task()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        waiting, self._waiting = self._waiting, None
        if not self._fired or waiting is None:
            return
        self._fired = False
        # Only our own cancellation becomes an interruption; a shutdown's stays what it is.
        if waiting.uncancel() == 0 and isinstance(failure, asyncio.CancelledError):
            raise InterruptedRequestError from None

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._drain_wait_s is None:
            self.interrupt()
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._drain_wait_s, self.interrupt)
