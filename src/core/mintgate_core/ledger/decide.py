"""The whole of the money logic: one pure function from books and an operation to an answer.

Operations are decided in order of arrival and each sees the effect of those
before it. A refusal is a value and leaves the books as they were. Every rule can
run twice: what it did the first time is found again by the operation's id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mintgate_core.ledger.admit import admit_key
from mintgate_core.ledger.books import Books
from mintgate_core.ledger.errors import (
    AlreadyResolved,
    CapExceeded,
    IdReused,
    Invalid,
    LedgerError,
    NotFound,
    WalletEmpty,
)
from mintgate_core.ledger.jobs import give_last_look, job_of, open_again, renew_job, start_job
from mintgate_core.ledger.limits import FIT_OUTPUT_TOKENS_FLOOR, FIT_SHARE_DIVISOR
from mintgate_core.ledger.money import AMOUNT_NANO_USD_MAX, UNLIMITED
from mintgate_core.ledger.operations import (
    Answer,
    Expire,
    Expired,
    Extend,
    Extended,
    Grant,
    Granted,
    HoldToken,
    Operation,
    Price,
    Progress,
    Progressed,
    Release,
    Released,
    RenewJob,
    Reserve,
    Reserved,
    Settle,
    Settled,
    StartJob,
)
from mintgate_core.ledger.resolve import resolve_hold, settle_late
from mintgate_core.ledger.types import (
    Entry,
    Hold,
    HoldJob,
    JournalKind,
    Key,
    Line,
    LineKind,
    UnboundedOutput,
)
from mintgate_core.ledger.windows import current_window, open_window

SETTLING = (JournalKind.SETTLE, JournalKind.LATE_SETTLE)


def decide(books: Books, operations: Sequence[Operation]) -> list[Answer]:
    """Answer each operation in order and leave the effects in `books`.

    Raises `Bug` when an invariant does not hold; the store must then write nothing.
    """
    return [_answer(books, operation) for operation in operations]


def _answer(books: Books, operation: Operation) -> Answer:
    if operation.wallet_id not in books.lines and not isinstance(operation, Reserve):
        # A reserve names a key, and is told that there is no such key.
        return NotFound("there is no such wallet")
    return _RULES[type(operation)](books, operation)


def _reserve(books: Books, op: Reserve) -> Answer:
    key = books.keys.get(op.subject.key_id)
    refusal = admit_key(key, op, books.now_ms)
    if key is None or refusal is not None:
        return refusal or NotFound("there is no such key")
    hold = books.holds.get(op.hold_id)
    if hold is not None:
        return _same_reserve(hold, op) or _reserved(
            hold, books.drawn_lines(hold.wallet_id, hold.line_ids)
        )
    if books.kinds(op.hold_id):
        return AlreadyResolved("this hold was resolved before", field="hold_id")

    lines, entered = _lines_of(books, key, op)
    tightest = min(lines, key=lambda line: line.room)
    fitted = not op.price.stated and key.unbounded_output is UnboundedOutput.FIT
    output_tokens = _fit(op.price, tightest.room) if fitted else op.price.output_tokens
    amount = op.price.amount_nano_usd(output_tokens)
    if output_tokens < op.price.output_tokens_min and fitted:
        return _denied(tightest, op.price, op.price.output_tokens_min)
    if amount > tightest.room:
        return _denied(tightest, op.price, output_tokens)

    if entered is not None:
        # Not before: a refusal writes nothing, not even the line of a new window.
        books.enter_window(entered, lines[-1])
        key = entered
    books.move(lines, held=amount)
    hold = Hold(
        hold_id=op.hold_id,
        wallet_id=op.wallet_id,
        line_ids=key.all_line_ids,
        subject=op.subject,
        amount_nano_usd=amount,
        worst_nano_usd=op.price.amount_nano_usd(op.price.output_tokens),
        output_tokens=output_tokens,
        fitted=fitted,
        reserved_at_ms=books.now_ms,
        expires_at_ms=books.now_ms + op.ttl_ms,
        on_disconnect=key.on_disconnect,
    )
    books.open(hold)
    return _reserved(hold, lines)


def _lines_of(books: Books, key: Key, op: Reserve) -> tuple[list[Line], Key | None]:
    """The lines that a reserve draws on; and the key as it is in a window that it would enter."""
    wallet_id = op.wallet_id
    if key.window_cap is None:
        return books.drawn_lines(wallet_id, key.line_ids), None
    if current_window(key, books.now_ms) is not None:
        return books.drawn_lines(wallet_id, key.all_line_ids), None
    line_id = books.unused_line_id(int.from_bytes(op.hold_id[-8:], "big"))
    window, line = open_window(key, key.window_cap, books.now_ms, line_id)
    lines = [*books.drawn_lines(wallet_id, key.line_ids), line]
    return lines, replace(key, window=window)


def _fit(price: Price, room_nano_usd: int) -> int:
    """An output limit for a request that states none; below the minimum when none fits."""
    share = price.affordable_output_tokens(room_nano_usd // FIT_SHARE_DIVISOR)
    whole = price.affordable_output_tokens(room_nano_usd)
    return max(share, min(FIT_OUTPUT_TOKENS_FLOOR, whole))


def _same_reserve(hold: Hold, op: Reserve) -> LedgerError | None:
    """What differs between an open hold and a repeat of its reserve."""
    pairs = (
        ("key", hold.wallet_id, op.wallet_id),
        ("key", hold.subject.key_id, op.subject.key_id),
        ("provider", hold.subject.provider, op.subject.provider),
        ("model", hold.subject.model, op.subject.model),
        ("bound", hold.worst_nano_usd, op.price.amount_nano_usd(op.price.output_tokens)),
    )
    for field, before, now in pairs:
        if before != now:
            return IdReused(f"this hold was made with another {field}", field=field)
    return None


def _reserved(hold: Hold, lines: Sequence[Line]) -> Reserved:
    token = HoldToken(
        hold.hold_id, hold.wallet_id, hold.line_ids, hold.amount_nano_usd, hold.subject
    )
    return Reserved(
        token=token,
        output_tokens=hold.output_tokens,
        fitted=hold.fitted,
        on_disconnect=hold.on_disconnect,
        remaining_nano_usd=_remaining(lines),
        expires_at_ms=hold.expires_at_ms,
    )


def _remaining(lines: Sequence[Line]) -> int:
    return max(0, min(line.room for line in lines))


def _denied(line: Line, price: Price, output_tokens: int) -> LedgerError:
    room = max(0, line.room)
    wallet = line.kind is LineKind.WALLET
    subject = "the account's balance" if wallet else "the key's spending cap"
    return (WalletEmpty if wallet else CapExceeded)(
        f"{subject} cannot cover the worst case of this request",
        required_nano_usd=min(price.amount_nano_usd(output_tokens), AMOUNT_NANO_USD_MAX),
        remaining_nano_usd=room,
        affordable_output_tokens=max(0, price.affordable_output_tokens(room)),
    )


def _extend(books: Books, op: Extend) -> Answer:
    hold = _own_hold(books, op.hold_id, op.wallet_id)
    if isinstance(hold, LedgerError):
        return hold
    more = op.amount_nano_usd - hold.amount_nano_usd
    if more > 0:
        lines = books.drawn_lines(hold.wallet_id, hold.line_ids)
        tightest = min(lines, key=lambda line: line.room)
        if more > tightest.room:
            return _denied(tightest, Price(more * 1_000, 0, 0, stated=True), 0)
        books.move(lines, held=more)
        hold.amount_nano_usd = op.amount_nano_usd
        books.touch(hold)
    return Extended(hold.amount_nano_usd)


def _progress(books: Books, op: Progress) -> Answer:
    hold = _own_hold(books, op.hold_id, op.wallet_id)
    if isinstance(hold, LedgerError):
        return hold
    if op.measured.amount_nano_usd > hold.metered.amount_nano_usd:
        hold.metered = op.measured
    if hold.job is HoldJob.NONE:
        # A job's hold lives until the job's deadline, whoever reports meanwhile.
        hold.expires_at_ms = max(hold.expires_at_ms, books.now_ms + op.ttl_ms)
    books.touch(hold)
    return Progressed(hold.metered.amount_nano_usd, hold.expires_at_ms, hold.subject.key_id)


def _own_hold(books: Books, hold_id: bytes, wallet_id: int) -> Hold | LedgerError:
    hold = books.holds.get(hold_id)
    if hold is not None and hold.wallet_id == wallet_id:
        return hold
    if hold is None and books.kinds(hold_id):
        return AlreadyResolved("this hold was resolved before", field="hold_id")
    return NotFound("there is no such hold", field="hold_id")


def _settle(books: Books, op: Settle) -> Answer:
    kinds = books.kinds(op.hold_id)
    lines = books.drawn_lines(op.wallet_id, books.known(op.token.line_ids))
    for kind in SETTLING:
        if kind in kinds:
            return _settled(kinds[kind], lines)
    hold = books.holds.get(op.hold_id)
    if hold is not None and hold.wallet_id != op.wallet_id:
        return NotFound("there is no such hold", field="hold_id")
    entry = settle_late(books, op) if hold is None else resolve_hold(books, hold, op)
    # Not of a repeat: its key may have deleted the object since.
    books.keep(op.token.subject, op.records)
    return _settled(entry, lines)


def _settled(entry: Entry, lines: Sequence[Line]) -> Settled:
    return Settled(
        actual_nano_usd=entry.actual,
        charged_nano_usd=entry.charged,
        absorbed_nano_usd=entry.absorbed,
        late=entry.kind is JournalKind.LATE_SETTLE,
        remaining_nano_usd=_remaining(lines),
    )


def _release(books: Books, op: Release) -> Answer:
    kinds = books.kinds(op.hold_id)
    if JournalKind.RELEASE in kinds:
        return Released(kinds[JournalKind.RELEASE].held)
    if JournalKind.EXPIRE in kinds:
        return Released(0)
    if kinds:
        return AlreadyResolved("this hold was settled before", field="hold_id")
    hold = books.holds.get(op.hold_id)
    if hold is None:
        # A tombstone: a reserve that arrives after its release must find it.
        books.record(_tombstone(books, op))
        return Released(0)
    if hold.wallet_id != op.wallet_id:
        return NotFound("there is no such hold", field="hold_id")
    return Released(resolve_hold(books, hold, op).held, hold.subject.key_id)


def _tombstone(books: Books, op: Release) -> Entry:
    return Entry(
        operation_id=op.hold_id,
        kind=JournalKind.RELEASE,
        wallet_id=op.wallet_id,
        seq=books.next_seq(op.wallet_id),
        key_id="",
        line_ids=(),
        granted=0,
        held=0,
        actual=0,
        charged=0,
        absorbed=0,
        at_ms=books.now_ms,
    )


def _expire(books: Books, op: Expire) -> Answer:
    hold = _own_hold(books, op.hold_id, op.wallet_id)
    if isinstance(hold, LedgerError):
        return hold
    if hold.expires_at_ms > books.now_ms:
        return Invalid("the hold is not due yet", field="hold_id")
    if job := job_of(books, hold):
        return give_last_look(books, hold, job)
    return Expired(resolve_hold(books, hold, op).charged, hold.subject.key_id)


def _grant(books: Books, op: Grant) -> Answer:
    wallet = books.lines[op.wallet_id]
    earlier = books.kinds(op.grant_id)
    if earlier:
        entry = earlier.get(JournalKind.GRANT)
        if entry is None or entry.wallet_id != op.wallet_id:
            return IdReused("this id names another operation", field="grant_id")
        if entry.granted != op.amount_nano_usd:
            return IdReused("this grant was made with another amount", field="amount_nano_usd")
        return Granted(wallet.ceiling - wallet.spent)
    if op.grant_id in books.holds:
        return IdReused("this id names another operation", field="grant_id")
    if wallet.ceiling == UNLIMITED:
        return Invalid("a postpaid wallet takes no grants", field="account_id")
    if wallet.ceiling + op.amount_nano_usd >= UNLIMITED:
        return Invalid("the wallet would pass its largest balance", field="amount_nano_usd")
    wallet.cap += op.amount_nano_usd
    wallet.ceiling += op.amount_nano_usd
    books.record(
        Entry(
            operation_id=op.grant_id,
            kind=JournalKind.GRANT,
            wallet_id=op.wallet_id,
            seq=books.next_seq(op.wallet_id),
            key_id="",
            line_ids=(),
            granted=op.amount_nano_usd,
            held=0,
            actual=0,
            charged=0,
            absorbed=0,
            at_ms=books.now_ms,
            note=op.note,
        )
    )
    return Granted(wallet.ceiling - wallet.spent)


def _start_job(books: Books, op: StartJob) -> Answer:
    hold = _own_hold(books, op.hold_id, op.wallet_id)
    if isinstance(hold, NotFound) and op.token is not None and op.hold_id not in books.holds:
        hold = open_again(books, op.token)
    return hold if isinstance(hold, LedgerError) else start_job(books, hold, op)


def _renew_job(books: Books, op: RenewJob) -> Answer:
    hold = _own_hold(books, op.hold_id, op.wallet_id)
    return hold if isinstance(hold, LedgerError) else renew_job(books, hold, op)


_RULES: dict[type, Callable[[Books, Any], Answer]] = {
    Reserve: _reserve,
    Extend: _extend,
    Progress: _progress,
    Settle: _settle,
    Release: _release,
    Expire: _expire,
    Grant: _grant,
    StartJob: _start_job,
    RenewJob: _renew_job,
}
