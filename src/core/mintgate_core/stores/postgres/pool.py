"""A bounded set of connections, and the retries that a transaction gets over them."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import psycopg

from mintgate_core.ledger.errors import Bug, LedgerError, OutcomeUnknown, Unavailable
from mintgate_core.stores.postgres.failures import reason
from mintgate_core.stores.postgres.session import Session

DEADLINE_S = 8.0
"""How long a transaction is tried. Facades wait ten seconds for the ledger."""

ATTEMPT_S = 6.0
"""How long one try may take: the server ends a statement after five."""

BACKOFF_S_MIN = 0.02
BACKOFF_S_MAX = 0.5

AGAIN_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58"})
"""Connection, wrong state, conflict, resources, locks, shutdown and timeouts, system errors."""

UNIQUE = "23505"
CHECK = "23514"
ROW_CLASSES = frozenset({"22", "23"})
"""The batch is at fault, not the store."""

UNDECIDED_CLASSES = frozenset({"08", "57"})
"""Errors of a connection that ends; what it was committing may have been committed."""

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[Session], Awaitable[T]]


class Pool:
    """Connections that are opened when needed and kept when healthy."""

    def __init__(self, connect: Callable[[], Awaitable[Session]], size: int) -> None:
        self._connect = connect
        self._idle: list[Session] = []
        self._free = asyncio.Semaphore(size)
        self._closed = False
        self.retry_count = 0
        """Transactions that were run again."""

    async def run(
        self, work: Work[T], *, deadline_s: float = DEADLINE_S, attempt_s: float = ATTEMPT_S
    ) -> T:
        """Run a transaction, again on a new connection where that may help.

        Raises `Unavailable` when it did not happen, `OutcomeUnknown` when it may
        have, and `Bug` when the database refuses the rows themselves.
        """
        tries = _Tries(deadline_s)
        while True:
            try:
                async with self._session(tries.left_s) as session:
                    return await self._once(session, work, tries, attempt_s)
            except TimeoutError:
                # Every connection is busy, or the server does not take new ones.
                raise tries.given_up() from None
            except (psycopg.Error, OSError) as error:
                await tries.failed(error)
                self.retry_count += 1

    async def _once(self, session: Session, work: Work[T], tries: _Tries, attempt_s: float) -> T:
        session.commit_sent = False
        try:
            with session.watched(min(attempt_s, tries.left_s)):
                return await work(session)
        except (psycopg.Error, OSError) as error:
            tries.note(error, sent=session.commit_sent)
            raise

    @asynccontextmanager
    async def _session(self, wait_s: float) -> AsyncIterator[Session]:
        """A connection of the caller's own; kept afterwards unless it may be broken."""
        if self._free.locked():
            async with asyncio.timeout(wait_s):
                await self._free.acquire()
        else:
            # At once, and without a timer that a batch would pay for.
            await self._free.acquire()
        try:
            if self._idle:
                session = self._idle.pop()
            else:
                async with asyncio.timeout(wait_s):
                    session = await self._connect()
            healthy = False
            try:
                try:
                    yield session
                except LedgerError:
                    # A refusal of ours, not a failure of the connection.
                    with session.watched(ATTEMPT_S):
                        await session.reset()
                    healthy = True
                    raise
                healthy = True
            finally:
                if healthy and not self._closed:
                    self._idle.append(session)
                else:
                    await session.close()
        finally:
            self._free.release()

    async def close(self) -> None:
        """Close what is idle, and what is in use when it comes back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()


class _Tries:
    """What became of one transaction so far."""

    def __init__(self, deadline_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + deadline_s
        self._backoff_s = BACKOFF_S_MIN
        self._refused_rows = 0
        self._may_have_happened = False

    @property
    def left_s(self) -> float:
        """Until the deadline."""
        return max(0.0, self._deadline - self._loop.time())

    def note(self, error: Exception, *, sent: bool) -> None:
        """Remember a failure after a commit was sent: no later one can take it back."""
        code = getattr(error, "sqlstate", None)
        if sent and (code is None or code[:2] in UNDECIDED_CLASSES):
            self._may_have_happened = True

    async def failed(self, error: Exception) -> None:
        """Wait for the next try, or raise what the caller is told."""
        code = getattr(error, "sqlstate", None)
        log.warning("the database failed a transaction: %s", reason(error))
        if code == CHECK:
            self._refused_rows += 1
        if code == CHECK and self._refused_rows > 1:
            raise Bug("the books refused a row that breaks a bound, twice") from None
        if not _worth_another_try(error, code):
            if isinstance(error, psycopg.DataError) or (code or "")[:2] in ROW_CLASSES:
                raise Bug("the store refused a row") from None
            raise self.given_up() from None
        wait_s = self._backoff_s * random.uniform(0.5, 1.5)  # noqa: S311 - spreads retries, guards nothing
        self._backoff_s = min(2 * self._backoff_s, BACKOFF_S_MAX)
        if wait_s >= self.left_s:
            raise self.given_up() from None
        await asyncio.sleep(wait_s)

    def given_up(self) -> Unavailable:
        """What the caller is told in the end."""
        if self._may_have_happened:
            return OutcomeUnknown("the database did not answer a commit in time")
        return Unavailable("the database cannot be reached or is too busy")


def _worth_another_try(error: Exception, code: str | None) -> bool:
    if code is None:
        # A lost connection; or the driver refused a value, which it always will.
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | OSError)
    return code in {UNIQUE, CHECK} or code[:2] in AGAIN_CLASSES
