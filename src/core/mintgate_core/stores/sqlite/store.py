"""`SqliteStore`: one writer thread, a few readers, `synchronous=FULL`.

Commits are flushed before they are answered; `NORMAL` could lose acknowledged
ones on a power cut. Writes begin `immediate`, because a deferred transaction
that upgrades fails with "busy" whatever the timeout. One process owns the file.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from mintgate_core.clock import Clock, MonotoneClock, wall_clock_ms
from mintgate_core.ledger.errors import Bug, Unavailable
from mintgate_core.ledger.opening import opened
from mintgate_core.ledger.operations import Answer, Grant, Operation
from mintgate_core.ledger.types import Account, ChargeDetail, Entry, Hold, Key, Line
from mintgate_core.stores import rows
from mintgate_core.stores.audited import Audited
from mintgate_core.stores.base import (
    Check,
    ClaimedJob,
    EventQuery,
    KeyChange,
    MintReplay,
    OpenHolds,
    StoredPrice,
    UsageRow,
)
from mintgate_core.stores.sqlite import audit, directory, ledger, meter, schema, sql
from mintgate_core.stores.sqlite.objects import SqliteObjects

READERS = 2
"""Threads for reads. More would only fight over the interpreter."""

STATEMENTS_CACHED = 256

CHECKPOINT_PAGES = 4_096
"""16 MiB of log between checkpoints. A busy page is then written back once instead of four
times as with the default of 1,000 pages, and a restart still reads the log within a second."""

CACHE_KIB = 65_536
"""Pages kept in memory by a connection, at most."""

NOT_NOTED = "what the audit found in order was not noted: %s"

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class SqliteStore:
    """See `stores.base.Store` for the methods; make one with `open`."""

    def __init__(
        self, path: Path, owner: IO[str], writer: sqlite3.Connection, clock: Clock
    ) -> None:
        self._path = path
        self._owner = owner
        self._writer = writer
        (last_ms,) = writer.execute(sql.LAST_TIME).fetchone()
        self._clock = MonotoneClock(clock, last_ms)
        self._write_thread = ThreadPoolExecutor(1, "sqlite-writer")
        self._read_threads = ThreadPoolExecutor(READERS, "sqlite-reader")
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self.objects = SqliteObjects(self._write, self._read, self._clock)

    @classmethod
    def open(cls, path: Path, clock: Clock = wall_clock_ms) -> SqliteStore:
        """Open or create the file and bring its schema up to date.

        Raises `Unavailable` when another process owns it, when it is from a
        newer release, or when the directory cannot be written.
        """
        with ExitStack() as undo:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                owner = undo.enter_context(path.with_name(path.name + ".lock").open("w"))
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                writer = undo.enter_context(closing(_connect(path)))
                schema.migrate(writer)
                store = cls(path, owner, writer, clock)
            except BlockingIOError:
                raise Unavailable(f"another process is using {path}") from None
            except OSError as error:
                raise Unavailable(f"cannot open {path}: {error.strerror}") from None
            except sqlite3.Error as error:
                raise Unavailable(f"cannot open {path}: {error}") from None
            # From here on the store owns them.
            undo.pop_all()
        return store

    @staticmethod
    def audit_file(path: Path, *, full: bool = False, clock: Clock = wall_clock_ms) -> list[Check]:
        """Audit a file that another process may be using; readers need no lock.

        Checkpoints are written beside the owner, a few milliseconds at a time. Raises
        `Unavailable` when there is no such file, or it is no store of this release.
        """
        if not path.exists():
            raise Unavailable(f"there is no store at {path}")
        try:
            with closing(_connect(path)) as connection:
                schema.require(connection)
                connection.execute("begin deferred")
                audited = audit.audit(connection, full=full)
                connection.execute("rollback")
                try:
                    for work in _notes(audited, clock, full=full):
                        _transact(connection, work)
                except Unavailable as error:
                    log.warning(NOT_NOTED, error)
        except sqlite3.Error as error:
            raise Unavailable(f"cannot audit {path}: {error}") from None
        return audited.checks

    async def _write(self, work: Work[T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._write_thread, _transact, self._writer, work)

    async def _read(self, work: Work[T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._read_threads, self._read_now, work)

    def _read_now(self, work: Work[T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _connect(self._path)
            self._readers.append(connection)
        # One snapshot for all statements of a read.
        connection.execute("begin deferred")
        try:
            return work(connection)
        except sqlite3.Error as error:
            raise Unavailable(f"the store cannot be read: {error}") from None
        finally:
            connection.execute("rollback")

    @property
    def epoch(self) -> int:
        return 0

    @property
    def retry_count(self) -> int:
        return 0

    async def now_ms(self) -> int:
        return self._clock()

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        return await self._write(lambda c: ledger.apply(c, self._clock, operations))

    async def check(self) -> None:
        await self._read(lambda c: c.execute("select 1").fetchone())

    async def due_holds(self, limit: int) -> list[tuple[bytes, int]]:
        now_ms = self._clock()
        return await self._read(lambda c: c.execute(sql.DUE_HOLDS, (now_ms, limit)).fetchall())

    async def wallet_of(self, operation_id: bytes) -> int | None:
        def work(connection: sqlite3.Connection) -> int | None:
            for statement in (sql.WALLET_OF_HOLD, sql.WALLET_OF_ENTRY):
                row = connection.execute(statement, (operation_id,)).fetchone()
                if row:
                    return int(row[0])
            return None

        return await self._read(work)

    async def holds(self, wallet_id: int | None, limit: int) -> list[Hold]:
        statement, values = (
            (sql.ALL_HOLDS, (limit,)) if wallet_id is None else (sql.HOLDS, (wallet_id, limit))
        )
        return await self._read(lambda c: [rows.hold(row) for row in c.execute(statement, values)])

    async def claim_jobs(self, limit: int, lease_ms: int) -> list[ClaimedJob]:
        return await self._write(lambda c: ledger.claim_jobs(c, self._clock(), limit, lease_ms))

    async def open_holds(self) -> OpenHolds:
        now_ms = self._clock()
        return await self._read(
            lambda c: OpenHolds(*c.execute(sql.OPEN_HOLDS, (now_ms, now_ms)).fetchone())
        )

    async def journal(self, wallet_id: int, after_seq: int, limit: int) -> list[Entry]:
        values = (wallet_id, after_seq, limit)
        return await self._read(
            lambda c: [rows.entry(row) for row in c.execute(sql.JOURNAL, values)]
        )

    async def lines(self, line_ids: Sequence[int]) -> dict[int, Line]:
        return await self._read(lambda c: directory.lines(c, line_ids))

    async def add_account(
        self,
        account: Account,
        master: Key,
        *,
        first: Grant | None = None,
        replay: MintReplay | None = None,
    ) -> None:
        wallet = opened(account, first)
        await self._write(lambda c: directory.add_account(c, account, master, wallet, replay))

    async def account(self, account_id: str) -> Account | None:
        return await self._read(lambda c: directory.account(c, account_id))

    async def accounts(self, after_id: str, limit: int) -> list[Account]:
        return await self._read(lambda c: directory.accounts(c, after_id, limit))

    async def add_key(self, key: Key, replay: MintReplay | None = None) -> None:
        await self._write(lambda c: directory.add_key(c, key, replay, self._clock()))

    async def mint_replay(self, minter_key_id: str, idempotency_sha256: bytes) -> MintReplay | None:
        now_ms = self._clock()
        return await self._read(
            lambda c: directory.mint_replay(c, minter_key_id, idempotency_sha256, now_ms)
        )

    async def key(self, key_id: str) -> Key | None:
        return await self._read(lambda c: directory.key(c, key_id))

    async def keys_by_id(self, key_ids: Sequence[str]) -> dict[str, Key]:
        return await self._read(lambda c: directory.keys_by_id(c, key_ids))

    async def key_by_secret(self, secret_sha256: bytes) -> Key | None:
        return await self._read(lambda c: directory.key_by_secret(c, secret_sha256))

    async def keys(
        self, account_id: str, *, external_user_id: str, before_id: str, limit: int
    ) -> list[Key]:
        return await self._read(
            lambda c: directory.keys(c, account_id, external_user_id, before_id, limit)
        )

    async def change_key(self, key_id: str, change: KeyChange) -> Key:
        return await self._write(lambda c: directory.change_key(c, key_id, change))

    async def revoked_since(self, from_ms: int, limit: int) -> list[tuple[str, int]]:
        # A key that was never revoked has 0.
        values = (max(from_ms, 1), limit)
        return await self._read(lambda c: c.execute(sql.REVOKED_SINCE, values).fetchall())

    async def last_used_ms(self, key_ids: Sequence[str]) -> dict[str, int]:
        return await self._read(lambda c: meter.last_used_ms(c, key_ids))

    async def usage(
        self, wallet_id: int, *, key_id: str, from_ms: int, to_ms: int
    ) -> list[UsageRow]:
        return await self._read(lambda c: meter.usage(c, wallet_id, key_id, from_ms, to_ms))

    async def fold_usage(self, before_ms: int, limit: int) -> int:
        return await self._write(lambda c: meter.fold_usage(c, before_ms, limit))

    async def events(self, query: EventQuery) -> list[ChargeDetail]:
        return await self._read(lambda c: meter.events(c, query))

    async def keep_card(self, version: str, card_json: str) -> None:
        await self._write(lambda c: meter.keep_card(c, version, card_json))

    async def card(self, version: str) -> str | None:
        return await self._read(lambda c: meter.card(c, version))

    async def add_overrides(self, prices: Sequence[StoredPrice]) -> None:
        await self._write(lambda c: meter.add_overrides(c, prices))

    async def overrides(self, after_position: int = 0) -> list[StoredPrice]:
        return await self._read(lambda c: meter.overrides(c, after_position))

    async def audit(self, *, full: bool = False) -> list[Check]:
        audited = await self._read(lambda c: audit.audit(c, full=full))
        try:
            for work in _notes(audited, self._clock, full=full):
                await self._write(work)
        except Unavailable as error:
            log.warning(NOT_NOTED, error)
        return audited.checks

    async def clean_full_audit_ms(self) -> int:
        return await self._read(audit.clean_full_audit_ms)

    async def close(self) -> None:
        self._write_thread.shutdown(wait=True)
        self._read_threads.shutdown(wait=True)
        for connection in (*self._readers, self._writer):
            connection.close()
        self._owner.close()


def _connect(path: Path) -> sqlite3.Connection:
    # Autocommit mode: transactions begin and end where the code says so.
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_CACHED,
    )
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("pragma busy_timeout = 5000")
        connection.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"pragma cache_size = -{CACHE_KIB}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _notes(audited: Audited, clock: Clock, *, full: bool) -> Iterator[Work[None]]:
    """What an audit leaves for the next one, a transaction each."""
    for checkpoints in audited.writes():
        yield partial(audit.keep, checkpoints=checkpoints)
    if full and audited.clean:
        yield lambda connection: audit.note_clean(connection, clock())


def _transact(connection: sqlite3.Connection, work: Work[T]) -> T:
    try:
        connection.execute("begin immediate")
        result = work(connection)
        connection.execute("commit")
    except sqlite3.IntegrityError as error:
        # The net under the ledger's own invariants: the batch is at fault, not the store.
        _rollback(connection)
        raise Bug(f"the store refused a row: {error}") from error
    except sqlite3.Error as error:
        _rollback(connection)
        raise Unavailable(f"the store cannot be written: {error}") from error
    except BaseException:
        _rollback(connection)
        raise
    return result


def _rollback(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("rollback")
