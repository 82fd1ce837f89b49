"""The invariants of the books over the in-memory store, written apart from the SQL ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mintgate_core.ledger.limits import JOB_TTL_MS_MAX
from mintgate_core.ledger.money import UNLIMITED, nano_from_pico_ceil
from mintgate_core.ledger.types import Entry, HoldJob, JournalKind, LineKind, SettledBy
from mintgate_core.stores.base import Check

if TYPE_CHECKING:
    from mintgate_core.stores.memory import MemoryStore

RESOLVING = (JournalKind.SETTLE, JournalKind.RELEASE, JournalKind.EXPIRE)
SETTLING = (JournalKind.SETTLE, JournalKind.LATE_SETTLE)


def audit(store: MemoryStore) -> list[Check]:
    """Check every invariant."""
    entries = [entry for kinds in store.entries.values() for entry in kinds.values()]
    parts = (
        ("held is the sum of the open holds", _held(store)),
        ("spent is the sum of the journal's charges", _spent(store, entries)),
        ("a prepaid ceiling is the sum of the grants", _ceilings(store, entries)),
        ("the journal is gapless", _gaps(store, entries)),
        ("a hold is open or resolved, once", _resolutions(store)),
        ("no line passes its ceiling", _bounds(store)),
        ("cost is charged or absorbed", _costs(entries)),
        ("each charge has its detail", _details(store, entries)),
        ("each charge follows from its own row", _recomputed(store)),
        ("jobs and their holds end together", _jobs(store)),
        ("each key's objects are counted", _objects(store)),
    )
    return [
        Check(number, title, len(entries), tuple(findings))
        for number, (title, findings) in enumerate(parts, start=1)
    ]


def _held(store: MemoryStore) -> Iterator[str]:
    held: Counter[int] = Counter()
    for hold in store.hold_by_id.values():
        for line_id in (hold.wallet_id, *hold.line_ids):
            held[line_id] += hold.amount_nano_usd
    for line in store.line_by_id.values():
        if line.held != held[line.line_id]:
            yield f"line {line.line_id} holds {line.held}, its holds {held[line.line_id]}"


def _spent(store: MemoryStore, entries: Iterable[Entry]) -> Iterator[str]:
    spent: Counter[int] = Counter()
    for entry in entries:
        for line_id in (entry.wallet_id, *entry.line_ids):
            spent[line_id] += entry.charged
    for line in store.line_by_id.values():
        if line.spent != spent[line.line_id]:
            yield f"line {line.line_id} spent {line.spent}, journal {spent[line.line_id]}"


def _ceilings(store: MemoryStore, entries: Iterable[Entry]) -> Iterator[str]:
    granted: Counter[int] = Counter()
    for entry in entries:
        granted[entry.wallet_id] += entry.granted
    for account in store.account_by_id.values():
        wallet = store.line_by_id[account.wallet_id]
        expected = UNLIMITED if account.postpaid else granted[account.wallet_id]
        if wallet.ceiling != expected:
            yield f"wallet {wallet.line_id} ceiling {wallet.ceiling}, expected {expected}"


def _gaps(store: MemoryStore, entries: Iterable[Entry]) -> Iterator[str]:
    seqs: dict[int, list[int]] = {}
    for entry in entries:
        seqs.setdefault(entry.wallet_id, []).append(entry.seq)
    for line in store.line_by_id.values():
        if line.kind is LineKind.WALLET:
            numbers = sorted(seqs.get(line.line_id, []))
            if numbers != list(range(1, line.seq + 1)):
                yield f"wallet {line.line_id} counts {line.seq}, entries {len(numbers)}"


def _resolutions(store: MemoryStore) -> Iterator[str]:
    for op_id, kinds in store.entries.items():
        if op_id in store.hold_by_id:
            yield f"hold {op_id.hex()} is open and resolved"
        for group in (RESOLVING, SETTLING):
            if sum(kind in kinds for kind in group) > 1:
                yield f"hold {op_id.hex()} was resolved twice"


def _bounds(store: MemoryStore) -> Iterator[str]:
    for line in store.line_by_id.values():
        used = line.held + line.spent
        if line.held < 0 or line.spent < 0 or used > line.ceiling:
            yield f"line {line.line_id} held {line.held} spent {line.spent}"
        elif line.ceiling > max(line.cap, used):
            yield f"line {line.line_id} ceiling {line.ceiling} above its cap {line.cap}"


def _costs(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        if entry.actual != entry.charged + entry.absorbed:
            yield f"entry {entry.operation_id.hex()} actual {entry.actual}"


def _details(store: MemoryStore, entries: Iterable[Entry]) -> Iterator[str]:
    details = {(d.operation_id, d.kind): d for d in store.details}
    for entry in entries:
        detail = details.pop((entry.operation_id, entry.kind), None)
        if detail is None:
            if entry.actual:
                yield f"charge {entry.operation_id.hex()} has no detail"
        elif (detail.charged, detail.actual, detail.seq) != (
            entry.charged,
            entry.actual,
            entry.seq,
        ):
            yield f"detail {entry.operation_id.hex()} differs from its charge"
    for operation_id, _ in details:
        yield f"detail {operation_id.hex()} has no charge"


def _jobs(store: MemoryStore) -> Iterator[str]:
    with_job = {i for i, hold in store.hold_by_id.items() if hold.job is not HoldJob.NONE}
    for hold_id in with_job ^ set(store.job_by_id):
        yield f"hold {hold_id.hex()} or its job has not the other"
    for hold_id in with_job & set(store.job_by_id):
        hold, job = store.hold_by_id[hold_id], store.job_by_id[hold_id]
        if hold.expires_at_ms != job.deadline_ms:
            yield f"hold {hold_id.hex()} ends at {hold.expires_at_ms}, its job {job.deadline_ms}"
        lasted_ms = job.deadline_ms - job.created_at_ms
        if hold.job is HoldJob.ALIVE and lasted_ms > JOB_TTL_MS_MAX:
            yield f"job {hold_id.hex()} lasts {lasted_ms} ms"


def _objects(store: MemoryStore) -> Iterator[str]:
    found = Counter(one.key_id for one in store.objects.by_name.values() if one.counted)
    for key_id in {*found, *store.objects.counts}:
        if found[key_id] != store.objects.counts.get(key_id, 0):
            yield f"key {key_id} has {found[key_id]} objects, {store.objects.counts[key_id]} count"


def _recomputed(store: MemoryStore) -> Iterator[str]:
    for detail in store.details:
        prices = dict(detail.measured.unit_prices)
        pico = sum(count * prices[unit] for unit, count in detail.measured.units)
        whole = detail.held if detail.settled_by is SettledBy.HOLD else nano_from_pico_ceil(pico)
        if max(0, whole - detail.prior_nano_usd) != detail.actual:
            yield f"charge {detail.operation_id.hex()} does not follow from its row"
