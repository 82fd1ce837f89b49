"""Runs the simulator under uvicorn: in the foreground, or in a thread of a test."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .answer import TRANSPORT
from .app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

KEEP_ALIVE_S = 75
"""Idle connections stay open this long, as behind the providers' own front ends."""
SHUTDOWN_S = 1
"""Answers that hang on purpose must not keep the process alive."""
BACKLOG_CONNECTIONS = 2_048
START_S = 10
"""Longest wait for the server in a thread to listen."""


class _Protocol(HttpToolsProtocol):
    """uvicorn's own protocol, which also hands the transport to the app.

    Without the transport an app can neither reset a connection nor see that the client has gone.
    """

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class _Server(uvicorn.Server):
    """A server that tells when it accepts connections."""

    def __init__(self, config: uvicorn.Config, *, announcement: str = "") -> None:
        super().__init__(config)
        self.accepting = threading.Event()
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()
        sys.stdout.write(self._announcement)
        sys.stdout.flush()


def serve(host: str, port: int) -> None:
    """Serve until a signal ends the process; port 0 takes a free one.

    Once connections are accepted, ``listening on HOST:PORT`` is printed as a line of its own.
    """
    with _listener(host, port) as listener:
        bound = listener.getsockname()[1]
        server = _Server(_config(), announcement=f"listening on {host}:{bound}\n")
        server.run(sockets=[listener])


@contextmanager
def background_simulator() -> Iterator[str]:
    """A simulator in a thread of this process, on a free port of the loopback; gives its URL.

    Raises ``TimeoutError`` when it does not come up.
    """
    with _listener("127.0.0.1", 0) as listener:
        server = _Server(_config())
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True
        )
        thread.start()
        try:
            if not server.accepting.wait(START_S):
                raise TimeoutError("the simulator did not start")
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(START_S)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def _config() -> uvicorn.Config:
    return uvicorn.Config(
        create_app(),
        http=_Protocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
