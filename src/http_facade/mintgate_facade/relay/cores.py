"""Several cores as one channel: calls go to one of them, and to the next when it fails.

gRPC's own balancing takes either literal addresses or one name with several
records (which a target may still be); neither covers a list of names, nor a
core that is up while its store is away. So each core is asked for its health,
by a watch that ends with the connection, and the first healthy one in this
worker's own order is used. The order is shuffled, which spreads workers.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any, Self

import grpc
import grpc.aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from mintgate_facade.background import TaskSet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger("mintgate.cores")

WATCH_PAUSE_FIRST_S = 0.1
WATCH_PAUSE_MAX_S = 1.0
"""Between two watches of a core that is away."""


class Cores(grpc.aio.Channel):
    """A channel over several; with one core it adds nothing but its health."""

    def __init__(self, channels: Sequence[tuple[str, grpc.aio.Channel]]) -> None:
        """Take channels by their targets, the preferred one first."""
        self._targets = [target for target, _ in channels]
        self._channels = [channel for _, channel in channels]
        self._healthy = [False] * len(channels)
        self._watches: list[Any] = [None] * len(channels)
        self._here = 0
        self._on_move: list[Callable[[], None]] = []
        self._tasks = TaskSet()

    def start(self) -> None:
        """Begin to watch every core; there is no choice to make with one."""
        if len(self._channels) > 1:
            for place in range(len(self._channels)):
                self._tasks.spawn(self._watch_forever(place), f"core-{place}")

    def on_move(self, call: Callable[[], None]) -> None:
        """Call this whenever calls go to another core from now on."""
        self._on_move.append(call)

    def here(self) -> int:
        """The place of the core in use."""
        return self._here

    def lost(self, place: int) -> None:
        """Leave a core until it says again that it is healthy."""
        self._says(place, healthy=False)
        if self._watches[place] is not None:
            # It is asked anew, which it must be able to answer.
            self._watches[place].cancel()

    async def close(self, grace: float | None = None) -> None:
        """Close every channel."""
        await self._tasks.close()
        for channel in self._channels:
            await channel.close(grace)

    def _says(self, place: int, *, healthy: bool) -> None:
        self._healthy[place] = healthy
        # Without any healthy one the present core is as good as another.
        here = self._healthy.index(True) if True in self._healthy else self._here
        if here == self._here:
            return
        _log.warning(
            "core %s is used instead of %s", self._targets[here], self._targets[self._here]
        )
        self._here = here
        for call in self._on_move:
            call()

    async def _watch_forever(self, place: int) -> None:
        pause_s = WATCH_PAUSE_FIRST_S
        while True:
            if await self._watch(place):
                pause_s = WATCH_PAUSE_FIRST_S
            self._says(place, healthy=False)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause_s = min(pause_s * 2, WATCH_PAUSE_MAX_S)

    async def _watch(self, place: int) -> bool:
        """Follow one core's health until the connection ends; whether it said anything."""
        spoke = False
        call: Any = HealthStub(self._channels[place]).Watch(HealthCheckRequest())
        self._watches[place] = call
        try:
            while isinstance(answer := await call.read(), HealthCheckResponse):
                spoke = True
                self._says(place, healthy=answer.status == HealthCheckResponse.SERVING)
        except grpc.aio.AioRpcError as failure:
            _log.debug("core %s: %s", self._targets[place], failure.code())
        except asyncio.CancelledError:
            # gRPC raises this both when this task is cancelled and when `lost` ends the call.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
        finally:
            call.cancel()
        return spoke

    # What a stub asks of a channel. A stub is made once, so the choice is made at each call.

    def _following(self, kind: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        methods = [getattr(channel, kind)(*args, **options) for channel in self._channels]

        def call(*call_args: Any, **call_options: Any) -> Any:
            return methods[self._here](*call_args, **call_options)

        return call

    def unary_unary(self, *args: Any, **options: Any) -> Any:
        """See `grpc.aio.Channel`, as for all that follow."""
        return self._following("unary_unary", args, options)

    def unary_stream(self, *args: Any, **options: Any) -> Any:
        """Make a method that calls the core in use."""
        return self._following("unary_stream", args, options)

    def stream_unary(self, *args: Any, **options: Any) -> Any:
        """Make a method that calls the core in use."""
        return self._following("stream_unary", args, options)

    def stream_stream(self, *args: Any, **options: Any) -> Any:
        """Make a method that calls the core in use."""
        return self._following("stream_stream", args, options)

    def get_state(self, *args: Any, **options: Any) -> grpc.ChannelConnectivity:
        """Say how the connection to the core in use is."""
        return self._channels[self._here].get_state(*args, **options)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait for a change of the connection to the core in use."""
        await self._channels[self._here].wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait for the connection to the core in use."""
        await self._channels[self._here].channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
