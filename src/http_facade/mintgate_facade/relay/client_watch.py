"""Notices that the client has left, and ends a wait for the provider because of it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from mintgate_facade.relay.asgi import Receive, Scope

ON_LEAVING = "mintgate.on_leaving"
"""Where a request's scope has a function that takes a callback for when the client leaves, and
returns another that takes the callback back. A server without one is listened to by a task."""


class InterruptedRequestError(Exception):
    """The wait was ended by `ClientWatch.interrupt`."""


class ClientWatch:
    """Listens for `http.disconnect` beside a running request.

    As a context manager it marks the waits that may be ended: inside,
    `interrupt` raises `InterruptedRequestError` in the request's own task;
    outside, the interruption is kept for the next entry. A settle is therefore
    never cut short.
    """

    def __init__(self, scope: Scope, receive: Receive, drain_wait_s: float | None) -> None:
        """Watch a request; a client that leaves ends waits at once, or after `drain_wait_s`."""
        self.gone = False
        self._drain_wait_s = drain_wait_s
        self._interrupted = False
        self._waiting: asyncio.Task[object] | None = None
        self._fired = False
        self._timer: asyncio.TimerHandle | None = None
        on_leaving: Callable[[Callable[[], None]], Callable[[], None]] | None
        on_leaving = scope.get(ON_LEAVING)
        self._stop: Callable[[], object]
        if on_leaving is not None:
            self._stop = on_leaving(self._left)
        else:
            self._stop = asyncio.get_running_loop().create_task(self._listen(receive)).cancel

    def stop(self) -> None:
        """Stop to listen; must be called when the request is over."""
        self._stop()
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

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._left()

    def _left(self) -> None:
        self.gone = True
        if self._drain_wait_s is None:
            self.interrupt()
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._drain_wait_s, self.interrupt)


@contextlib.contextmanager
def while_listened(scope: Scope, receive: Receive) -> Iterator[None]:
    """End what is waited for inside once the client has left.

    The request must have been read. Raises `InterruptedRequestError`.
    """
    watch = ClientWatch(scope, receive, None)
    try:
        with watch:
            yield
    finally:
        watch.stop()
