"""Calls of the ledger service. Each operation is named by an id its caller made."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mintgate import ids, words
from mintgate.errors import InvalidArgument
from mintgate.types import Hold
from mintgate.v1 import ledger_pb2
from mintgate.v1.ledger_pb2_grpc import LedgerServiceStub
from mintgate.v1.unit_pb2 import Unit, UnitCount

from .base import Answer, Call, Paged, Stream, exact_nano_usd, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from mintgate.money import Usd
    from mintgate.types import EventStatusWord, SettledByWord


def reserve(
    *,
    provider: str,
    model: str,
    bound: ledger_pb2.Bound,
    secret: str | None = None,
    secret_sha256: bytes | None = None,
    key_id: str | None = None,
    route: str = "",
    ttl_ms: int = 0,
    request_id: str = "",
    hold_id: bytes | None = None,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[Hold]:
    """Hold the worst case of a request before it is forwarded.

    Whose money is said by exactly one of `secret` (only its SHA-256 is sent),
    `secret_sha256` and `key_id`. `ttl_ms` is 1,000..3,600,000, 0 means 120,000.
    `hold_id` is made when not given, and kept over retries.

    Raises `CapExceeded`, `WalletEmpty`, `Unauthenticated` and those below it,
    `PermissionDenied` and those below it, `ModelUnpriced`.
    """
    if secret is not None and secret_sha256 is None:
        secret_sha256, secret = hashlib.sha256(secret.encode()).digest(), None
    if secret is not None or (secret_sha256 is None) == (key_id is None):
        raise InvalidArgument("give one of secret, secret_sha256 and key_id", field="key_id")
    identifier = hold_id or ids.new_id()
    operation = ledger_pb2.Reserve(
        hold_id=identifier,
        provider=provider,
        model=model,
        route=route,
        bound=bound,
        ttl_ms=ttl_ms,
        request_id=request_id,
    )
    if secret_sha256 is not None:
        operation.secret_sha256 = secret_sha256
    if key_id is not None:
        operation.key_id = key_id

    request = ledger_pb2.ReserveRequest(reserve=operation)
    return _ledger("Reserve", request, functools.partial(_hold, identifier), timeout_s, credential)


def extend(
    hold: Hold | bytes,
    amount_nano_usd: int,
    *,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[ledger_pb2.Extended]:
    """Raise an open hold to a new total, nano-USD; a lower one changes nothing.

    Raises `CapExceeded`, `WalletEmpty`, `AlreadyResolved`, `NotFound`.
    """
    operation = ledger_pb2.Extend(hold_id=_hold_id(hold), amount_nano_usd=amount_nano_usd)
    request = ledger_pb2.ExtendRequest(extend=operation)
    return _ledger("Extend", request, lambda response: response.extended, timeout_s, credential)


def progress(
    hold: Hold | bytes,
    units: Mapping[str | int, int] | None = None,
    *,
    variants: Sequence[str] = (),
    ttl_ms: int = 0,
    hold_token: bytes | None = None,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[ledger_pb2.Progressed]:
    """Report what an open hold has used so far, in totals, and renew its time to live.

    Without `units` it only renews. Raises `AlreadyResolved`, `NotFound`.
    """
    operation = ledger_pb2.Progress(
        hold_id=_hold_id(hold),
        units=unit_counts(units or {}),
        variants=variants,
        ttl_ms=ttl_ms,
        hold_token=_hold_token(hold, hold_token),
    )
    request = ledger_pb2.ProgressRequest(progress=operation)
    return _ledger("Progress", request, lambda response: response.progressed, timeout_s, credential)


def settle(
    hold: Hold | bytes,
    units: Mapping[str | int, int],
    *,
    settled_by: SettledByWord = "usage",
    status: EventStatusWord = "completed",
    variants: Sequence[str] = (),
    model: str = "",
    provider_request_id: str = "",
    http_status: int = 200,
    latency_ms: int = 0,
    first_byte_ms: int = 0,
    reasoning_tokens: int = 0,
    hold_token: bytes | None = None,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[ledger_pb2.Settled]:
    """Turn a hold into a charge of its exact units; never refused for lack of money.

    `units` counts each unit once, by its word ("output_tokens") or number; the
    units are disjoint. Raises `IdReused` when it was settled otherwise before.
    """
    operation = ledger_pb2.Settle(
        hold_id=_hold_id(hold),
        hold_token=_hold_token(hold, hold_token),
        units=unit_counts(units),
        variants=variants,
        settled_by=words.number(ledger_pb2.SettledBy, settled_by, field="settled_by"),
        status=words.number(ledger_pb2.EventStatus, status, field="status"),
        model=model,
        provider_request_id=provider_request_id,
        http_status=http_status,
        latency_ms=latency_ms,
        first_byte_ms=first_byte_ms,
        reasoning_tokens=reasoning_tokens,
    )
    request = ledger_pb2.SettleRequest(settle=operation)
    return _ledger("Settle", request, lambda response: response.settled, timeout_s, credential)


def release(
    hold: Hold | bytes,
    *,
    hold_token: bytes | None = None,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[ledger_pb2.Released]:
    """Give a hold back without a charge. Raises `AlreadyResolved`."""
    operation = ledger_pb2.Release(hold_id=_hold_id(hold), hold_token=_hold_token(hold, hold_token))
    request = ledger_pb2.ReleaseRequest(release=operation)
    return _ledger("Release", request, lambda response: response.released, timeout_s, credential)


def grant(
    account_id: str,
    amount_usd: Usd | None = None,
    *,
    amount_nano_usd: int | None = None,
    note: str = "",
    grant_id: bytes | None = None,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[ledger_pb2.Granted]:
    """Add money to a prepaid wallet. Operator only.

    Give a `grant_id` of your own (16 bytes, for example made with
    `mintgate.new_id()` and stored with the payment) to be able to repeat the
    grant after a crash. Raises `IdReused`, `NotFound`.
    """
    amount = exact_nano_usd(amount_usd, amount_nano_usd, name="amount", required=True)
    operation = ledger_pb2.Grant(
        grant_id=grant_id or ids.new_id(),
        account_id=account_id,
        amount_nano_usd=amount or 0,
        note=note,
    )
    request = ledger_pb2.GrantRequest(grant=operation)
    return _ledger("Grant", request, lambda response: response.granted, timeout_s, credential)


def balance(
    *, account_id: str = "", timeout_s: float | None = None, credential: str | None = None
) -> Call[ledger_pb2.GetBalanceResponse]:
    """Return what a wallet holds, owes and may still spend, nano-USD."""
    request = ledger_pb2.GetBalanceRequest(account_id=account_id)
    return _ledger("GetBalance", request, whole, timeout_s, credential)


def journal_page(
    *,
    account_id: str = "",
    after_sequence: int = 0,
    page_size: int = 0,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[ledger_pb2.ListJournalResponse]:
    """Return one page of a wallet's journal, oldest first; `page_size` 1..1,000."""
    request = ledger_pb2.ListJournalRequest(
        account_id=account_id, after_sequence=after_sequence, page_size=page_size
    )
    return _ledger("ListJournal", request, whole, timeout_s, credential)


def journal(
    *,
    account_id: str = "",
    after_sequence: int = 0,
    page_size: int = 0,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Paged[ledger_pb2.JournalEntry]:
    """Iterate over a wallet's journal, oldest first; sequences have no gap."""
    first = journal_page(
        account_id=account_id,
        after_sequence=after_sequence,
        page_size=page_size,
        timeout_s=timeout_s,
        credential=credential,
    )
    return Paged(first, lambda response: response.entries, "after_sequence", "next_after_sequence")


def holds(
    *,
    account_id: str = "",
    page_size: int = 0,
    every_account: bool = False,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[list[ledger_pb2.OpenHold]]:
    """Return the open holds of an account, oldest first, at most `page_size`.

    `every_account` asks for those of all; operator only.
    """
    request = ledger_pb2.ListHoldsRequest(
        account_id=account_id, page_size=page_size, every_account=every_account
    )
    return _ledger(
        "ListHolds", request, lambda response: list(response.holds), timeout_s, credential
    )


def watch_revocations(
    *,
    since_ms: int = 0,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Stream[ledger_pb2.WatchRevocationsResponse]:
    """Iterate over keys as they are revoked, in any account, without end.

    The first message comes at once and tells what was revoked since `since_ms`, or in the
    last minute; one without keys comes every few seconds. A key may be told more than once.
    When the connection breaks it is made again and misses nothing. For the operator, and
    for those who end the running requests of a key.
    """
    request = ledger_pb2.WatchRevocationsRequest(since_ms=since_ms)
    call = _ledger("WatchRevocations", request, whole, timeout_s, credential)

    def resume(call: Call[Any], news: ledger_pb2.WatchRevocationsResponse) -> Call[Any]:
        again = ledger_pb2.WatchRevocationsRequest(since_ms=news.told_until_ms)
        return replace(call, request=again)

    return Stream(call, whole, resume)


def unit_counts(units: Mapping[str | int, int]) -> list[UnitCount]:
    """Return counts by unit word or number as the protocol's list, in unit order."""
    # Typed Any: protobuf gives the numbers of each enumeration a type of their own.
    counts: dict[Any, int] = {}
    for unit, count in units.items():
        number = words.number(Unit, unit, field="units") if isinstance(unit, str) else unit
        if number in counts:
            raise InvalidArgument(f"units counts {words.word(Unit, number)} twice", field="units")
        counts[number] = count
    return [UnitCount(unit=number, count=count) for number, count in sorted(counts.items())]


def _hold(identifier: bytes, response: ledger_pb2.ReserveResponse) -> Hold:
    """Return the hold that was made, under the id that the caller gave it."""
    reserved = response.reserved
    return Hold(
        id=identifier,
        amount_nano_usd=reserved.amount_nano_usd,
        output_tokens=reserved.output_tokens,
        output_fitted=reserved.output_fitted,
        token=reserved.hold_token,
        on_disconnect=reserved.on_disconnect,
        remaining_nano_usd=reserved.remaining_nano_usd,
        expires_at_ms=reserved.expires_at_ms,
        key_id=reserved.key_id,
        account_id=reserved.account_id,
    )


def _hold_id(hold: Hold | bytes) -> bytes:
    return hold.id if isinstance(hold, Hold) else hold


def _hold_token(hold: Hold | bytes, hold_token: bytes | None) -> bytes:
    if hold_token is not None:
        return hold_token
    return hold.token if isinstance(hold, Hold) else b""


def _ledger(
    method: str,
    request: Message,
    read: Callable[[Any], Answer],
    timeout_s: float | None,
    credential: str | None,
) -> Call[Answer]:
    return Call(
        stub=LedgerServiceStub,
        method=method,
        request=request,
        read=read,
        timeout_s=timeout_s,
        credential=credential,
    )
