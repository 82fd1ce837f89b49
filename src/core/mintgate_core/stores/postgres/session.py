"""One connection: how it is opened, and how statements are sent over it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.types.numeric import Int8BinaryDumper

from mintgate_core.stores.postgres import arrays
from mintgate_core.stores.postgres.url import PostgresUrl

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

Row = tuple[Any, ...]
Statement = tuple[str, Sequence[object]]


class Session:
    """A connection, in autocommit mode: transactions begin and end where the code says so."""

    def __init__(self, raw: AsyncConnection[Row], url: PostgresUrl) -> None:
        self.raw = raw
        self.commit_sent = False
        """Whether the transaction under way may have happened."""
        self.now = NOW
        self._pipeline = url.pipeline
        self._pooled = url.pooled

    @classmethod
    async def open(cls, url: PostgresUrl) -> Session:
        """Connect. Raises `psycopg.Error`."""
        raw = await AsyncConnection.connect(
            url.conninfo,
            autocommit=True,
            prepare_threshold=None if url.pooled else 0,
        )
        session = cls(raw, url)
        try:
            arrays.register(raw)
            # One type for every number: one prepared statement for every text.
            raw.adapters.register_dumper(int, Int8BinaryDumper)
            if not url.pooled:
                await session.query(SET, [False] * (len(SETTINGS) + 1))
            ((functions,),) = await session.query(HAS_TIMELINE)
            if functions:
                session.now = NOW_AND_TIMELINE
        except BaseException:
            await raw.close()
            raise
        return session

    async def query(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Rows of one statement."""
        cursor = await self._execute(statement, values)
        return await cursor.fetchall()

    async def execute(self, statement: str, values: Sequence[object] = ()) -> None:
        """Run a statement without rows."""
        await self._execute(statement, values)

    async def batch(self, statements: Sequence[Statement]) -> list[AsyncCursor[Row]]:
        """Run statements in this order, in one round trip where pipelines are on."""
        if not self._pipeline:
            return [await self._execute(*statement) for statement in statements]
        async with self.raw.pipeline():
            return [await self._execute(*statement) for statement in statements]

    async def _execute(self, statement: str, values: Sequence[object] = ()) -> AsyncCursor[Row]:
        return await self.raw.execute(statement.encode(), values or None, binary=True)

    def beginning(self, isolation: str = "read committed") -> list[Statement]:
        """The statements that open a transaction."""
        begin: list[Statement] = [(f"begin isolation level {isolation}", ())]
        if self._pooled:
            begin.append((SET, [True] * (len(SETTINGS) + 1)))
        return begin

    async def commit(self, statements: Sequence[Statement] = ()) -> None:
        """Run statements and commit, in one round trip where pipelines are on."""
        if not self._pipeline:
            await self.batch(statements)
            statements = ()
        self.commit_sent = True
        await self.batch([*statements, ("commit", ())])
        self.commit_sent = False

    async def reset(self) -> None:
        """Leave the transaction, if there is one."""
        if self.raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            await self.execute("rollback")

    async def close(self) -> None:
        """Let go of the connection."""
        with suppress(psycopg.Error, OSError):
            await self.raw.close()

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
            socket.socket(fileno=os.dup(self.raw.pgconn.socket)) as shared,
        ):
            shared.shutdown(socket.SHUT_RDWR)
