"""A store in memory, for tests of this project and of its users.

It passes the whole conformance suite; a visible difference from the others is a
bug. Nothing survives the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mintgate_core.clock import Clock, MonotoneClock, wall_clock_ms
from mintgate_core.ledger.books import Books, Needs
from mintgate_core.ledger.decide import decide
from mintgate_core.ledger.errors import Conflict, NotFound
from mintgate_core.ledger.opening import opened
from mintgate_core.ledger.operations import Answer, Grant, Operation
from mintgate_core.ledger.types import (
    Account,
    ChargeDetail,
    Entry,
    Hold,
    HoldJob,
    Job,
    JournalKind,
    Key,
    Line,
)
from mintgate_core.ledger.windows import changed_caps, lifetime_line
from mintgate_core.stores.base import (
    MINT_REPLAY_MS,
    Check,
    ClaimedJob,
    EventQuery,
    KeyChange,
    MintReplay,
    OpenHolds,
    StoredPrice,
    Usage,
    UsageRow,
)
from mintgate_core.stores.memory_audit import audit
from mintgate_core.stores.memory_objects import MemoryObjects
from mintgate_core.stores.objects import recorded


class MemoryStore:
    """See `stores.base.Store` for the methods."""

    def __init__(self, clock: Clock = wall_clock_ms) -> None:
        self._clock = MonotoneClock(clock)
        self.line_by_id: dict[int, Line] = {}
        self.hold_by_id: dict[bytes, Hold] = {}
        self.job_by_id: dict[bytes, Job] = {}
        self.objects = MemoryObjects(self._clock)
        self.entries: dict[bytes, dict[JournalKind, Entry]] = {}
        self.details: list[ChargeDetail] = []
        self.account_by_id: dict[str, Account] = {}
        self.key_by_id: dict[str, Key] = {}
        self._replays: dict[tuple[str, bytes], MintReplay] = {}
        self._cards: dict[str, str] = {}
        self._overrides: list[StoredPrice] = []
        self._clean_full_audit_ms = 0

    @property
    def epoch(self) -> int:
        return 0

    @property
    def retry_count(self) -> int:
        return 0

    async def now_ms(self) -> int:
        return self._clock()

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        needs = Needs.of(operations)
        books = self._load(needs)
        answers = decide(books, operations)
        self.line_by_id.update(books.new_lines)
        self.line_by_id.update(books.changed_lines)
        self.key_by_id.update(books.changed_keys)
        for hold_id in books.gone_holds:
            del self.hold_by_id[hold_id]
        self.hold_by_id.update(books.new_holds)
        self.hold_by_id.update(books.changed_holds)
        for hold_id in books.gone_jobs:
            del self.job_by_id[hold_id]
        self.job_by_id.update(books.new_jobs)
        self.job_by_id.update(books.changed_jobs)
        for entry in books.new_entries:
            self.entries.setdefault(entry.operation_id, {})[entry.kind] = entry
        self.details.extend(books.new_details)
        self.objects.add(recorded(books))
        return answers

    def _load(self, needs: Needs) -> Books:
        """Copies of what decide changes, so that a bug half way leaves nothing behind."""
        keys = {i: self.key_by_id[i] for i in needs.key_ids if i in self.key_by_id}
        holds = {
            i: replace(self.hold_by_id[i]) for i in needs.operation_ids if i in self.hold_by_id
        }
        line_ids = Books.lines_to_load(needs, keys.values(), holds.values())
        return Books(
            now_ms=self._clock(),
            lines={i: replace(self.line_by_id[i]) for i in line_ids if i in self.line_by_id},
            keys=keys,
            holds=holds,
            entries={i: dict(self.entries[i]) for i in needs.operation_ids if i in self.entries},
            jobs={i: replace(self.job_by_id[i]) for i in needs.job_ids if i in self.job_by_id},
        )

    async def check(self) -> None:
        pass

    async def due_holds(self, limit: int) -> list[tuple[bytes, int]]:
        now_ms = self._clock()
        due = [hold for hold in self.hold_by_id.values() if hold.expires_at_ms <= now_ms]
        due.sort(key=lambda hold: hold.expires_at_ms)
        return [(hold.hold_id, hold.wallet_id) for hold in due[:limit]]

    async def wallet_of(self, operation_id: bytes) -> int | None:
        if hold := self.hold_by_id.get(operation_id):
            return hold.wallet_id
        kinds = self.entries.get(operation_id)
        return next(iter(kinds.values())).wallet_id if kinds else None

    async def holds(self, wallet_id: int | None, limit: int) -> list[Hold]:
        found = [h for h in self.hold_by_id.values() if wallet_id in (None, h.wallet_id)]
        return sorted(found, key=lambda hold: hold.reserved_at_ms)[:limit]

    async def claim_jobs(self, limit: int, lease_ms: int) -> list[ClaimedJob]:
        now_ms = self._clock()
        due = [job for job in self.job_by_id.values() if job.due_at_ms <= now_ms]
        due = sorted(due, key=lambda job: job.due_at_ms)[:limit]
        for job in due:
            job.due_at_ms = now_ms + lease_ms
            job.attempt += 1
        return [ClaimedJob(replace(job), replace(self.hold_by_id[job.hold_id])) for job in due]

    async def open_holds(self) -> OpenHolds:
        now_ms, holds = self._clock(), self.hold_by_id.values()
        of_jobs = [hold.reserved_at_ms for hold in holds if hold.job is not HoldJob.NONE]
        return OpenHolds(
            len(holds),
            sum(hold.amount_nano_usd for hold in holds),
            sum(hold.expires_at_ms <= now_ms for hold in holds),
            len(of_jobs),
            now_ms - min(of_jobs, default=now_ms),
        )

    async def journal(self, wallet_id: int, after_seq: int, limit: int) -> list[Entry]:
        found = [
            entry
            for kinds in self.entries.values()
            for entry in kinds.values()
            if entry.wallet_id == wallet_id and entry.seq > after_seq
        ]
        return sorted(found, key=lambda entry: entry.seq)[:limit]

    async def lines(self, line_ids: Sequence[int]) -> dict[int, Line]:
        return {i: replace(self.line_by_id[i]) for i in line_ids if i in self.line_by_id}

    async def add_account(
        self,
        account: Account,
        master: Key,
        *,
        first: Grant | None = None,
        replay: MintReplay | None = None,
    ) -> None:
        wallet, entries = opened(account, first)
        taken = account.account_id in self.account_by_id or account.wallet_id in self.line_by_id
        if taken or self._taken(master) or await self._answered(replay):
            raise Conflict("an id of the account is taken, or the same request was answered")
        self.account_by_id[account.account_id] = account
        self.line_by_id[account.wallet_id] = wallet
        for entry in entries:
            self.entries[entry.operation_id] = {entry.kind: entry}
        await self.add_key(master, replay)

    async def account(self, account_id: str) -> Account | None:
        return self.account_by_id.get(account_id)

    async def accounts(self, after_id: str, limit: int) -> list[Account]:
        found = [a for a in self.account_by_id.values() if a.account_id > after_id]
        return sorted(found, key=lambda a: a.account_id)[:limit]

    async def add_key(self, key: Key, replay: MintReplay | None = None) -> None:
        if await self._answered(replay):
            raise Conflict("the same mint was answered just now")
        if self._taken(key):
            raise Conflict("an id of the key is taken")
        if replay is not None:
            self._replays[(replay.minter_key_id, replay.idempotency_sha256)] = replay
        self.key_by_id[key.key_id] = key
        line = lifetime_line(key)
        self.line_by_id[line.line_id] = line

    async def _answered(self, replay: MintReplay | None) -> bool:
        if replay is None:
            return False
        found = await self.mint_replay(replay.minter_key_id, replay.idempotency_sha256)
        return found is not None

    def _taken(self, key: Key) -> bool:
        return (
            key.key_id in self.key_by_id
            or any(line_id in self.line_by_id for line_id in key.line_ids)
            or any(k.secret_sha256 == key.secret_sha256 for k in self.key_by_id.values())
        )

    async def mint_replay(self, minter_key_id: str, idempotency_sha256: bytes) -> MintReplay | None:
        found = self._replays.get((minter_key_id, idempotency_sha256))
        if found is None or found.created_at_ms < self._clock() - MINT_REPLAY_MS:
            return None
        return found

    async def key(self, key_id: str) -> Key | None:
        return self.key_by_id.get(key_id)

    async def keys_by_id(self, key_ids: Sequence[str]) -> dict[str, Key]:
        return {i: self.key_by_id[i] for i in key_ids if i in self.key_by_id}

    async def key_by_secret(self, secret_sha256: bytes) -> Key | None:
        found = (
            k
            for k in self.key_by_id.values()
            if secret_sha256 in (k.secret_sha256, k.previous_secret_sha256)
        )
        return next(found, None)

    async def keys(
        self, account_id: str, *, external_user_id: str, before_id: str, limit: int
    ) -> list[Key]:
        found = [
            key
            for key in self.key_by_id.values()
            if key.account_id == account_id
            and (not external_user_id or key.external_user_id == external_user_id)
            and (not before_id or key.key_id < before_id)
        ]
        return sorted(found, key=lambda key: key.key_id, reverse=True)[:limit]

    async def change_key(self, key_id: str, change: KeyChange) -> Key:
        before = self.key_by_id.get(key_id)
        if before is None:
            raise NotFound("there is no such key", field="key_id")
        after, caps = changed_caps(before, change(before))
        self.key_by_id[key_id] = after
        for line_id, cap in caps.items():
            self.line_by_id[line_id].recap(cap)
        return after

    async def revoked_since(self, from_ms: int, limit: int) -> list[tuple[str, int]]:
        found = [
            (key.key_id, key.revoked_at_ms)
            for key in self.key_by_id.values()
            if key.revoked_at_ms and key.revoked_at_ms >= from_ms
        ]
        return sorted(found, key=lambda pair: pair[1], reverse=True)[:limit]

    async def last_used_ms(self, key_ids: Sequence[str]) -> dict[str, int]:
        wanted = set(key_ids)
        newest = [d for d in self.details if d.subject.key_id in wanted]
        return {d.subject.key_id: d.at_ms for d in sorted(newest, key=lambda d: d.seq)}

    async def usage(
        self, wallet_id: int, *, key_id: str, from_ms: int, to_ms: int
    ) -> list[UsageRow]:
        sums: dict[tuple[str, str, str], Usage] = {}
        for detail in self.details:
            subject = detail.subject
            if (
                detail.wallet_id == wallet_id
                and from_ms <= detail.at_ms < to_ms
                and key_id in ("", subject.key_id)
            ):
                group = (subject.key_id, subject.provider, detail.model)
                sums[group] = sums.get(group, Usage()) + Usage.of(detail)
        return [UsageRow(*group, usage) for group, usage in sums.items()]

    async def fold_usage(self, before_ms: int, limit: int) -> int:
        # There is no rollup: usage is added up from the charges each time.
        del before_ms, limit
        return 0

    async def events(self, query: EventQuery) -> list[ChargeDetail]:
        found = [
            detail
            for detail in self.details
            if detail.wallet_id == query.wallet_id
            and query.key_id in ("", detail.subject.key_id)
            and (not query.from_ms or detail.at_ms >= query.from_ms)
            and (not query.to_ms or detail.at_ms < query.to_ms)
            and (not query.before_seq or detail.seq < query.before_seq)
            and detail.seq > query.after_seq
        ]
        ascending = query.ascending or query.after_seq > 0
        return sorted(found, key=lambda d: d.seq, reverse=not ascending)[: query.limit]

    async def keep_card(self, version: str, card_json: str) -> None:
        self._cards.setdefault(version, card_json)

    async def card(self, version: str) -> str | None:
        return self._cards.get(version)

    async def add_overrides(self, prices: Sequence[StoredPrice]) -> None:
        for price in prices:
            self._overrides.append(replace(price, position=len(self._overrides) + 1))

    async def overrides(self, after_position: int = 0) -> list[StoredPrice]:
        return self._overrides[after_position:]

    async def audit(self, *, full: bool = False) -> list[Check]:
        # Here reading everything is as cheap as looking up what is new.
        checks = audit(self)
        if full and not any(check.findings for check in checks):
            self._clean_full_audit_ms = self._clock()
        return checks

    async def clean_full_audit_ms(self) -> int:
        return self._clean_full_audit_ms

    async def close(self) -> None:
        """Nothing to let go of."""
