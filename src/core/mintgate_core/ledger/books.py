"""The rows that one batch may touch, and what the batch changes in them.

A store loads a `Books` under the wallets' locks, hands it to `decide`, and
writes what `Books` then lists as changed. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mintgate_core.ledger.errors import invariant
from mintgate_core.ledger.operations import (
    Expire,
    Operation,
    RenewJob,
    Reserve,
    Settle,
    StartJob,
)
from mintgate_core.ledger.types import (
    ChargeDetail,
    Entry,
    Hold,
    HoldJob,
    Job,
    JournalKind,
    Key,
    Line,
    Record,
    Subject,
)
from mintgate_core.ledger.windows import line_id_of


@dataclass(slots=True)
class Needs:
    """What to load for a batch, in the order in which it must be read.

    Wallets first and under lock; everything else in later statements, because
    a single statement would see the snapshot from before it waited.
    """

    wallet_ids: set[int] = field(default_factory=set)
    key_ids: set[str] = field(default_factory=set)
    operation_ids: set[bytes] = field(default_factory=set)
    line_ids: set[int] = field(default_factory=set)
    """Named by tokens; the lines of loaded keys and holds come on top."""
    job_ids: set[bytes] = field(default_factory=set)
    """Holds whose job is looked at; to be locked, since claims take no wallet's lock."""

    @classmethod
    def of(cls, operations: Sequence[Operation]) -> Needs:
        """Collect over a batch."""
        needs = cls()
        for operation in operations:
            needs.wallet_ids.add(operation.wallet_id)
            needs.operation_ids.add(operation_id(operation))
            if isinstance(operation, Reserve):
                needs.key_ids.add(operation.subject.key_id)
            elif isinstance(operation, Settle):
                needs.line_ids.update(operation.token.line_ids)
            elif isinstance(operation, StartJob | RenewJob | Expire):
                needs.job_ids.add(operation.hold_id)
            if isinstance(operation, StartJob) and operation.token is not None:
                needs.line_ids.update(operation.token.line_ids)
        return needs


def operation_id(operation: Operation) -> bytes:
    """The id that makes an operation idempotent."""
    return operation.grant_id if hasattr(operation, "grant_id") else operation.hold_id


@dataclass(slots=True)
class Books:
    """State and effects of one batch."""

    now_ms: int
    """The store's clock, read after the locks were taken."""
    lines: dict[int, Line]
    keys: dict[str, Key]
    holds: dict[bytes, Hold]
    entries: dict[bytes, dict[JournalKind, Entry]]
    jobs: dict[bytes, Job] = field(default_factory=dict)

    new_lines: dict[int, Line] = field(default_factory=dict)
    changed_lines: dict[int, Line] = field(default_factory=dict)
    changed_keys: dict[str, Key] = field(default_factory=dict)
    """Keys that entered a new window."""
    new_holds: dict[bytes, Hold] = field(default_factory=dict)
    changed_holds: dict[bytes, Hold] = field(default_factory=dict)
    gone_holds: set[bytes] = field(default_factory=set)
    new_jobs: dict[bytes, Job] = field(default_factory=dict)
    changed_jobs: dict[bytes, Job] = field(default_factory=dict)
    gone_jobs: set[bytes] = field(default_factory=set)
    new_entries: list[Entry] = field(default_factory=list)
    new_details: list[ChargeDetail] = field(default_factory=list)
    new_records: list[tuple[Subject, Record]] = field(default_factory=list)
    """Objects to record unless somebody has them; they never decide about anything here."""

    @property
    def changed(self) -> bool:
        """Whether there is anything to write; denials write nothing.

        A job never changes without its hold.
        """
        return bool(
            self.changed_lines or self.new_holds or self.changed_holds or self.gone_holds
        ) or bool(self.new_entries)

    def kinds(self, operation_id: bytes) -> Mapping[JournalKind, Entry]:
        """How an operation was resolved so far."""
        return self.entries.get(operation_id, {})

    @staticmethod
    def lines_to_load(needs: Needs, keys: Iterable[Key], holds: Iterable[Hold]) -> set[int]:
        """The lines that a batch may touch, once its keys and holds are known."""
        line_ids = needs.wallet_ids | needs.line_ids
        for key in keys:
            line_ids.update(key.all_line_ids)
        for hold in holds:
            line_ids.update(hold.line_ids)
        return line_ids

    def drawn_lines(self, wallet_id: int, line_ids: Iterable[int]) -> list[Line]:
        """The wallet line and the given key lines, which must be of that wallet."""
        lines = [self.lines[wallet_id]]
        for line_id in line_ids:
            line = self.lines[line_id]
            invariant(line.wallet_id == wallet_id, "a hold draws on lines of one wallet")
            lines.append(line)
        return lines

    def known(self, line_ids: Iterable[int]) -> tuple[int, ...]:
        """Those of a token's lines that are there.

        A failover may have lost the first use of a window, and the window's line with it.
        """
        return tuple(line_id for line_id in line_ids if line_id in self.lines)

    def move(self, lines: Iterable[Line], *, held: int = 0, spent: int = 0) -> None:
        """Change the counters of every line alike, or of none."""
        for line in lines:
            line.move(held=held, spent=spent)
            invariant(line.held >= 0, "held is never negative")
            invariant(line.spent >= 0, "spent is never negative")
            invariant(line.held + line.spent <= line.ceiling, "a ceiling is never passed")
            if line.line_id not in self.new_lines:
                self.changed_lines[line.line_id] = line

    def unused_line_id(self, seed: int) -> int:
        """An id for a new line that no loaded line has."""
        line_id = line_id_of(self.now_ms, seed)
        while line_id in self.lines:
            line_id += 1
        return line_id

    def enter_window(self, key: Key, line: Line) -> None:
        """Add the line of a window that a key has just entered."""
        self.lines[line.line_id] = self.new_lines[line.line_id] = line
        self.keys[key.key_id] = self.changed_keys[key.key_id] = key

    def open(self, hold: Hold) -> None:
        """Add a hold."""
        self.holds[hold.hold_id] = hold
        self.new_holds[hold.hold_id] = hold

    def touch(self, hold: Hold) -> None:
        """Note that an open hold changed."""
        if hold.hold_id not in self.new_holds:
            self.changed_holds[hold.hold_id] = hold

    def resolve(self, hold: Hold) -> None:
        """Take an open hold away; one made in this very batch is never written."""
        del self.holds[hold.hold_id]
        self.changed_holds.pop(hold.hold_id, None)
        if self.new_holds.pop(hold.hold_id, None) is None:
            self.gone_holds.add(hold.hold_id)
        if hold.job is not HoldJob.NONE:
            self._end_job(hold.hold_id)

    def _end_job(self, hold_id: bytes) -> None:
        """Take a job away with its hold; it was loaded only if the batch asked for it."""
        self.jobs.pop(hold_id, None)
        self.changed_jobs.pop(hold_id, None)
        if self.new_jobs.pop(hold_id, None) is None:
            self.gone_jobs.add(hold_id)

    def start_job(self, job: Job) -> None:
        """Add a job."""
        self.jobs[job.hold_id] = self.new_jobs[job.hold_id] = job

    def touch_job(self, job: Job) -> None:
        """Note that a job changed."""
        if job.hold_id not in self.new_jobs:
            self.changed_jobs[job.hold_id] = job

    def keep(self, subject: Subject, records: Iterable[Record]) -> None:
        """Record objects for a hold's key."""
        self.new_records.extend((subject, record) for record in records)

    def record(self, entry: Entry) -> None:
        """Append to the journal."""
        by_kind = self.entries.setdefault(entry.operation_id, {})
        invariant(entry.kind not in by_kind, "an operation is recorded once a kind")
        invariant(entry.actual == entry.charged + entry.absorbed, "actual = charged + absorbed")
        by_kind[entry.kind] = entry
        self.new_entries.append(entry)
        self.changed_lines[entry.wallet_id] = self.lines[entry.wallet_id]

    def next_seq(self, wallet_id: int) -> int:
        """The next number of a wallet's journal, gapless because the wallet is locked."""
        wallet = self.lines[wallet_id]
        wallet.seq += 1
        return wallet.seq
