"""Fixtures that every part of the suite may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from mintgate_core.stores.postgres import PostgresUrl, schema
from mintgate_simulator.serve import background_simulator
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.harness import Installation, installation
from tests.servers.pgbouncer import PgBouncer, running_pgbouncer
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.redis import RedisServer, running_redis

# A busy machine makes examples slowly, and how fast they are made is no property of ours.
settings.register_profile("mintgate", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("mintgate")

TOGETHER = ("tests/e2e/test_fleet_", "tests/sdk_node/")
"""Tests whose paths begin so share what is dear to start: one worker runs them all."""


class Together(LoadScopeScheduling):
    """Gives each test to the next free worker, but those of `TOGETHER` to one.

    The scheduler that pytest-xdist has for this marks groups in the ids of tests, which
    pytest 9.2 no longer lets it change: the marks are then ignored without a word.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((start for start in TOGETHER if nodeid.startswith(start)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    """Tell pytest-xdist who runs what."""
    return Together(config, log)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One running gateway for a worker's whole session; tests mint keys of their own.

    At the end the books must be clean, whatever the tests did.
    """
    with installation(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway
        gateway.audit()


@pytest.fixture(scope="session")
def simulator_url() -> Iterator[str]:
    """One simulator of providers in this process, for gateways that do not start their own."""
    with background_simulator() as url:
        yield url


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL for a worker's whole session; tests make databases of their own.

    A test that stops or breaks a server starts one for itself by `running_postgres`.
    """
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer(postgres: PostgresServer) -> Iterator[PgBouncer]:
    """A pooler in transaction mode in front of the session's PostgreSQL."""
    with running_pgbouncer(postgres) as pooler:
        yield pooler


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> str:
    """A database with the schema of this release, to be copied."""
    name = postgres.create_database()
    schema.migrate(PostgresUrl.parse(postgres.url(name)))
    return name


@pytest.fixture
def database(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """The name of a migrated database of this test's own."""
    name = postgres.create_database(migrated_template)
    yield name
    postgres.drop_database(name)


@pytest.fixture
def empty_database(postgres: PostgresServer) -> Iterator[str]:
    """The name of a database of this test's own, without any table."""
    name = postgres.create_database()
    yield name
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis for a worker's whole session; keys carry ids, so tests do not meet.

    A test that stops or slows a server starts one for itself by `running_redis`.
    """
    with running_redis() as server:
        yield server
