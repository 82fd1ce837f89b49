"""The HTTP server of a worker: says when it is ready, and drains before it stops.

Draining: no new connection is taken, `/readyz` says 503 at once, requests on
connections that are kept alive are still served but told to close, and what
runs goes on until the drain time is over. Then it is ended with its native error
and charged for what was delivered. A second signal ends the drain.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from mintgate_facade.app import Facade

GC_THRESHOLDS = (20_000, 20, 50)
POLL_S = 0.05
LINGER_S = 1.0
"""How long idle connections may still bring a request: one that was sent while a load balancer
had not heard yet would otherwise meet a reset."""
END_WAIT_S = 5.0
"""For requests that were ended to charge and to tell their clients; then they are cancelled."""


class DrainingServer(uvicorn.Server):
    """Serves one facade."""

    def __init__(self, config: uvicorn.Config, facade: Facade, drain_s: float) -> None:
        super().__init__(config)
        self._facade = facade
        self._drain_s = drain_s
        self._hurried = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, and say so on standard output."""
        await super().startup(sockets)
        # What exists now lives as long as the process: a full collection that walks it
        # would stop every stream for tens of milliseconds.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            sys.stdout.write(f"MINTGATE_READY http={host}:{port}\n")
            sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the base's
        """Stop in order; asked again, end the drain; asked once more, stop without order.

        The base class would raise the signal again at the end, and an orderly stop
        would look like a death.
        """
        if self._hurried:
            self.force_exit = True
        elif self.should_exit:
            self._hurried = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop."""
        await self._drain(sockets or [])
        await super().shutdown(sockets)

    async def _drain(self, sockets: list[socket.socket]) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets:
            listener.close()
        self._facade.drain()
        for connection in list(self.server_state.connections):
            if not _is_idle(connection):
                # Tells it to close after its answer; an idle one would be closed now.
                connection.shutdown()
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + self._drain_s
        lingers_s = loop.time() + min(LINGER_S, self._drain_s)
        while self.server_state.connections and loop.time() < ends_s and not self._hurried:
            if not self.server_state.tasks and loop.time() >= lingers_s:
                break
            await asyncio.sleep(POLL_S)
        if self.server_state.tasks:
            self._facade.end_running()
            await asyncio.wait(set(self.server_state.tasks), timeout=END_WAIT_S)


def _is_idle(connection: object) -> bool:
    """Whether no request is under way on a connection of the server's."""
    cycle = getattr(connection, "cycle", None)
    return cycle is None or bool(cycle.response_complete)
