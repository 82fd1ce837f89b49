"""The rows that one batch may touch, and what the batch changes in them.

A store loads a `Books` under the wallets' locks, hands it to `decide`, and
writes what `Books` then lists as changed. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mintgate_core.ledger.errors import invariant
from mintgate_core.ledger.operations import Operation, Reserve, Settle
from mintgate_core.ledger.types import ChargeDetail, Entry, Hold, JournalKind, Key, Line


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
    keys: Mapping[str, Key]
    holds: dict[bytes, Hold]
    entries: dict[bytes, dict[JournalKind, Entry]]

    changed_lines: dict[int, Line] = field(default_factory=dict)
    new_holds: dict[bytes, Hold] = field(default_factory=dict)
    changed_holds: dict[bytes, Hold] = field(default_factory=dict)
    gone_holds: set[bytes] = field(default_factory=set)
    new_entries: list[Entry] = field(default_factory=list)
    new_details: list[ChargeDetail] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether there is anything to write; denials write nothing."""
        return bool(
            self.changed_lines or self.new_holds or self.changed_holds or self.gone_holds
        ) or bool(self.new_entries)

    def kinds(self, operation_id: bytes) -> Mapping[JournalKind, Entry]:
        """How an operation was resolved so far."""
        return self.entries.get(operation_id, {})

    def drawn_lines(self, wallet_id: int, line_ids: Iterable[int]) -> list[Line]:
        """The wallet line and the given key lines, which must be of that wallet."""
        lines = [self.lines[wallet_id]]
        for line_id in line_ids:
            line = self.lines[line_id]
            invariant(line.wallet_id == wallet_id, "a hold draws on lines of one wallet")
            lines.append(line)
        return lines

    def move(self, lines: Iterable[Line], *, held: int = 0, spent: int = 0) -> None:
        """Change the counters of every line alike, or of none."""
        for line in lines:
            line.move(held=held, spent=spent)
            invariant(line.held >= 0, "held is never negative")
            invariant(line.spent >= 0, "spent is never negative")
            invariant(line.held + line.spent <= line.ceiling, "a ceiling is never passed")
            self.changed_lines[line.line_id] = line

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
