"""Private Redis servers: one for a worker's session, more for the faults.

    with running_redis() as server:
        url = server.url

Nothing is written to disk: a restarted server has forgotten everything, which is what a
gateway must be able to bear.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tests.harness import eventually
from tests.ports import free_port
from tests.servers.process import STOP_WAIT_S, find_program, make_directory, spawn

START_WAIT_S = 20.0
HOST = "127.0.0.1"


@dataclass
class RedisServer:
    """One server with its directory."""

    directory: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """How a core finds it."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def socket_url(self) -> str:
        """The same without TCP."""
        return f"unix://{self.directory}/redis.sock"

    def start(self) -> None:
        """Start, empty, and wait until it answers."""
        self.process = spawn(
            self.directory / "redis.log",
            find_program("redis-server"),
            *("--bind", HOST, "--port", str(self.port)),
            *("--unixsocket", f"{self.directory}/redis.sock"),
            *("--dir", str(self.directory), "--save", "", "--appendonly", "no"),
        )
        eventually(self._answers, START_WAIT_S, f"an answer; see {self.directory}/redis.log")

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        """Stop at once; clients see their connections end."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_WAIT_S)
            self.process = None

    def restart(self) -> None:
        """Stop and start; everything is forgotten."""
        self.stop()
        self.start()

    def client(self) -> redis.Redis:
        """A client for the test itself."""
        return redis.Redis(host=HOST, port=self.port, decode_responses=True)

    def flush(self) -> None:
        """Forget everything, scripts too."""
        with self.client() as client:
            client.flushall()
            client.script_flush()

    def slow(self, wait_ms: int) -> None:
        """Answer nobody for a while; connections stay open."""
        with self.client() as client:
            client.client_pause(wait_ms, all=True)

    def hurry(self) -> None:
        """Answer again."""
        with self.client() as client:
            client.client_unpause()


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """A started server, stopped and removed at the end."""
    server = RedisServer(make_directory("redis"))
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)
