"""`PostgresStore`: any number of cores on one database.

Whoever writes to a wallet's lines locks the wallet's row first; there is no other
lock, and so no order to get wrong. Reads take no lock. A transaction that fails in
a way that may pass is run again as a whole: operations are idempotent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from mintgate_core.clock import Clock
from mintgate_core.ledger.errors import Unavailable
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
from mintgate_core.stores.postgres import audit, directory, jobs, ledger, meter, schema, sql
from mintgate_core.stores.postgres.objects import PostgresObjects
from mintgate_core.stores.postgres.pool import DEADLINE_S, Pool, T, Work
from mintgate_core.stores.postgres.session import Session
from mintgate_core.stores.postgres.url import PostgresUrl

WRITERS_MAX = 8
"""A connection for each lane's batch, and some for keys and accounts."""

READERS_MAX = 4
"""Reads take milliseconds; more connections would only share the same processors."""

CHECK_S = 2.0
"""A database that needs longer to tell the time cannot hold money in time either."""

OPEN_DEADLINE_S = 8.0
"""How long a start waits for a database that is coming up."""

log = logging.getLogger(__name__)


class PostgresStore:
    """See `stores.base.Store` for the methods; make one with `open`."""

    def __init__(self, url: PostgresUrl, clock: Clock | None = None) -> None:
        self._clock = clock
        self._last_ms = 0
        self._epoch = 0
        self._hints = ledger.Hints()
        connect = partial(Session.open, url)
        self._writers = Pool(connect, WRITERS_MAX)
        self._readers = Pool(connect, READERS_MAX)
        self.objects = PostgresObjects(self._write, self._read, self._times)

    @classmethod
    async def open(
        cls, url: PostgresUrl, clock: Clock | None = None, *, deadline_s: float = OPEN_DEADLINE_S
    ) -> PostgresStore:
        """Connect to a migrated database.

        `clock` replaces the database's. Raises `Unavailable` when the database
        cannot be reached, or when its schema is too old or too new for this release.
        """
        store = cls(url, clock)
        try:
            await store._writers.run(schema.require, deadline_s=deadline_s)
            ((last_ms,),) = await store._read(lambda s: s.query(sql.LAST_TIME))
            store._last_ms = last_ms
            await store.now_ms()
        except BaseException:
            await store.close()
            raise
        return store

    @staticmethod
    async def audit_database(url: PostgresUrl, *, full: bool = False) -> list[Check]:
        """Audit a database, which may be a standby: then what was found in order is not noted.

        Raises `Unavailable` as `open` does.
        """
        store = PostgresStore(url)
        try:
            await store._readers.run(schema.require, deadline_s=OPEN_DEADLINE_S)
            return await store.audit(full=full)
        finally:
            await store.close()

    async def _write(self, work: Work[T]) -> T:
        return await self._writers.run(work)

    async def _read(self, work: Work[T], *, deadline_s: float = DEADLINE_S) -> T:
        return await self._readers.run(work, deadline_s=deadline_s)

    def _times(self, database_ms: int, timeline: int) -> int:
        """The time of the transaction that read the database's clock; never goes back."""
        self._epoch = timeline
        now_ms = database_ms if self._clock is None else self._clock()
        self._last_ms = max(self._last_ms, now_ms)
        return self._last_ms

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def retry_count(self) -> int:
        return self._writers.retry_count + self._readers.retry_count

    async def now_ms(self) -> int:
        ((database_ms, timeline),) = await self._read(lambda s: s.query(s.now))
        return self._times(database_ms, timeline)

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        return await self._write(lambda s: ledger.apply(s, self._hints, self._times, operations))

    async def check(self) -> None:
        # An idle core hears of a failover by this, and of nothing else.
        ((database_ms, timeline),) = await self._read(lambda s: s.query(s.now), deadline_s=CHECK_S)
        self._times(database_ms, timeline)

    async def due_holds(self, limit: int) -> list[tuple[bytes, int]]:
        now_ms = await self.now_ms()
        found = await self._read(lambda s: s.query(sql.DUE_HOLDS, [now_ms, limit]))
        return [(row[0], row[1]) for row in found]

    async def wallet_of(self, operation_id: bytes) -> int | None:
        found = await self._read(
            lambda s: s.query(sql.WALLET_OF_OPERATION, [operation_id, operation_id])
        )
        return int(found[0][0]) if found else None

    async def holds(self, wallet_id: int | None, limit: int) -> list[Hold]:
        statement, values = (
            (sql.ALL_HOLDS, [limit]) if wallet_id is None else (sql.HOLDS, [wallet_id, limit])
        )
        found = await self._read(lambda s: s.query(statement, values))
        return [rows.hold(row) for row in found]

    async def claim_jobs(self, limit: int, lease_ms: int) -> list[ClaimedJob]:
        return await self._write(lambda s: jobs.claim(s, self._times, limit, lease_ms))

    async def open_holds(self) -> OpenHolds:
        now_ms = await self.now_ms()
        (row,) = await self._read(lambda s: s.query(sql.OPEN_HOLDS, [now_ms, now_ms]))
        return OpenHolds(*row)

    async def journal(self, wallet_id: int, after_seq: int, limit: int) -> list[Entry]:
        values = [wallet_id, after_seq, limit]
        return [rows.entry(row) for row in await self._read(lambda s: s.query(sql.JOURNAL, values))]

    async def lines(self, line_ids: Sequence[int]) -> dict[int, Line]:
        return await self._read(lambda s: directory.lines(s, line_ids))

    async def add_account(
        self,
        account: Account,
        master: Key,
        *,
        first: Grant | None = None,
        replay: MintReplay | None = None,
    ) -> None:
        wallet = opened(account, first)
        await self._write(lambda s: directory.add_account(s, account, master, wallet, replay))

    async def account(self, account_id: str) -> Account | None:
        return await self._read(lambda s: directory.account(s, account_id))

    async def accounts(self, after_id: str, limit: int) -> list[Account]:
        return await self._read(lambda s: directory.accounts(s, after_id, limit))

    async def add_key(self, key: Key, replay: MintReplay | None = None) -> None:
        now_ms = await self.now_ms() if replay else 0
        await self._write(lambda s: directory.add_key(s, key, replay, now_ms))

    async def mint_replay(self, minter_key_id: str, idempotency_sha256: bytes) -> MintReplay | None:
        now_ms = await self.now_ms()
        return await self._read(
            lambda s: directory.mint_replay(s, minter_key_id, idempotency_sha256, now_ms)
        )

    async def key(self, key_id: str) -> Key | None:
        return await self._read(lambda s: directory.key(s, key_id))

    async def keys_by_id(self, key_ids: Sequence[str]) -> dict[str, Key]:
        return await self._read(lambda s: directory.keys_by_id(s, key_ids))

    async def key_by_secret(self, secret_sha256: bytes) -> Key | None:
        return await self._read(lambda s: directory.key_by_secret(s, secret_sha256))

    async def keys(
        self, account_id: str, *, external_user_id: str, before_id: str, limit: int
    ) -> list[Key]:
        return await self._read(
            lambda s: directory.keys(s, account_id, external_user_id, before_id, limit)
        )

    async def change_key(self, key_id: str, change: KeyChange) -> Key:
        return await self._write(lambda s: directory.change_key(s, key_id, change))

    async def revoked_since(self, from_ms: int, limit: int) -> list[tuple[str, int]]:
        # A key that was never revoked has 0.
        values = [max(from_ms, 1), limit]
        found = await self._read(lambda s: s.query(sql.REVOKED_SINCE, values))
        return [(row[0], row[1]) for row in found]

    async def last_used_ms(self, key_ids: Sequence[str]) -> dict[str, int]:
        return await self._read(lambda s: meter.last_used_ms(s, key_ids))

    async def usage(
        self, wallet_id: int, *, key_id: str, from_ms: int, to_ms: int
    ) -> list[UsageRow]:
        return await self._read(lambda s: meter.usage(s, wallet_id, key_id, from_ms, to_ms))

    async def fold_usage(self, before_ms: int, limit: int) -> int:
        return await self._write(lambda s: meter.fold_usage(s, before_ms, limit))

    async def events(self, query: EventQuery) -> list[ChargeDetail]:
        return await self._read(lambda s: meter.events(s, query))

    async def keep_card(self, version: str, card_json: str) -> None:
        await self._write(lambda s: meter.keep_card(s, version, card_json))

    async def card(self, version: str) -> str | None:
        return await self._read(lambda s: meter.card(s, version))

    async def add_overrides(self, prices: Sequence[StoredPrice]) -> None:
        await self._write(lambda s: meter.add_overrides(s, prices))

    async def overrides(self, after_position: int = 0) -> list[StoredPrice]:
        return await self._read(lambda s: meter.overrides(s, after_position))

    async def audit(self, *, full: bool = False) -> list[Check]:
        audited = await self._readers.run(
            lambda s: audit.audit(s, full=full), deadline_s=audit.AUDIT_S, attempt_s=audit.AUDIT_S
        )
        if audited.writable:
            try:
                await self._note(audited, full=full)
            except Unavailable as error:
                log.warning("what the audit found in order was not noted: %s", error)
        return audited.checks

    async def _note(self, audited: Audited, *, full: bool) -> None:
        for checkpoints in audited.writes():
            await self._write(partial(audit.keep, checkpoints=checkpoints))
        if full and audited.clean:
            now_ms = await self.now_ms()
            await self._write(lambda s: audit.note_clean(s, now_ms))

    async def clean_full_audit_ms(self) -> int:
        return await self._read(audit.clean_full_audit_ms)

    async def close(self) -> None:
        await asyncio.gather(self._writers.close(), self._readers.close())
