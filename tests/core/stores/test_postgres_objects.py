"""Objects in PostgreSQL: every statement finds its rows by the index that it means."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest
from mintgate_core.stores.conformance import Tenant
from mintgate_core.stores.conformance.objects import made
from mintgate_core.stores.postgres import PostgresStore, PostgresUrl, objects
from mintgate_core.stores.postgres.arrays import bigints, texts
from mintgate_core.stores.postgres.session import Session

from tests.servers.postgres import PostgresServer

OBJECTS = 2_560
NAMES = [texts(["provider-a"] * 2), texts(["file"] * 2), texts(["f1", "f2"])]
LIST = ["key", "provider-a", "file", 5, 2**62, "", 10]

PLANS: tuple[tuple[str, Sequence[object], str], ...] = (
    (objects.BY_NAME, NAMES, "owned_object_pkey"),
    (objects.CHANGE, [texts(["n"] * 2), bigints([0] * 2), *NAMES], "owned_object_pkey"),
    (objects.DELETE, [*NAMES, texts(["key"]), 0, 0], "owned_object_pkey"),
    (objects.NEWEST_FIRST, LIST, "object_of_key"),
    (objects.OLDEST_FIRST, LIST, "object_of_key"),
    (objects.OVER, [5, 10], "object_expiry"),
)


@pytest.fixture
async def store(postgres: PostgresServer, database: str) -> AsyncIterator[PostgresStore]:
    """An empty store."""
    store = await PostgresStore.open(PostgresUrl.parse(postgres.url(database)))
    yield store
    await store.close()


async def test_every_statement_has_its_index(store: PostgresStore) -> None:
    """With an empty table, with a full one, and before and after its statistics are known.

    A plan stays for as long as its statement is prepared, and an index on fewer columns would
    read what all keys have.
    """
    tenant = await Tenant.open(store)
    key = await tenant.mint()
    await _expect_indexes(store)
    for start in range(0, OBJECTS, 256):
        names = [f"f{number}" for number in range(start, start + 256)]
        await store.objects.record([made(key, name) for name in names], OBJECTS)
    await _expect_indexes(store)
    await store._write(lambda session: session.execute("analyze owned_object"))
    await _expect_indexes(store)


async def _plan(statement: str, values: Sequence[object], session: Session) -> str:
    return "\n".join(row[0] for row in await session.query(f"explain {statement}", values))


async def _expect_indexes(store: PostgresStore) -> None:
    for statement, values, index in PLANS:
        plan = await store._read(partial(_plan, statement, values))
        used = {name for _, _, name in PLANS if f"{name} on" in plan or f"on {name}" in plan}
        assert used == {index}, plan
