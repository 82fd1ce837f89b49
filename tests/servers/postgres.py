"""Private PostgreSQL servers: one for a worker's session, more for replication and chaos.

    with running_postgres() as server:
        url = server.create_database()

Data is flushed as in production (`fsync` and `synchronous_commit` stay on), since
what a crash leaves behind is what the tests are about.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.harness import eventually
from tests.ports import free_port
from tests.servers.process import STOP_WAIT_S, find_program, make_directory, run, spawn

START_WAIT_S = 60.0
"""Recovery after a crash under load included."""

USER = "mintgate"
HOST = "127.0.0.1"

SETTINGS = {
    "listen_addresses": HOST,
    "max_connections": "120",
    # A few small databases; several servers share one machine.
    "shared_buffers": "64MB",
    # A checkpoint in the middle of a short test would only add noise.
    "checkpoint_timeout": "10min",
    "max_wal_senders": "4",
    "logging_collector": "off",
    "log_lock_waits": "on",
    # A standby whose primary was restarted comes back at once.
    "wal_retrieve_retry_interval": "200ms",
}

STOP_SIGNALS = {
    "fast": signal.SIGINT,
    # No checkpoint, no goodbye to clients: what a crash of the server looks like.
    "immediate": signal.SIGQUIT,
}


@dataclass
class PostgresServer:
    """One server and its data directory. `running_postgres` makes and removes it."""

    directory: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    def tool(self, name: str) -> Path:
        """One of the server's programs."""
        return find_program(name, "usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")

    def url(self, database: str, **parameters: str) -> str:
        """Where a database is, as the setting MINTGATE_STORE has it."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://{USER}@{HOST}:{self.port}/{database}" + (query and f"?{query}")

    def initialise(self, *options: str) -> None:
        """Make the data directory, with further options of `initdb`."""
        run(
            self.tool("initdb"),
            "--pgdata",
            self.data,
            "--username",
            USER,
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            *options,
        )

    def start(self) -> None:
        """Start and wait until it answers."""
        options = SETTINGS | self.settings | {"unix_socket_directories": str(self.directory)}
        self.process = spawn(
            self.directory / "server.log",
            self.tool("postgres"),
            "-D",
            self.data,
            "-p",
            str(self.port),
            *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
        )
        eventually(self.answers, START_WAIT_S, f"PostgreSQL; see {self.directory}/server.log")

    def answers(self) -> bool:
        """Whether it takes connections. Fails when the server has ended."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError((self.directory / "server.log").read_text()[-4_000:])
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def stop(self, mode: str = "fast") -> None:
        """Stop in one of the modes of `STOP_SIGNALS`."""
        if self.process is not None:
            self.process.send_signal(STOP_SIGNALS[mode])
            self.process.wait(STOP_WAIT_S)
            self.process = None

    def restart(self, mode: str = "immediate") -> None:
        """Stop and start again on the same port."""
        self.stop(mode)
        self.start()

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement by itself and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create_database(self, template: str = "template1") -> str:
        """Make a database and return its name."""
        name = f"test_{secrets.token_hex(8)}"
        self.execute(f"create database {name} template {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database and end whoever uses it."""
        self.execute(f"drop database if exists {name} with (force)")

    def copy(self, directory: Path, name: str) -> PostgresServer:
        """Make a standby of this running server; start it next. `name` is its application name."""
        standby = PostgresServer(directory, settings=dict(self.settings))
        run(
            self.tool("pg_basebackup"),
            "--pgdata",
            standby.data,
            "--dbname",
            f"host={HOST} port={self.port} user={USER} application_name={name}",
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
        )
        return standby

    def wait_for_standby(self, name: str, wait_s: float = START_WAIT_S) -> None:
        """Wait until a standby streams and has everything."""
        caught_up = (
            "select 1 from pg_stat_replication where state = 'streaming' and replay_lsn ="  # noqa: S608 - a name of ours
            f" pg_current_wal_lsn() and application_name = '{name}'"
        )
        eventually(lambda: self.execute(caught_up), wait_s, f"standby {name}")

    def require_standby(self, name: str) -> None:
        """Commit only what a standby has flushed; an empty name asks for none."""
        self.execute(f"alter system set synchronous_standby_names = '{name}'")
        self.execute("select pg_reload_conf()")

    def promote(self) -> None:
        """Make a standby the primary of a new timeline."""
        self.execute("select pg_promote(true, 60)")


@contextmanager
def running_postgres(**settings: str) -> Iterator[PostgresServer]:
    """A started server with an empty data directory; both are gone at the end."""
    directory = make_directory("postgres")
    server = PostgresServer(directory, settings=settings)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def running_standby(primary: PostgresServer, name: str = "standby") -> Iterator[PostgresServer]:
    """A started standby of a running server."""
    directory = make_directory("standby")
    try:
        standby = primary.copy(directory, name)
        try:
            standby.start()
            yield standby
        finally:
            standby.stop("immediate")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
