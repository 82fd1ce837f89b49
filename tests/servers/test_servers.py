"""The servers that tests start do what the tests rely on."""

from __future__ import annotations

import psycopg
import pytest

from tests.harness import eventually
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import HOST, PostgresServer, running_postgres, running_standby
from tests.servers.proxy import running_proxy


def test_each_test_has_a_database_of_its_own(postgres: PostgresServer, empty_database: str) -> None:
    """A database is empty, flushes what it commits, and is the only one of its name."""
    count = "select count(*) from pg_tables where schemaname = 'public'"
    assert postgres.execute(count, empty_database) == [(0,)]
    assert postgres.execute("show fsync", empty_database) == [("on",)]
    assert postgres.create_database() != empty_database


def test_pooler_is_in_transaction_mode(pgbouncer: PgBouncer, empty_database: str) -> None:
    """The pooler refuses a startup parameter that it does not know, as Debian's does."""
    with psycopg.connect(pgbouncer.url(empty_database)) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    refused = pgbouncer.url(empty_database, options="-c%20lock_timeout%3D1s")
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
        psycopg.connect(refused)


def test_crash_keeps_what_was_committed_and_failover_what_was_replicated() -> None:
    """An immediate restart keeps a commit; a synchronous standby has it when promoted."""
    with running_postgres() as primary, running_standby(primary) as standby:
        primary.wait_for_standby("standby")
        primary.require_standby("standby")
        primary.execute("create table kept (n int)")
        primary.restart("immediate")
        primary.wait_for_standby("standby")
        primary.execute("insert into kept values (1)")
        primary.stop("immediate")
        standby.promote()
        assert standby.execute("select n from kept") == [(1,)]
        timeline = "select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
        assert standby.execute(timeline) == [("00000002",)]


def test_proxy_loses_a_reply_but_not_the_commit(
    postgres: PostgresServer, empty_database: str
) -> None:
    """What was committed behind a proxy that dropped the reply is there, and cuts are noticed."""
    postgres.execute("create table kept (n int)", empty_database)
    with running_proxy(HOST, postgres.port) as proxy:
        url = f"host={HOST} port={proxy.port} user=mintgate dbname={empty_database}"
        # Closed by hand: it is broken in the end.
        connection = psycopg.connect(url)
        connection.execute("insert into kept values (1)")

        def lose(request: bytes) -> None:
            if b"COMMIT" in request:
                proxy.drop_replies()

        def committed() -> bool:
            return postgres.execute("select n from kept", empty_database) == [(1,)]

        proxy.on_request = lose
        connection.pgconn.send_query(b"COMMIT")
        while connection.pgconn.flush():
            pass
        eventually(committed, 10, "the commit")
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
        connection.close()
        proxy.on_request = None
        proxy.heal()
        with psycopg.connect(url) as again:
            assert again.execute("select n from kept").fetchone() == (1,)
        assert proxy.connections == 2


def test_proxy_holds_replies_until_it_heals(postgres: PostgresServer, empty_database: str) -> None:
    """A held reply arrives after healing, and a refusing proxy ends connections at once."""
    with running_proxy(HOST, postgres.port) as proxy:
        url = f"host={HOST} port={proxy.port} user=mintgate dbname={empty_database}"
        with psycopg.connect(url, autocommit=True) as connection:
            proxy.on_request = lambda _: proxy.hold_replies()
            proxy.on_reply = lambda _: proxy.heal()
            assert connection.execute("select 1").fetchone() == (1,)
        proxy.refuse()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=5)
