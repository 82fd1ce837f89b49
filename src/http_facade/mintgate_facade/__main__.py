"""One facade worker in the foreground: `python -m mintgate_facade [--worker N]`.

Several workers share a port (SO_REUSEPORT); the kernel spreads connections.
"""

from __future__ import annotations

import argparse
import logging
import resource
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn
from mintgate import logs
from mintgate.config import ConfigError, Settings
from mintgate.tokens import load_or_create
from mintgate.tracing import open_traces

from mintgate_facade.app import Facade
from mintgate_facade.connections import bounded
from mintgate_facade.relay.asgi import AbortFilter
from mintgate_facade.server import DrainingServer
from mintgate_facade.settings import FacadeSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

STOP_GRACE_S = 1
"""What is left after the drain, a client that takes no bytes above all, is cancelled then."""
KEEPALIVE_S = 75
"""Longer than the idle time of the SDKs' pools, so that they close first."""
BACKLOG = 2_048
OPEN_FILES = 65_536
"""A connection of a client's, one to its provider, and room for what else is open."""
THREAD_SWITCH_S = 0.0005
"""gRPC's and the outbox's threads want the interpreter at once when something has arrived."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one worker until it is told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="mintgate http",
        description="Run one facade worker until it is told to stop. Several share a port.",
    )
    parser.add_argument(
        "--worker", type=int, default=0, help="its number, for the log and its metrics port"
    )
    worker = parser.parse_args(arguments).worker
    try:
        settings = Settings.load()
        facade_settings = FacadeSettings.of(settings, load_or_create(settings), worker)
        traces = open_traces(settings, "http")
        listener = _listener(facade_settings.host, facade_settings.http_port)
    except (ConfigError, OSError) as failure:
        sys.stderr.write(f"mintgate_facade: {failure}\n")
        return 1
    logs.configure(
        facade_settings.log_level, facade_settings.log_format, process="facade", worker=worker
    )
    _quieten_the_server()
    _lift_the_limit_of_files()
    sys.setswitchinterval(THREAD_SWITCH_S)
    facade = Facade(facade_settings, traces)
    server = DrainingServer(
        uvicorn.Config(
            facade,
            loop="uvloop",
            http=bounded(facade_settings.bounds),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEPALIVE_S,
            timeout_graceful_shutdown=STOP_GRACE_S,
            backlog=BACKLOG,
        ),
        facade,
        facade_settings.drain_s,
    )
    server.run(sockets=[listener])
    if traces is not None:
        traces.close()
    return 0 if server.started else 1


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind((host, port))
    return listener


def _lift_the_limit_of_files() -> None:
    """Let every client have its connection and the provider's: shells allow 1,024 of both."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _quieten_the_server() -> None:
    uvicorn_log = logging.getLogger("uvicorn.error")
    uvicorn_log.addFilter(AbortFilter())
    # Its life cycle is told by the ready line and the supervisor.
    uvicorn_log.setLevel(max(uvicorn_log.getEffectiveLevel(), logging.WARNING))


if __name__ == "__main__":
    sys.exit(main())
