"""A private PgBouncer in transaction mode, with the settings that Debian ships."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.harness import eventually
from tests.ports import free_port
from tests.servers.postgres import HOST, USER, PostgresServer
from tests.servers.process import STOP_WAIT_S, find_program, make_directory, spawn

START_WAIT_S = 20.0

CONFIGURATION = """\
[databases]
* = host={host} port={server_port} user={user}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
max_client_conn = 200
"""
"""Unknown startup parameters stay refused, as they are by default."""


@dataclass(frozen=True)
class PgBouncer:
    """A running pooler."""

    server: PostgresServer
    port: int

    def url(self, database: str, **parameters: str) -> str:
        """Where a database of the server is, through the pooler."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://{USER}@{HOST}:{self.port}/{database}" + (query and f"?{query}")

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False


@contextmanager
def running_pgbouncer(server: PostgresServer) -> Iterator[PgBouncer]:
    """A started pooler in front of a server; both ports are picked."""
    directory = make_directory("pgbouncer")
    pooler = PgBouncer(server, free_port())
    file: Path = directory / "pgbouncer.ini"
    file.write_text(
        CONFIGURATION.format(host=HOST, server_port=server.port, user=USER, port=pooler.port)
    )
    process = spawn(directory / "pgbouncer.log", find_program("pgbouncer"), file)
    try:
        eventually(pooler.answers, START_WAIT_S, f"PgBouncer; see {directory}/pgbouncer.log")
        yield pooler
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_WAIT_S)
        shutil.rmtree(directory, ignore_errors=True)
