"""Statements over one connection: together, in order, and after whatever went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
import uvloop
from mintgate_core.stores.postgres import PostgresUrl
from mintgate_core.stores.postgres.session import Session
from mintgate_core.stores.postgres.wire import PREPARED_MAX

from tests.servers.postgres import PostgresServer, running_postgres

BIG = "x" * (1 << 20)
"""More than the sockets of both sides take without a reader."""

SESSIONS = 12
ROUNDS = 3
ENDED_WITHIN_S = 5.0
"""Of the server's end; without a look it was never."""

PREPARED = "select count(*) from pg_prepared_statements"


@pytest.fixture(params=["", "?pipeline=off", "?pooler=transaction"])
async def session(
    request: pytest.FixtureRequest, postgres: PostgresServer, database: str
) -> AsyncIterator[Session]:
    """A connection in each of the ways in which it may be used."""
    opened = await Session.open(PostgresUrl.parse(postgres.url(database) + request.param))
    yield opened
    await opened.close()


async def test_answers_come_in_the_order_of_the_statements(session: Session) -> None:
    """Each statement has its own rows, none for one that has none, values of every type."""
    found = await session.batch(
        [
            ("select %s, %s, %s", [2**62, "naïve", b"\x00\xff"]),
            ("create temporary table t (n bigint)", ()),
            ("insert into t values (%s), (%s)", [1, 2]),
            ("select n from t order by n", ()),
        ]
    )
    assert found == [[(2**62, "naïve", b"\x00\xff")], [], [], [(1,), (2,)]]


async def test_both_sides_may_have_more_to_say_than_sockets_hold(session: Session) -> None:
    """A batch of many megabytes whose answers are as long does not wait for itself."""
    found = await session.batch([("select %s", [BIG]) for _ in range(16)])
    assert found == [[(BIG,)]] * 16


async def test_a_refused_statement_ends_its_batch_and_not_the_connection(session: Session) -> None:
    """The first failure is raised, nothing behind it runs, and the next batch is answered."""
    await session.execute("create temporary table t (n bigint primary key)")
    for _ in range(2):
        # The second time, what was prepared behind the failure must be prepared again.
        with pytest.raises(psycopg.errors.UniqueViolation):
            await session.batch(
                [
                    ("insert into t values (%s), (%s)", [1, 1]),
                    ("insert into t values (%s), (2 + 0)", [1]),
                ]
            )
        await session.reset()
    assert await session.query("select n from t") == []
    await session.execute("insert into t values (%s), (2 + 0)", [1])
    assert await session.query("select n from t order by n") == [(1,), (2,)]


async def test_statement_of_many_kinds_of_values_is_one_for_each(session: Session) -> None:
    """The same text with values of other types is prepared for those."""
    assert await session.query("select %s::text", ["a"]) == [("a",)]
    assert await session.query("select %s::text", [1]) == [("1",)]
    assert await session.query("select %s::text", [None]) == [(None,)]


async def test_value_that_cannot_be_sent_leaves_nothing_half_said(session: Session) -> None:
    """A value that no type takes is refused before anything is sent."""
    with pytest.raises(psycopg.Error):
        await session.batch([("select 1", ()), ("select %s", [object()])])
    assert await session.query("select 2") == [(2,)]


async def test_prepared_statements_are_bounded(postgres: PostgresServer, database: str) -> None:
    """However many texts a connection has run, the server keeps a bounded number of them."""
    session = await Session.open(PostgresUrl.parse(postgres.url(database)))
    try:
        numbers = range(PREPARED_MAX + 40)
        found = await session.batch([(f"select {number}", ()) for number in numbers])
        assert found == [[(number,)] for number in numbers]
        ((kept,),) = await session.query(PREPARED)
        assert kept == PREPARED_MAX
        assert await session.query("select 0") == [(0,)]
    finally:
        await session.close()


async def test_connection_that_was_ended_says_why_and_stays_ended(session: Session) -> None:
    """The server's reason is raised once; later statements fail at once, without a wait."""
    ((own,),) = await session.query("select pg_backend_pid()")
    with pytest.raises(psycopg.errors.AdminShutdown):
        await session.query("select pg_terminate_backend(%s::int), pg_sleep(5)", [own])
    with pytest.raises(psycopg.OperationalError):
        await session.query("select 1")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_every_exchange_ends_when_the_server_dies(mode: str) -> None:
    """However a server ends in the midst of exchanges, none of them waits for ever.

    On the loop that core runs on: of connections that are reset uvloop stops to tell.
    """
    with running_postgres() as server:
        for _ in range(ROUNDS):
            assert uvloop.run(_pending_after(server, mode)) == 0
            server.start()


async def _pending_after(server: PostgresServer, mode: str) -> int:
    """How many of some busy sessions still wait for a server that has been stopped."""
    url = PostgresUrl.parse(server.url(server.create_database()))
    sessions = [await Session.open(url) for _ in range(SESSIONS)]
    begun = [asyncio.Event() for _ in sessions]

    async def work(session: Session, begun: asyncio.Event) -> None:
        while True:
            await session.batch([*session.beginning(), ("select generate_series(1, 200)", ())])
            await session.commit([("select 2", ())])
            begun.set()

    pairs = zip(sessions, begun, strict=True)
    tasks = [asyncio.ensure_future(work(*pair)) for pair in pairs]
    await asyncio.gather(*(event.wait() for event in begun))
    await asyncio.to_thread(server.stop, mode)
    done, pending = await asyncio.wait(tasks, timeout=ENDED_WITHIN_S)
    assert all(isinstance(task.exception(), psycopg.OperationalError) for task in done)
    for session in sessions:
        await session.close()
    return len(pending)
