"""Readiness follows the store."""

from __future__ import annotations

from grpc_health.v1.health_pb2 import HealthCheckResponse
from mintgate_core.readiness import Readiness
from mintgate_core.stores.postgres import PostgresStore, PostgresUrl

from tests.servers.postgres import HOST, PostgresServer
from tests.servers.proxy import running_proxy

SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING


class Told:
    """Keeps what it is told, as the health service does."""

    def __init__(self) -> None:
        self.statuses: list[tuple[str, int]] = []

    async def set(self, service: str, status: HealthCheckResponse.ServingStatus.ValueType) -> None:
        self.statuses.append((service, status))


async def test_a_core_is_ready_while_its_database_answers(
    postgres: PostgresServer, database: str
) -> None:
    """A database that goes silent makes the core unready, and one that is back ready again."""
    with running_proxy(HOST, postgres.port) as proxy:
        url = f"postgresql://mintgate@{HOST}:{proxy.port}/{database}"
        store = await PostgresStore.open(PostgresUrl.parse(url))
        told = Told()
        readiness = Readiness(store, told, ("", "ledger"))
        try:
            assert await readiness.check()
            assert await readiness.check()
            proxy.partition()
            assert not await readiness.check()
            proxy.heal()
            proxy.cut()
            assert await readiness.check()
        finally:
            await store.close()
    expected = [(name, s) for s in (SERVING, NOT_SERVING, SERVING) for name in ("", "ledger")]
    assert told.statuses == expected
