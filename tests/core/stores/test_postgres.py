"""What only the PostgreSQL store does: failures, retries, several cores, its clock and epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

import psycopg
import pytest
from mintgate_core.ledger.errors import Bug, NotFound, OutcomeUnknown, Unavailable
from mintgate_core.ledger.operations import Reserved, Settled
from mintgate_core.stores.conformance import SettableClock, Tenant, expect, findings
from mintgate_core.stores.conformance.builders import new_id, settling
from mintgate_core.stores.postgres import PostgresStore, PostgresUrl, ledger, schema
from mintgate_core.stores.postgres.session import Session

from tests.servers.postgres import HOST, PostgresServer, running_postgres, running_standby
from tests.servers.proxy import Proxy, running_proxy

STORES = 3
CAP_HOLDS = 50


@pytest.fixture
def proxied(postgres: PostgresServer) -> Iterator[Proxy]:
    """A proxy in front of the session's server."""
    with running_proxy(HOST, postgres.port) as proxy:
        yield proxy


def url_of(port: int, database: str, query: str = "") -> PostgresUrl:
    return PostgresUrl.parse(f"postgresql://mintgate@{HOST}:{port}/{database}{query}")


READABLE = "?pooler=transaction"
"""Without prepared statements the proxy can tell a commit by its text."""

COMMIT = b"\0commit\0"
"""The whole text of a statement; "read committed" is in another."""


async def charges(tenant: Tenant) -> list[int]:
    return [e.charged for e in await tenant.store.journal(tenant.account.wallet_id, 0, 1_000)]


async def test_reply_lost_after_the_commit_is_charged_once(proxied: Proxy, database: str) -> None:
    """A settle whose commit was answered into the void is tried again and gives the same answer."""
    store = await PostgresStore.open(url_of(proxied.port, database, READABLE))
    try:
        tenant = await Tenant.open(store, balance=1_000)
        held = expect(await tenant.apply(tenant.reserving(tenant.master, 100)), Reserved)
        lost = 0

        def lose_one(request: bytes) -> None:
            nonlocal lost
            if COMMIT in request and not lost:
                lost += 1
                proxied.drop_replies()
                # By then the server has got it; the store sees a dead connection.
                loop.call_soon_threadsafe(loop.call_later, 0.3, recover)

        def recover() -> None:
            proxied.cut()
            proxied.heal()

        loop = asyncio.get_running_loop()
        proxied.on_request = lose_one
        settled = expect(await tenant.apply(settling(held.token, 60)), Settled)
        assert lost == 1
        assert store.retry_count == 1
        assert settled.charged_nano_usd == 60
        proxied.on_request = None
        assert await tenant.apply(settling(held.token, 60)) == settled
        assert await charges(tenant) == [0, 60]
        assert await findings(store) == []
    finally:
        await store.close()


async def test_batch_is_two_round_trips(proxied: Proxy, database: str) -> None:
    """All that is read travels at once, and so do all writes with their commit."""
    store = await PostgresStore.open(url_of(proxied.port, database))
    try:
        tenant = await Tenant.open(store, balance=1_000)
        reserving = tenant.reserving(tenant.master, 1)
        # Everything is prepared and known from here on.
        for number in range(3):
            await tenant.apply(replace(reserving, hold_id=new_id(10**9 + number)))
        directions: list[str] = []
        proxied.on_request = lambda _: directions.append("request")
        proxied.on_reply = lambda _: directions.append("reply")
        await tenant.apply(reserving)
        turns = [way for way, _ in groupby(directions)]
        assert turns == ["request", "reply"] * 2
    finally:
        await store.close()


async def test_silent_database_is_given_up_in_time(proxied: Proxy, database: str) -> None:
    """Half-open connections end at the deadline: nothing happened, or nobody can know."""
    store = await PostgresStore.open(url_of(proxied.port, database, READABLE))
    loop = asyncio.get_running_loop()
    try:
        tenant = await Tenant.open(store, balance=1_000)

        async def reserve() -> None:
            operations = [tenant.reserving(tenant.master, 1)]
            await store._writers.run(
                lambda session: ledger.apply(session, store._hints, store._times, operations),
                deadline_s=1.5,
                attempt_s=0.5,
            )

        proxied.partition()
        started = loop.time()
        with pytest.raises(Unavailable) as refused:
            await reserve()
        assert not isinstance(refused.value, OutcomeUnknown)
        assert loop.time() - started < 4
        proxied.cut()
        proxied.heal()
        await reserve()
        proxied.on_request = lambda data: proxied.partition() if COMMIT in data else None
        with pytest.raises(OutcomeUnknown):
            await reserve()
    finally:
        proxied.on_request = None
        proxied.cut()
        proxied.heal()
        await store.close()


async def test_restart_in_the_middle_loses_and_doubles_nothing() -> None:
    """Batches that run through immediate restarts of the server are answered and booked once."""
    with running_postgres() as server:
        name = server.create_database()
        url = PostgresUrl.parse(server.url(name))
        schema.migrate(url)
        store = await PostgresStore.open(url)
        try:
            tenant = await Tenant.open(store, balance=10**6)
            done = asyncio.Event()
            enough = asyncio.Semaphore(0)
            acknowledged: list[int] = []

            async def work() -> None:
                while not done.is_set():
                    hold_id = new_id()
                    try:
                        reserving = tenant.reserving(tenant.master, 100, hold_id=hold_id)
                        held = expect(await tenant.apply(reserving), Reserved)
                        expect(await tenant.apply(settling(held.token, 7)), Settled)
                    except Unavailable:
                        continue
                    acknowledged.append(7)
                    enough.release()

            async with asyncio.TaskGroup() as tasks:
                for _ in range(4):
                    tasks.create_task(work())
                for _ in range(2):
                    await asyncio.to_thread(server.restart, "immediate")
                    async with asyncio.timeout(30):
                        for _ in range(20):
                            await enough.acquire()
                done.set()
            booked = await charges(tenant)
            assert booked.count(7) >= len(acknowledged)
            assert await findings(store) == []
        finally:
            await store.close()


async def test_three_cores_grant_exactly_the_cap(postgres: PostgresServer, database: str) -> None:
    """Stores that share a database without any affinity never let a cap be passed, nor waste it."""
    url = url_of(postgres.port, database)
    stores = [await PostgresStore.open(url) for _ in range(STORES)]
    try:
        tenant = await Tenant.open(stores[0], balance=10**6)
        key = await tenant.mint(cap_nano_usd=CAP_HOLDS * 10)
        batches = [
            store.apply([tenant.reserving(key, 10) for _ in range(4)])
            for store in stores
            for _ in range(10)
        ]
        answers = [answer for batch in await asyncio.gather(*batches) for answer in batch]
        assert sum(isinstance(answer, Reserved) for answer in answers) == CAP_HOLDS
        assert await findings(stores[1]) == []
    finally:
        for store in stores:
            await store.close()


async def test_clock_is_the_databases_and_never_goes_back(
    postgres: PostgresServer, database: str
) -> None:
    """Without a clock of a test's the database's counts; a step back of a clock is not followed."""
    store = await PostgresStore.open(url_of(postgres.port, database))
    ((theirs,),) = postgres.execute("select (extract(epoch from clock_timestamp()) * 1000)::bigint")
    assert isinstance(theirs, int)
    assert 0 <= await store.now_ms() - theirs < 60_000
    await store.close()
    clock = SettableClock()
    store = await PostgresStore.open(url_of(postgres.port, database), clock)
    try:
        before = await store.now_ms()
        clock.advance(-5_000)
        assert await store.now_ms() == before
    finally:
        await store.close()


async def test_epoch_changes_when_a_standby_takes_over() -> None:
    """Answers name the timeline that they were given on; a promoted standby has another one."""
    with running_postgres() as primary:
        name = primary.create_database()
        hosts = f"mintgate@{HOST}:{primary.port}"
        schema.migrate(PostgresUrl.parse(primary.url(name)))
        with running_standby(primary) as standby:
            primary.wait_for_standby("standby")
            both = f"postgresql://{hosts},{HOST}:{standby.port}/{name}"
            store = await PostgresStore.open(PostgresUrl.parse(both))
            try:
                tenant = await Tenant.open(store, balance=1_000)
                assert store.epoch == 1
                primary.wait_for_standby("standby")
                primary.stop("immediate")
                await asyncio.to_thread(standby.promote)
                await tenant.apply(tenant.reserving(tenant.master, 1))
                assert store.epoch == 2
            finally:
                await store.close()


async def test_standby_can_be_audited() -> None:
    """An audit of everything reads a standby, finds what the primary has, and notes nothing."""
    with running_postgres() as primary:
        name = primary.create_database()
        schema.migrate(PostgresUrl.parse(primary.url(name)))
        store = await PostgresStore.open(PostgresUrl.parse(primary.url(name)))
        try:
            tenant = await Tenant.open(store, balance=1_000)
            await tenant.apply(settling(await tenant.reserve(tenant.master, 100), 60))
            assert await findings(store) == []
            noted_ms = await store.clean_full_audit_ms()
            with running_standby(primary) as standby:
                primary.wait_for_standby("standby")
                url = PostgresUrl.parse(standby.url(name, target_session_attrs="any"))
                checks = await PostgresStore.audit_database(url, full=True)
                assert checks == await store.audit(full=True)
                assert checks[1].rows == 2
                primary.execute("update line set spent = spent - 1", name)
                primary.wait_for_standby("standby")
                for full in (False, True):
                    found = await PostgresStore.audit_database(url, full=full)
                    assert {check.number for check in found if check.findings} == {2, 7}
            assert await store.clean_full_audit_ms() >= noted_ms > 0
        finally:
            await store.close()


@pytest.mark.parametrize("query", ["", "?pipeline=off"], ids=["pipelined", "plain"])
async def test_frozen_lock_holder_is_ended_by_the_server(
    postgres: PostgresServer, database: str, query: str
) -> None:
    """A transaction that holds a wallet and goes silent stops others for under two seconds."""
    store = await PostgresStore.open(url_of(postgres.port, database))
    session = await Session.open(url_of(postgres.port, database, query))
    try:
        tenant = await Tenant.open(store, balance=1_000)
        # As a core does that is stopped between its two round trips.
        lock = "select 1 from line where line_id = %s for update"
        await session.batch([*session.beginning(), (lock, [tenant.account.wallet_id])])
        async with asyncio.timeout(4):
            expect(await tenant.apply(tenant.reserving(tenant.master, 1)), Reserved)
        with pytest.raises(psycopg.Error):
            await session.query("select 1")
    finally:
        await session.close()
        await store.close()


async def test_row_that_breaks_a_bound_is_a_bug_after_one_retry(
    postgres: PostgresServer, database: str
) -> None:
    """A CHECK is the net under the ledger: the caller gets Bug without the driver's words."""
    store = await PostgresStore.open(url_of(postgres.port, database))
    tries = 0

    async def overdraw(session: Session) -> None:
        nonlocal tries
        tries += 1
        await session.execute("update line set held = -1")

    try:
        await Tenant.open(store, balance=1_000)
        with pytest.raises(Bug) as refused:
            await store._writers.run(overdraw)
        assert tries == 2
        assert "line" not in refused.value.message
        assert "23514" not in refused.value.message
    finally:
        await store.close()


async def test_refusals_keep_the_connection(postgres: PostgresServer, database: str) -> None:
    """A refusal of ours rolls back and gives the connection back; it is no failure."""
    store = await PostgresStore.open(url_of(postgres.port, database))
    try:
        await Tenant.open(store, balance=1)
        before = list(store._writers._idle)
        with pytest.raises(NotFound):
            await store.change_key("key_nobody", lambda key: key)
        assert store._writers._idle == before
    finally:
        await store.close()


async def test_denials_write_nothing(postgres: PostgresServer, database: str) -> None:
    """A batch in which nothing changes sends no write, so that an empty wallet costs no disk."""
    store = await PostgresStore.open(url_of(postgres.port, database))
    try:
        tenant = await Tenant.open(store)
        written = "select xmin from line order by line_id"
        before = postgres.execute(written, database)
        answers = await store.apply([tenant.reserving(tenant.master, 10) for _ in range(50)])
        assert not any(isinstance(answer, Reserved) for answer in answers)
        assert postgres.execute(written, database) == before
    finally:
        await store.close()


@pytest.mark.parametrize("url", ["postgresql://mintgate@127.0.0.1:1/x", "postgresql://nobody@{}/x"])
async def test_unreachable_database_is_one_line_in_bounded_time(
    url: str, postgres: PostgresServer
) -> None:
    """A database that is not there, or does not know us, is told without the driver's words."""
    address = f"{HOST}:{postgres.port}"
    with pytest.raises(Unavailable, match="cannot be reached"):
        await PostgresStore.open(PostgresUrl.parse(url.format(address)), deadline_s=0.5)
