"""Migrations: safe to race, safe under load, and refused by releases that do not fit."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from mintgate_core.ledger.errors import Unavailable
from mintgate_core.stores.conformance import Tenant
from mintgate_core.stores.postgres import PostgresStore, PostgresUrl, schema

from tests.servers.postgres import PostgresServer

RUNS = 4


def set_version(server: PostgresServer, database: str, version: int, readable_from: int) -> None:
    # Numbers of the test's own.
    change = f"update schema_info set version = {version}, readable_from = {readable_from}"  # noqa: S608
    server.execute(change, database)


def test_racing_runs_migrate_once(postgres: PostgresServer, empty_database: str) -> None:
    """Several first runs at once all succeed and leave one schema; one more changes nothing."""
    url = PostgresUrl.parse(postgres.url(empty_database))
    with ThreadPoolExecutor(RUNS) as threads:
        for run in [threads.submit(schema.migrate, url) for _ in range(RUNS)]:
            run.result()
    version = postgres.execute("select id, version, readable_from from schema_info", empty_database)
    assert version == [(1, schema.VERSION, 1)]
    assert postgres.execute("select count(*) from alembic_version", empty_database) == [(1,)]
    schema.migrate(url)


async def test_what_a_core_of_the_first_release_writes_is_read(
    postgres: PostgresServer, empty_database: str
) -> None:
    """A key that is there before an upgrade, and one minted during it, may be used anywhere."""
    url = PostgresUrl.parse(postgres.url(empty_database))
    schema.migrate(url, "1_tuning")
    columns = (
        "key_id, account_id, wallet_id, line_ids, secret_sha256, name, prefix, scope, status,"
        " created_at, expires_at, revoked_at, external_user_id, metadata, allowed_providers,"
        " allowed_models, unbounded_output, on_disconnect"
    )
    for number in (1, 2):
        values = (
            f"'key_{number}', 'acc', 1, '[]', decode('{number:064}', 'hex'), 'n', 'p', 1, 1,"
            " 1, 0, 0, '', '{}', '[]', '[]', 1, 1"
        )
        # Names and values of the test's own.
        insert = f"insert into api_key ({columns}) values ({values})"  # noqa: S608
        postgres.execute(insert, empty_database)
        schema.migrate(url)
    store = await PostgresStore.open(url)
    try:
        for number in (1, 2):
            key = await store.key(f"key_{number}")
            assert key is not None
            assert (key.allowed_origins, key.allowed_cidrs) == ((), ())
    finally:
        await store.close()


def test_newest_step_is_the_version_of_the_release(postgres: PostgresServer, database: str) -> None:
    """What migrations end at is what a core asks for."""
    found = postgres.execute("select version from schema_info", database)
    assert found == [(schema.VERSION,)]


def test_migration_gives_way_to_who_holds_the_row(
    postgres: PostgresServer, empty_database: str
) -> None:
    """A run that cannot get its lock lets go, tries again, and is done once the lock is free."""
    url = PostgresUrl.parse(postgres.url(empty_database))
    schema.migrate(url)
    with psycopg.connect(postgres.url(empty_database)) as holder:
        holder.execute("select * from schema_info for update")
        with pytest.raises(Unavailable, match="cannot be migrated"):
            schema.migrate(url, deadline_s=0.1)
        run = threading.Thread(target=schema.migrate, args=(url,))
        run.start()
        holder.rollback()
        run.join(30)
        assert not run.is_alive()


async def test_why_there_is_no_connection_is_told(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Migration and core say what the database said, so that a wrong setting can be mended."""
    url = PostgresUrl.parse(postgres.url("no_such_database"))
    with pytest.raises(Unavailable, match=r'be migrated: .*"no_such_database" does not exist'):
        schema.migrate(url, deadline_s=0)
    caplog.clear()
    store = PostgresStore(url)
    with pytest.raises(Unavailable):
        await store._readers.run(schema.require, deadline_s=0.5)
    assert '"no_such_database" does not exist' in caplog.messages[0]


async def test_core_refuses_an_empty_database(
    postgres: PostgresServer, empty_database: str
) -> None:
    """A core on a database without tables says which command makes them."""
    with pytest.raises(Unavailable, match="run `mintgate migrate`"):
        await PostgresStore.open(PostgresUrl.parse(postgres.url(empty_database)))


async def test_old_core_goes_on_with_a_newer_schema_that_it_can_read(
    postgres: PostgresServer, database: str
) -> None:
    """After a step that only adds, a core of the release before still starts and keeps books."""
    postgres.execute("alter table line add column added_later text", database)
    postgres.execute("create table added_later (id bigint primary key)", database)
    set_version(postgres, database, schema.VERSION + 1, schema.VERSION)
    store = await PostgresStore.open(PostgresUrl.parse(postgres.url(database)))
    try:
        tenant = await Tenant.open(store, balance=10)
        assert (await store.lines([tenant.account.wallet_id]))[tenant.account.wallet_id].cap >= 10
    finally:
        await store.close()


async def test_upgrade_keeps_the_books(postgres: PostgresServer, empty_database: str) -> None:
    """A database of the first schema is migrated beside old cores, and audited from its start."""
    url = PostgresUrl.parse(postgres.url(empty_database))
    schema.migrate(url, "1_tuning")
    postgres.execute(
        "insert into line (line_id, wallet_id, kind, cap, ceiling, spent)"
        " values (5, 5, 2, 10, 10, 3)",
        empty_database,
    )
    with pytest.raises(Unavailable, match="run `mintgate migrate`"):
        await PostgresStore.open(url)
    schema.migrate(url)
    info = postgres.execute("select version, readable_from from schema_info", empty_database)
    assert info == [(schema.VERSION, 1)]
    checks = await PostgresStore.audit_database(url)
    assert [c.findings for c in checks if c.findings] == [("line 5 spent 3, journal 0",)]


@pytest.mark.parametrize(
    ("version", "readable_from", "told"),
    [
        (schema.VERSION - 1, schema.VERSION - 1, "run `mintgate migrate`"),
        (schema.VERSION + 1, schema.VERSION + 1, "upgrade it"),
    ],
)
async def test_core_refuses_a_schema_that_does_not_fit(
    postgres: PostgresServer, database: str, version: int, readable_from: int, told: str
) -> None:
    """Too old or too new is one clear line, whatever else the database holds."""
    set_version(postgres, database, version, readable_from)
    with pytest.raises(Unavailable, match=told):
        await PostgresStore.open(PostgresUrl.parse(postgres.url(database)))


def test_release_does_not_migrate_a_newer_database(postgres: PostgresServer, database: str) -> None:
    """An old release's migrate leaves a newer schema alone and says so."""
    set_version(postgres, database, schema.VERSION + 1, schema.VERSION)
    with pytest.raises(Unavailable, match="upgrade it"):
        schema.migrate(PostgresUrl.parse(postgres.url(database)))


async def test_migrating_under_load_stops_nobody(postgres: PostgresServer, database: str) -> None:
    """Runs of the migration beside reserves: every reserve is answered, every run ends."""
    url = PostgresUrl.parse(postgres.url(database))
    store = await PostgresStore.open(url)
    try:
        tenant = await Tenant.open(store, balance=10**6)
        runs = [asyncio.to_thread(schema.migrate, url) for _ in range(3)]
        batches = [store.apply([tenant.reserving(tenant.master, 1)]) for _ in range(60)]
        await asyncio.gather(*runs, *batches)
        wallet = (await store.lines([tenant.account.wallet_id]))[tenant.account.wallet_id]
        assert wallet.held == 60
    finally:
        await store.close()
