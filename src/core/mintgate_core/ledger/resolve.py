"""How a hold ends: settled, released or expired in time, or settled after it was gone."""

from __future__ import annotations

from mintgate_core.ledger.books import Books
from mintgate_core.ledger.operations import Expire, Release, Settle
from mintgate_core.ledger.types import (
    ChargeDetail,
    Entry,
    EventStatus,
    Hold,
    JournalKind,
    Line,
    Measured,
    SettledBy,
)

NOTHING = Measured()


def resolve_hold(books: Books, hold: Hold, op: Settle | Release | Expire) -> Entry:
    """Free an open hold and charge what it turned out to cost.

    The part of the cost that the hold covers is always charged, whatever
    happened to the cap since; what goes beyond is charged as far as every line
    still allows, and the rest is absorbed by the house.
    """
    kind, actual = _outcome(hold, op)
    lines = books.drawn_lines(hold.wallet_id, hold.line_ids)
    covered = min(actual, hold.amount_nano_usd)
    books.move(lines, held=-hold.amount_nano_usd, spent=covered)
    beyond = min(actual - covered, _room(lines))
    if beyond:
        books.move(lines, spent=beyond)
    books.resolve(hold)
    charged = covered + beyond
    entry = Entry(
        operation_id=hold.hold_id,
        kind=kind,
        wallet_id=hold.wallet_id,
        seq=books.next_seq(hold.wallet_id),
        key_id=hold.subject.key_id,
        line_ids=hold.line_ids,
        granted=0,
        held=hold.amount_nano_usd,
        actual=actual,
        charged=charged,
        absorbed=actual - charged,
        at_ms=books.now_ms,
    )
    books.record(entry)
    if isinstance(op, Settle):
        books.new_details.append(_settle_detail(entry, op))
    elif actual:
        books.new_details.append(_expire_detail(entry, hold))
    return entry


def _outcome(hold: Hold, op: Settle | Release | Expire) -> tuple[JournalKind, int]:
    if isinstance(op, Release):
        return JournalKind.RELEASE, 0
    if isinstance(op, Expire):
        return JournalKind.EXPIRE, hold.metered.amount_nano_usd
    if op.settled_by is SettledBy.HOLD:
        # The hold was extended since its token was made, or was opened again with less.
        return JournalKind.SETTLE, max(hold.amount_nano_usd, op.token.amount_nano_usd)
    return JournalKind.SETTLE, op.measured.amount_nano_usd


def settle_late(books: Books, op: Settle) -> Entry:
    """Charge a request whose hold expired, was released or was lost, as far as the lines allow.

    What its expiry charged already is taken off, so that nothing is charged twice.
    """
    expired = books.kinds(op.hold_id).get(JournalKind.EXPIRE)
    prior = expired.actual if expired else 0
    whole = (
        op.token.amount_nano_usd if op.settled_by is SettledBy.HOLD else op.measured.amount_nano_usd
    )
    actual = max(0, whole - prior)
    line_ids = books.known(op.token.line_ids)
    lines = books.drawn_lines(op.wallet_id, line_ids)
    charged = min(actual, _room(lines))
    if charged:
        books.move(lines, spent=charged)
    entry = Entry(
        operation_id=op.hold_id,
        kind=JournalKind.LATE_SETTLE,
        wallet_id=op.wallet_id,
        seq=books.next_seq(op.wallet_id),
        key_id=op.token.subject.key_id,
        line_ids=line_ids,
        granted=0,
        held=0,
        actual=actual,
        charged=charged,
        absorbed=actual - charged,
        at_ms=books.now_ms,
    )
    books.record(entry)
    # After an expiry that charged nothing this is the request's first event; after
    # one that charged it never is, not even when the request turned out cheaper.
    books.new_details.append(_settle_detail(entry, op, prior=prior))
    return entry


def _room(lines: list[Line]) -> int:
    return max(0, min(line.room for line in lines))


def _settle_detail(entry: Entry, op: Settle, *, prior: int = 0) -> ChargeDetail:
    by_hold = op.settled_by is SettledBy.HOLD
    measured = NOTHING if by_hold else op.measured
    late = entry.kind is JournalKind.LATE_SETTLE
    return ChargeDetail(
        operation_id=entry.operation_id,
        kind=entry.kind,
        wallet_id=entry.wallet_id,
        seq=entry.seq,
        at_ms=entry.at_ms,
        subject=op.token.subject,
        model=op.model,
        measured=measured,
        actual=entry.actual,
        charged=entry.charged,
        absorbed=entry.absorbed,
        # What the row follows from: of a hold that was opened again with less, more than it held.
        held=op.token.amount_nano_usd if late else entry.actual if by_hold else entry.held,
        prior_nano_usd=prior,
        overrun=not late and entry.actual > entry.held,
        late=late,
        settled_by=op.settled_by,
        status=op.status,
        price_version=op.price_version,
        http_status=op.http_status,
        latency_ms=op.latency_ms,
        first_byte_ms=op.first_byte_ms,
        reasoning_tokens=op.reasoning_tokens,
        provider_request_id=op.provider_request_id,
        # Tokens of a request whose expiry was charged already stand on that event.
        input_tokens=0 if prior else measured.input_tokens,
        output_tokens=0 if prior else measured.output_tokens,
        cache_read_tokens=0 if prior else measured.cache_read_tokens,
        cache_write_tokens=0 if prior else measured.cache_write_tokens,
    )


def _expire_detail(entry: Entry, hold: Hold) -> ChargeDetail:
    return ChargeDetail(
        operation_id=entry.operation_id,
        kind=entry.kind,
        wallet_id=entry.wallet_id,
        seq=entry.seq,
        at_ms=entry.at_ms,
        subject=hold.subject,
        model=hold.metered.model or hold.subject.model,
        measured=hold.metered,
        actual=entry.actual,
        charged=entry.charged,
        absorbed=entry.absorbed,
        held=entry.held,
        prior_nano_usd=0,
        overrun=entry.actual > entry.held,
        late=False,
        settled_by=SettledBy.EXPIRY,
        status=EventStatus.EXPIRED,
        price_version=hold.subject.price_version,
        latency_ms=max(0, entry.at_ms - hold.reserved_at_ms),
        input_tokens=hold.metered.input_tokens,
        output_tokens=hold.metered.output_tokens,
        cache_read_tokens=hold.metered.cache_read_tokens,
        cache_write_tokens=hold.metered.cache_write_tokens,
    )
