"""How a `Call` is sent from an event loop. The thread twin is `_sync`, line by line."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import grpc
import grpc.aio

from ._sync import as_method
from .channel import authorization
from .errors import error_from_rpc, status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence

    from ._calls.base import Call, Paged, Stream
    from .retry import RetryPolicy

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")
Item = TypeVar("Item")


class Caller:
    """Sends calls over one channel a core, with the client's defaults, within one event loop."""

    def __init__(
        self,
        channels: Sequence[grpc.aio.Channel],
        *,
        credential: str | None,
        timeout_s: float,
        retry: RetryPolicy,
        clock_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._channels = channels
        self._place = 0
        self._credential = credential
        self._timeout_s = timeout_s
        self._retry = retry
        self._clock_s = clock_s
        self._sleep = sleep
        self._stubs: dict[Any, Any] = {}

    async def unary(self, call: Call[Answer]) -> Answer:
        """Send a call until it is answered, within the caller's deadline."""
        timeout_s = self._timeout_s if call.timeout_s is None else call.timeout_s
        deadline_s = self._clock_s() + timeout_s
        attempts_made = 0
        while True:
            method, metadata = self._prepare(call)
            attempt_s = self._retry.attempt_timeout(
                deadline_s - self._clock_s(), repeatable=call.repeatable
            )
            try:
                return call.read(await method(call.request, timeout=attempt_s, metadata=metadata))
            except grpc.RpcError as error:
                attempts_made += 1
                pause_s = self._retry.pause(
                    status_of(error),
                    attempts_made=attempts_made,
                    remaining_s=deadline_s - self._clock_s(),
                    repeatable=call.repeatable,
                )
                if pause_s is None:
                    raise error_from_rpc(error) from error
                self._place += 1
            await self._sleep(pause_s)

    async def paged(self, paged: Paged[Item]) -> AsyncIterator[Item]:
        """Yield every item of a listing, page after page."""
        call: Call[Any] | None = paged.first
        while call is not None:
            response = await self.unary(call)
            for item in paged.items(response):
                yield item
            call = paged.turn(call, response)

    async def stream(self, stream: Stream[Item]) -> AsyncIterator[Item]:
        """Yield items without end; a broken connection is taken up after the last one."""
        call, attempts_made = stream.call, 0
        while True:
            method, metadata = self._prepare(call)
            responses = method(call.request, timeout=call.timeout_s, metadata=metadata)
            try:
                async for response in responses:
                    item = stream.item(response)
                    call, attempts_made = stream.resume(call, item), 0
                    yield item
            except grpc.RpcError as error:
                attempts_made += 1
                pause_s = self._retry.pause(
                    status_of(error),
                    attempts_made=attempts_made,
                    remaining_s=float("inf"),
                    repeatable=call.timeout_s is None,
                )
                if pause_s is None:
                    raise error_from_rpc(error) from error
                self._place += 1
            else:
                return
            finally:
                responses.cancel()
            await self._sleep(pause_s)

    def _prepare(self, call: Call[Any]) -> tuple[Any, Any]:
        """Return the bound method of the call's stub, and the call's metadata."""
        # A failed attempt moves on to the next core, where there are several.
        place = self._place % len(self._channels)
        stub = self._stubs.get((call.stub, place))
        if stub is None:
            stub = self._stubs.setdefault((call.stub, place), call.stub(self._channels[place]))
        credential = self._credential if call.credential is None else call.credential
        return getattr(stub, call.method), authorization(credential)


class Group:
    """Methods of one service, for example `client.keys`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller


def unary(
    build: Callable[Parameters, Call[Answer]],
) -> Callable[Concatenate[Group, Parameters], Coroutine[Any, Any, Answer]]:
    """Turn a call's builder into a method that sends it and returns its answer."""

    @functools.wraps(build)
    async def method(self: Group, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
        return await self._caller.unary(build(*args, **kwargs))

    return as_method(method, build)


def paged(
    build: Callable[Parameters, Paged[Item]],
) -> Callable[Concatenate[Group, Parameters], AsyncIterator[Item]]:
    """Turn a listing's builder into a method that returns an asynchronous iterator."""

    @functools.wraps(build)
    def method(
        self: Group, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> AsyncIterator[Item]:
        return self._caller.paged(build(*args, **kwargs))

    return as_method(method, build)


def stream(
    build: Callable[Parameters, Stream[Item]],
) -> Callable[Concatenate[Group, Parameters], AsyncIterator[Item]]:
    """Turn a stream's builder into a method that returns an iterator without end."""

    @functools.wraps(build)
    def method(
        self: Group, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> AsyncIterator[Item]:
        return self._caller.stream(build(*args, **kwargs))

    return as_method(method, build)
