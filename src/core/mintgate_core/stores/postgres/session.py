"""One connection: how it is opened, and how statements are sent over it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
from psycopg import AsyncConnection
from psycopg.types.numeric import Int8BinaryDumper

from mintgate_core.stores.postgres.failures import NotConnectedError
from mintgate_core.stores.postgres.url import PostgresUrl
from mintgate_core.stores.postgres.wire import Row, Statement, Wire

SETTINGS = {
    # A process that is frozen while it holds a wallet would stall everybody else.
    "idle_in_transaction_session_timeout": "1500ms",
    "lock_timeout": "4s",
    "statement_timeout": "5s",
    # Every statement here finds its rows by an index. A plan that was made while a table was
    # small would read all of it for as long as the statement stays prepared: 30 ms a batch
    # after 20,000 entries, and rising.
    "enable_seqscan": "off",
    # The cost that rules a plan out must not look like one that is worth compiling for.
    "jit": "off",
}

SET = (
    "select "
    + ", ".join(f"set_config('{name}', '{value}', %s)" for name, value in SETTINGS.items())
    # An answer rests on what was flushed. `remote_apply` is stricter still, and stays.
    + ", set_config('synchronous_commit', case current_setting('synchronous_commit')"
    " when 'remote_apply' then 'remote_apply' else 'on' end, %s)"
)

NOW_MS = "(extract(epoch from clock_timestamp()) * 1000)::bigint"
NOW = f"select {NOW_MS}, 0"
NOW_AND_TIMELINE = (
    f"select {NOW_MS}, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"
)
"""A promoted standby writes on another timeline. Read with the clock in every transaction,
because behind a pooler a connection outlives the server behind it."""

HAS_TIMELINE = "select count(*) from pg_proc where proname = 'pg_walfile_name'"


class Session:
    """A connection, in autocommit mode: transactions begin and end where the code says so."""

    def __init__(self, raw: AsyncConnection[Row], url: PostgresUrl) -> None:
        self._raw = raw
        self._wire = Wire(raw, prepares=not url.pooled)
        self.commit_sent = False
        """Whether the transaction under way may have happened."""
        self.now = NOW
        self._pipelined = url.pipeline
        self._pooled = url.pooled

    @classmethod
    async def open(cls, url: PostgresUrl) -> Session:
        """Connect. Raises `psycopg.Error`."""
        try:
            raw = await AsyncConnection.connect(url.conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            raise NotConnectedError.of(error) from None
        # One type for every number: one prepared statement for every text.
        raw.adapters.register_dumper(int, Int8BinaryDumper)
        session = cls(raw, url)
        try:
            if not url.pooled:
                await session.query(SET, [False] * (len(SETTINGS) + 1))
            ((functions,),) = await session.query(HAS_TIMELINE)
            if functions:
                session.now = NOW_AND_TIMELINE
        except BaseException:
            await session.close()
            raise
        return session

    async def query(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Rows of one statement."""
        (found,) = await self._wire.exchange([(statement, values)])
        return found

    async def execute(self, statement: str, values: Sequence[object] = ()) -> None:
        """Run a statement without rows."""
        await self._wire.exchange([(statement, values)])

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Rows of statements that run in this order, in one round trip where pipelines are on."""
        if self._pipelined:
            return await self._wire.exchange(statements)
        return [await self.query(*statement) for statement in statements]

    def beginning(self, isolation: str = "read committed") -> list[Statement]:
        """The statements that open a transaction."""
        begin: list[Statement] = [(f"begin isolation level {isolation}", ())]
        if self._pooled:
            begin.append((SET, [True] * (len(SETTINGS) + 1)))
        return begin

    async def commit(self, statements: Sequence[Statement] = ()) -> None:
        """Run statements and commit, in one round trip where pipelines are on."""
        if not self._pipelined:
            await self.batch(statements)
            statements = ()
        self.commit_sent = True
        await self.batch([*statements, ("commit", ())])
        self.commit_sent = False

    async def rollback(self) -> None:
        """Leave the transaction."""
        await self.execute("rollback")

    async def reset(self) -> None:
        """Leave the transaction, if there is one."""
        if self._raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            await self.rollback()

    async def close(self) -> None:
        """Let go of the connection."""
        self._wire.close()
        with suppress(psycopg.Error, OSError):
            await self._raw.close()

    @contextmanager
    def watched(self, wait_s: float) -> Iterator[None]:
        """Sever the connection when the block has not ended in time.

        A peer may be gone without a word. Cancelling the task would not do: the driver
        then asks the same peer to cancel the statement, and waits for it.
        """
        watchdog = asyncio.get_running_loop().call_later(wait_s, self._sever)
        try:
            yield
        finally:
            watchdog.cancel()

    def _sever(self) -> None:
        with (
            suppress(psycopg.Error, OSError),
            socket.socket(fileno=os.dup(self._raw.pgconn.socket)) as shared,
        ):
            shared.shutdown(socket.SHUT_RDWR)
