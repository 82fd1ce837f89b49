"""Four ways to be wrong in SQL, each beside the way that the PostgreSQL store goes.

Every test first shows that the wrong statement really fails on this server, so that
nobody "simplifies" the order of statements in `stores.postgres.ledger`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from mintgate_core.stores.columns import LINE_COLUMNS
from mintgate_core.stores.postgres import sql
from psycopg.errors import DeadlockDetected, LockNotAvailable

from tests.harness import eventually
from tests.servers.postgres import PostgresServer

WAIT_S = 10.0
ONE, TWO = 1, 2
HOLD = b"h" * 16

INSERT_LINE = (
    "insert into line (line_id, wallet_id, kind, cap, ceiling) values (%s, %s, 1, 1000, 1000)"
)
INSERT_HOLD = (
    "insert into hold values (%s, %s, '[]', 'k', 'a', 'p', 'm', 'r', 'q', 'v', 60, 60, 0, 0, 1,"
    " '{}', 0, 0, 0)"
)
LOCK = sql.LOCK_WALLETS
RESERVE = "update line set held = %s where line_id = %s"


class Sessions:
    """Two transactions that get in each other's way, and one that looks on."""

    def __init__(self, url: str, threads: ThreadPoolExecutor) -> None:
        self.first = psycopg.connect(url)
        self.second = psycopg.connect(url)
        self.onlooker = psycopg.connect(url, autocommit=True)
        self._threads = threads

    def behind(self, statement: str, values: list[Any]) -> Future[list[Any]]:
        """Run a statement of the second transaction, which must wait for the first."""
        running = self._threads.submit(
            lambda: self.second.execute(statement.encode(), values).fetchall()
        )
        waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and pid = %s"
        pid = self.second.info.backend_pid
        eventually(
            lambda: running.done() or self.onlooker.execute(waits, [pid]).fetchall(),
            WAIT_S,
            "waiting",
        )
        return running

    def close(self) -> None:
        for connection in (self.first, self.second, self.onlooker):
            connection.close()


@pytest.fixture
def sessions(postgres: PostgresServer, database: str) -> Iterator[Sessions]:
    """Two wallets, and one open hold on the first."""
    url = postgres.url(database)
    with psycopg.connect(url) as setup:
        for line_id in (ONE, TWO):
            setup.execute(INSERT_LINE, [line_id, line_id])
        setup.execute(INSERT_HOLD, [HOLD, ONE])
    with ThreadPoolExecutor(2) as threads:
        sessions = Sessions(url, threads)
        yield sessions
        sessions.close()


def test_locking_and_reading_in_one_statement_reads_what_is_gone(sessions: Sessions) -> None:
    """One statement waits for the lock and then sees the hold that was resolved meanwhile."""
    wrong = (
        "with wallet as materialized (select line_id from line where line_id = %s for update)"
        " select h.hold_id from wallet w join hold h on h.wallet_id = w.line_id"
    )

    def resolve_meanwhile(statement: str) -> list[Any]:
        sessions.first.execute(LOCK, [[ONE]])
        values: list[Any] = [ONE] if statement == wrong else [[ONE]]
        waiting = sessions.behind(statement, values)
        sessions.first.execute("delete from hold where hold_id = %s", [HOLD])
        sessions.first.commit()
        return waiting.result(WAIT_S)

    assert resolve_meanwhile(wrong) == [(HOLD,)], "the trap is gone; is this PostgreSQL?"
    sessions.second.rollback()
    sessions.first.execute(INSERT_HOLD, [HOLD, ONE])
    sessions.first.commit()
    # Ours: the lock by itself, and what else is needed by a later statement.
    assert [row[0] for row in resolve_meanwhile(LOCK)] == [ONE]
    assert sessions.second.execute(sql.HOLDS_BY_ID, [[HOLD]]).fetchall() == []


def test_reading_before_the_lock_loses_a_hold(sessions: Sessions) -> None:
    """A room that was read before the lock is granted twice, and no CHECK notices."""
    room = "select ceiling - held from line where line_id = %s"
    before = [
        session.execute(room, [ONE]).fetchone() for session in (sessions.first, sessions.second)
    ]
    assert before == [(1000,), (1000,)]
    sessions.first.execute(LOCK, [[ONE]])
    sessions.first.execute(RESERVE, [600, ONE])
    waiting = sessions.behind(LOCK, [[ONE]])
    sessions.first.commit()
    (locked,) = waiting.result(WAIT_S)
    sessions.second.execute(RESERVE, [600, ONE])
    sessions.second.commit()
    # Two holds of 600 fit a wallet of 1,000, says the wrong way.
    assert sessions.onlooker.execute(room, [ONE]).fetchone() == (400,)
    # Ours decides on what the lock itself returned: 600 are held by then.
    held = dict(zip(LINE_COLUMNS.split(", "), locked, strict=True))["held"]
    assert held == 600


def test_making_a_row_when_it_is_first_needed_locks_nothing(sessions: Sessions) -> None:
    """Insert-or-lock in one statement gets neither row nor lock while another creates it."""
    wrong = (
        "with made as (insert into line (line_id, wallet_id, kind, cap, ceiling)"
        " values (%s, %s, 1, 1000, 1000) on conflict do nothing)"
        " select line_id from line where line_id = %s for update"
    )
    new = 3
    sessions.first.execute(INSERT_LINE, [new, new])
    waiting = sessions.behind(wrong, [new, new, new])
    sessions.first.commit()
    assert waiting.result(WAIT_S) == [], "no row, and so no lock"
    # Ours makes a wallet with its account, before anything can be reserved on it.
    sessions.second.rollback()
    rows = sessions.second.execute(LOCK, [[new]]).fetchall()
    assert [row[0] for row in rows] == [new]


def test_locks_without_an_order_deadlock(sessions: Sessions) -> None:
    """Two wallets locked in two orders end in a deadlock; sorted, the second waits empty-handed."""
    one_by_one = "select line_id from line where line_id = %s for update"
    sessions.first.execute(one_by_one, [ONE])
    sessions.second.execute(one_by_one, [TWO])
    waiting = sessions.behind(one_by_one, [ONE])
    failures = []
    try:
        sessions.first.execute(one_by_one, [TWO])
    except DeadlockDetected as error:
        failures.append(error)
        sessions.first.rollback()
    try:
        waiting.result(WAIT_S)
    except DeadlockDetected as error:
        failures.append(error)
    assert len(failures) == 1
    sessions.first.rollback()
    sessions.second.rollback()
    # Ours, asked for the wallets in the wrong order, waits for the first and has no other.
    sessions.first.execute(LOCK, [[ONE]])
    waiting = sessions.behind(LOCK, [[TWO, ONE]])
    assert sessions.onlooker.execute(f"{one_by_one} nowait".encode(), [TWO]).fetchall() == [(TWO,)]
    with pytest.raises(LockNotAvailable):
        sessions.onlooker.execute(f"{one_by_one} nowait".encode(), [ONE])
    sessions.first.commit()
    assert [row[0] for row in waiting.result(WAIT_S)] == [ONE, TWO]
