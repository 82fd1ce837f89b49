"""Mintgate as `mintgate up` starts it, with its defaults, on each store.

Every request is of a minted key: hold and charge are durable before its answer ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import count
from pathlib import Path

from mintgate_core.stores.postgres import PostgresUrl, schema

from bench.contenders.base import Capped, Contender, Running, bearer
from bench.servers import version_of
from bench.stores import POSTGRES_DEFAULTS
from tests.harness import Installation, installation
from tests.servers.postgres import running_postgres

CAP_USD = "100000"
"""The key of the load has a cap too, one that no load reaches."""

POSTGRES_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")

_numbers = count(1)


def settings(upstream: str) -> dict[str, str]:
    """What differs from the defaults: where the provider is, and quiet logs."""
    return {
        "MINTGATE_LOG_LEVEL": "warning",
        "MINTGATE_SIMULATE": "0",
        "OPENAI_API_KEY": "sk-upstream",
        "MINTGATE_OPENAI_BASE_URL": f"{upstream}/v1",
    }


def running(gateway: Installation, *servers: int) -> Running:
    """What the bench needs to know of a started gateway."""
    assert gateway.process is not None
    _, secret = gateway.mint(CAP_USD)
    files = sorted((gateway.data_dir / "run").glob("*.pid"))
    names = [path.stem for path in files if path.stem != "up"]
    return Running(
        gateway.url,
        bearer(secret),
        (gateway.process.pid, *servers),
        lambda cap_nano_usd: capped(gateway, cap_nano_usd),
        {name: gateway.pid(name) for name in names},
        gateway.core_target,
        (gateway.data_dir / "operator-token").read_text().strip(),
    )


def capped(gateway: Installation, cap_nano_usd: int) -> Capped:
    """Mint a key with a cap; what it spent is asked of the ledger."""
    with gateway.client() as client:
        minted = client.keys.mint(f"burst-{next(_numbers)}", cap_nano_usd=cap_nano_usd)

    def spent_nano_usd() -> int:
        with gateway.client() as client:
            return client.keys.get(minted.key.id).spent_nano_usd

    return Capped(bearer(minted.secret), spent_nano_usd)


@contextmanager
def start_sqlite(upstream: str, **more: str) -> Iterator[Running]:
    """On a SQLite file in a directory of its own. The books are audited at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="mintgate-bench-") as name,
        installation(Path(name), **settings(upstream), **more) as gateway,
    ):
        yield running(gateway)
        gateway.audit()


@contextmanager
def start_postgres(upstream: str, **more: str) -> Iterator[Running]:
    """On a private PostgreSQL with its own defaults. The books are audited at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="mintgate-bench-") as name,
        running_postgres(**POSTGRES_DEFAULTS) as server,
    ):
        assert server.process is not None
        database = server.url(server.create_database())
        schema.migrate(PostgresUrl.parse(database))
        with installation(
            Path(name), **settings(upstream), MINTGATE_STORE=database, **more
        ) as gateway:
            yield running(gateway, server.process.pid)
            gateway.audit()


def postgres_version() -> str:
    """Mintgate's version and the server's."""
    server = version_of("postgres", "--version", folders=POSTGRES_FOLDERS)
    return f"{version('mintgate')}, PostgreSQL {server}"


MINTGATE_SQLITE = Contender(
    "mintgate-sqlite", "Mintgate, SQLite", start_sqlite, lambda: version("mintgate")
)
MINTGATE_POSTGRES = Contender(
    "mintgate-postgres", "Mintgate, PostgreSQL", start_postgres, postgres_version
)
