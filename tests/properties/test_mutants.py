"""Kept mutants: ledgers that are wrong in one small way, each of which our checks must catch.

Five came from experience with a ledger over PostgreSQL. Of these "no ORDER BY where
locks are taken" makes no sense here, since a store with one writer cannot deadlock;
in its place stands a batch that is not decided in its order of arrival. "Lazy rows"
became lines that are taken for empty when they were not loaded. The rest are the
mistakes that are nearest to hand in this code.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from mintgate_core.ledger import resolve
from mintgate_core.ledger.books import Books, Needs
from mintgate_core.ledger.errors import Bug, Denied
from mintgate_core.ledger.money import UNLIMITED
from mintgate_core.ledger.operations import (
    Answer,
    Expire,
    Operation,
    Progress,
    Release,
    Released,
    RenewJob,
    Reserve,
    Reserved,
    Settle,
)
from mintgate_core.ledger.types import Entry, JournalKind, Key, Line, LineKind, OpenWindow
from mintgate_core.ledger.windows import current_window
from mintgate_core.stores.conformance import SettableClock, Tenant, findings
from mintgate_core.stores.conformance.machine import BATCH_MAX, Driven, LedgerMachine
from mintgate_core.stores.memory import MemoryStore
from mintgate_core.stores.sqlite import SqliteStore, ledger

# The package's `decide` is the function; this is its module.
rules = importlib.import_module("mintgate_core.ledger.decide")

DAY_MS = 86_400_000
EXAMPLES_MAX = 1_000
"""Every mutant was caught within a few dozen."""

Patch = Callable[[pytest.MonkeyPatch], None]
Rule = Callable[[Books, Any], Answer]


def settle_ignores_the_journal(patch: pytest.MonkeyPatch) -> None:
    """A repeated settle is taken for a late one and charged again."""
    patch.setattr(rules, "SETTLING", ())


def late_settle_forgets_the_expiry(patch: pytest.MonkeyPatch) -> None:
    """What an expiry charged is charged again by the late settle."""

    def mutant(books: Books, op: Settle) -> Entry:
        kinds = books.entries.pop(op.hold_id, {})
        entry = resolve.settle_late(books, op)
        books.entries[op.hold_id] = kinds | books.entries[op.hold_id]
        return entry

    patch.setattr(rules, "settle_late", mutant)


def sweeper_trusts_its_own_clock(patch: pytest.MonkeyPatch) -> None:
    """Whoever asks for an expiry says that it is due; that clock is a day ahead."""

    def mutant(books: Books, op: Expire) -> Answer:
        books.now_ms += DAY_MS
        answer = original(books, op)
        books.now_ms -= DAY_MS
        return answer

    original = _replace_rule(patch, Expire, mutant)


def denial_moves_the_wallet(patch: pytest.MonkeyPatch) -> None:
    """A hold is taken from the wallet before the key's line refuses it."""

    def mutant(books: Books, op: Reserve) -> Answer:
        answer = original(books, op)
        wallet = books.lines[op.wallet_id]
        if isinstance(answer, Denied) and wallet.room > 0:
            books.move([wallet], held=1)
        return answer

    original = _replace_rule(patch, Reserve, mutant)


def release_leaves_no_tombstone(patch: pytest.MonkeyPatch) -> None:
    """A release of an unknown id is forgotten, so that its reserve holds for nobody."""

    def mutant(books: Books, op: Release) -> Answer:
        if op.hold_id not in books.holds and not books.kinds(op.hold_id):
            return Released(0)
        return original(books, op)

    original = _replace_rule(patch, Release, mutant)


def reserve_ignores_the_journal(patch: pytest.MonkeyPatch) -> None:
    """A reserve that arrives after its end opens a hold again."""

    def mutant(books: Books, op: Reserve) -> Answer:
        kinds = books.entries.pop(op.hold_id, None)
        answer = original(books, op)
        if kinds is not None:
            books.entries[op.hold_id] = kinds
        return answer

    original = _replace_rule(patch, Reserve, mutant)


def only_the_cap_is_checked(patch: pytest.MonkeyPatch) -> None:
    """The wallet's room is never looked at."""
    _ignore_room(patch, LineKind.WALLET)


def only_the_wallet_is_checked(patch: pytest.MonkeyPatch) -> None:
    """The key's room is never looked at."""
    _ignore_room(patch, LineKind.KEY_CAP)


def overrun_is_always_charged(patch: pytest.MonkeyPatch) -> None:
    """The cost beyond a hold is charged without looking at the lines."""
    patch.setattr(resolve, "_room", lambda lines: UNLIMITED)


def expiry_is_free(patch: pytest.MonkeyPatch) -> None:
    """What was reported before a hold expired is given away."""

    def mutant(hold: Any, op: Any) -> tuple[JournalKind, int]:
        kind, actual = original(hold, op)
        return kind, 0 if kind is JournalKind.EXPIRE else actual

    original = resolve._outcome
    patch.setattr(resolve, "_outcome", mutant)


def fitted_limit_is_one_too_many(patch: pytest.MonkeyPatch) -> None:
    """The limit that fits is rounded up instead of down."""
    original = rules._fit
    patch.setattr(
        rules, "_fit", lambda price, room: min(price.output_tokens, original(price, room) + 1)
    )


def window_is_never_checked(patch: pytest.MonkeyPatch) -> None:
    """The room of a calendar window is never looked at."""
    _ignore_room(patch, LineKind.KEY_WINDOW)


def refusal_enters_the_window(patch: pytest.MonkeyPatch) -> None:
    """A window's line is written before it is known whether the reserve fits."""

    def mutant(books: Books, key: Key, op: Reserve) -> tuple[list[Line], Key | None]:
        lines, entered = original(books, key, op)
        if entered is not None:
            books.enter_window(entered, lines[-1])
        return lines, None

    original = rules._lines_of
    patch.setattr(rules, "_lines_of", mutant)


def window_ends_late(patch: pytest.MonkeyPatch) -> None:
    """A window ends one millisecond late."""

    def mutant(key: Key, now_ms: int) -> OpenWindow | None:
        return current_window(key, now_ms - 1)

    patch.setattr(rules, "current_window", mutant)


def job_has_no_last_look(patch: pytest.MonkeyPatch) -> None:
    """A job's hold expires at its deadline, before anybody polls once more."""
    patch.setattr(rules, "job_of", lambda books, hold: None)


def progress_moves_the_deadline(patch: pytest.MonkeyPatch) -> None:
    """Whoever reports on a job's hold may keep its money for ever."""

    def mutant(books: Books, op: Progress) -> Answer:
        hold = books.holds.get(op.hold_id)
        if hold is not None:
            hold.expires_at_ms = max(hold.expires_at_ms, books.now_ms + op.ttl_ms)
        return original(books, op)

    original = _replace_rule(patch, Progress, mutant)


def any_claim_renews(patch: pytest.MonkeyPatch) -> None:
    """A poller whose lease is over gives back a job that another one has."""

    def mutant(books: Books, op: RenewJob) -> Answer:
        job = books.jobs.get(op.hold_id)
        return original(books, replace(op, attempt=job.attempt) if job else op)

    original = _replace_rule(patch, RenewJob, mutant)


def job_outlives_its_hold(patch: pytest.MonkeyPatch) -> None:
    """A settle leaves the job behind, to be polled for ever."""
    patch.setattr(Books, "_end_job", lambda self, hold_id: None)


@pytest.mark.parametrize(
    "mutate",
    [
        settle_ignores_the_journal,
        late_settle_forgets_the_expiry,
        sweeper_trusts_its_own_clock,
        denial_moves_the_wallet,
        release_leaves_no_tombstone,
        reserve_ignores_the_journal,
        only_the_cap_is_checked,
        only_the_wallet_is_checked,
        overrun_is_always_charged,
        expiry_is_free,
        fitted_limit_is_one_too_many,
        window_is_never_checked,
        refusal_enters_the_window,
        window_ends_late,
        job_has_no_last_look,
        progress_moves_the_deadline,
        any_claim_renews,
        job_outlives_its_hold,
    ],
    ids=lambda mutate: mutate.__name__,
)
def test_wrong_rule_is_caught(mutate: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine of test_ledger_machine.py fails on a ledger with this one rule changed."""
    mutate(monkeypatch)
    _assert_caught(MemoryStore, 1)


class SettlesFirst(MemoryStore):
    """Decides a batch's settles before all else, to free money early."""

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Apply in another order than that of arrival."""
        places = sorted(range(len(operations)), key=lambda i: not isinstance(operations[i], Settle))
        answers = await super().apply([operations[place] for place in places])
        by_place = dict(zip(places, answers, strict=True))
        return [by_place[place] for place in range(len(operations))]


class LazyLines(MemoryStore):
    """Takes a line that the batch did not name for one that was never used."""

    def _load(self, needs: Needs) -> Books:
        books = super()._load(needs)
        named = needs.wallet_ids | {i for key in books.keys.values() for i in key.line_ids}
        for line_id, line in books.lines.items():
            if line_id not in named:
                books.lines[line_id] = replace(line, held=0, spent=0)
        return books


class WritesOneLine(MemoryStore):
    """Writes the wallet's line and forgets the key's when a hold is settled."""

    def _load(self, needs: Needs) -> Books:
        books = super()._load(needs)
        if needs.line_ids:
            books.changed_lines = _Forgetful(self.line_by_id)
        return books


class _Forgetful(dict[int, Line]):
    """Keeps wallets only."""

    def __init__(self, stored: dict[int, Line]) -> None:
        super().__init__()
        self.stored = stored

    def __setitem__(self, line_id: int, line: Line) -> None:
        if line.kind is LineKind.WALLET:
            super().__setitem__(line_id, line)


@pytest.mark.parametrize("store", [SettlesFirst, LazyLines, WritesOneLine])
def test_wrong_store_is_caught(store: type[MemoryStore]) -> None:
    """The machine fails on a store that loads, orders or writes a batch wrongly."""
    _assert_caught(store, BATCH_MAX)


class ReadsBeforeLock(SqliteStore):
    """Loads a batch outside of the immediate transaction that writes it."""

    both_have_read: asyncio.Barrier | None = None

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Load, let the other batch load too, then write."""
        books = await self._read(
            lambda connection: ledger.load(connection, self._clock, Needs.of(operations))
        )
        answers: list[Answer] = rules.decide(books, operations)
        if self.both_have_read:
            await self.both_have_read.wait()
        await self._write(lambda connection: ledger.write(connection, books))
        return answers


async def test_reading_before_the_lock_is_caught(tmp_path: Path) -> None:
    """Two batches that read the same books both hold; the cap and the audit tell."""
    wrong = ReadsBeforeLock.open(tmp_path / "wrong.db", SettableClock())
    held, found = await _two_reserves_at_once(wrong, asyncio.Barrier(2))
    assert held == 2, "the cap allows one"
    assert any("holds 60, its holds 120" in finding for finding in found)
    right = SqliteStore.open(tmp_path / "right.db", SettableClock())
    assert await _two_reserves_at_once(right, None) == (1, [])


async def _two_reserves_at_once(
    store: SqliteStore, barrier: asyncio.Barrier | None
) -> tuple[int, list[str]]:
    """How many of two holds of 60 a cap of 100 let through, and what the audit finds."""
    try:
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=100)
        if isinstance(store, ReadsBeforeLock):
            store.both_have_read = barrier
        answers = await asyncio.gather(
            *(store.apply([tenant.reserving(key, 60)]) for _ in range(2))
        )
        held = sum(isinstance(answer, Reserved) for (answer,) in answers)
        return held, await findings(store)
    finally:
        await store.close()


def _assert_caught(store: type[MemoryStore], gather: int) -> None:
    """Run the machine until an answer, an invariant or the audit gives the mutant away."""

    class Mutant(LedgerMachine):
        def open_stores(self) -> list[Driven]:
            return [Driven(store(self.clock), gather)]

    with pytest.raises((AssertionError, Bug)):
        run_state_machine_as_test(
            Mutant,
            settings=settings(
                # A mutant that is caught today is caught in every run.
                derandomize=True,
                max_examples=EXAMPLES_MAX,
                stateful_step_count=40,
                deadline=None,
                database=None,
                # The first failure is enough; nobody needs the smallest one.
                phases=[Phase.generate],
            ),
        )


def _replace_rule(patch: pytest.MonkeyPatch, kind: type, mutant: Rule) -> Rule:
    original: Rule = rules._RULES[kind]
    patch.setitem(rules._RULES, kind, mutant)
    return original


def _ignore_room(patch: pytest.MonkeyPatch, kind: LineKind) -> None:
    def room(line: Line) -> int:
        return UNLIMITED if line.kind is kind else int(original(line))

    original = Line.room.fget  # type: ignore[attr-defined]
    patch.setattr(Line, "room", property(room))
