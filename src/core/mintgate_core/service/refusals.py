"""Refusals that are remembered for a moment, so that a leaked key cannot busy the store.

Only refusals are remembered, never grants: with this cache a request may be refused that the
store would have granted (for at most `MONEY_MS`, and only because another core freed room), and
none is granted that the store would have refused. It listens to the lanes and to the key
service, and forgets at once whatever this core changes itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mintgate_core.clock import Clock
from mintgate_core.ledger.errors import (
    CapExceeded,
    Denied,
    KeyExpired,
    KeyPaused,
    KeyRevoked,
    LedgerError,
    Unauthenticated,
    WalletEmpty,
)
from mintgate_core.ledger.money import AMOUNT_NANO_USD_MAX
from mintgate_core.ledger.operations import (
    Answer,
    Expired,
    Granted,
    Operation,
    Price,
    Released,
    Reserve,
    Settle,
    Settled,
)
from mintgate_core.ledger.types import Key

MONEY_MS = 250
"""How long room that another core freed may go unseen."""

STANDING_MS: dict[type[LedgerError], int] = {
    # For good: nothing makes a revoked key valid again.
    KeyRevoked: 60_000,
    # The owner may change these through another core.
    KeyExpired: 250,
    KeyPaused: 250,
    # The secret was rotated away; it never comes back, but costs one read a second at most.
    Unauthenticated: 1_000,
}
UNKNOWN_SECRET_MS = 1_000

QUIET_MS = 1_000
"""After a change of a key nothing is remembered of it for this long: what is answered now may
have been decided before the change."""

REMEMBERED_MAX = 16_384
"""Of each kind; beyond it the oldest is forgotten, which costs one transaction."""

REMEMBERED_PER_KEY_MAX = 64
"""A key that asks for more models than this within `MONEY_MS` reaches the store again."""

K = TypeVar("K")
V = TypeVar("V")

Shown = tuple[str, bytes | None, str, str, bool]
"""What must be the same for a refusal to hold again: key, credential, provider, model, and
whether the request states an output limit. All but the price of the request follows from it,
and whether the key may be used from where it is: from elsewhere a request is refused too, and only
told the wrong reason for a moment. Otherwise a leaked key could ask anew from each address."""


@dataclass(frozen=True, slots=True)
class _Denial:
    kind: type[Denied]
    message: str
    remaining_nano_usd: int
    """The room of the tightest line: whatever needs more was refused by the same rule."""
    fitted: bool
    """The key's policy fits the output of such requests, so the smallest output decides."""
    hold_ms: int
    """When the refused reserve's id was made."""
    until_ms: int


@dataclass(frozen=True, slots=True)
class _Standing:
    key_id: str
    kind: type[LedgerError]
    message: str
    until_ms: int


class Refusals:
    """The negative cache of one core."""

    def __init__(self, clock: Clock) -> None:
        """The clock must only ever go forward."""
        self._clock = clock
        self._unknown: dict[bytes, int] = {}
        self._standing: dict[bytes, _Standing] = {}
        self._capped: dict[str, dict[Shown, _Denial]] = {}
        """By key: only what the key itself frees makes room on its caps."""
        self._empty: dict[int, dict[Shown, _Denial]] = {}
        """By wallet: whatever is freed on it makes room."""
        self._quiet: dict[str, int] = {}

    def unknown(self, secret_sha256: bytes) -> bool:
        """Whether no key had this secret a moment ago."""
        until_ms = self._unknown.get(secret_sha256)
        return until_ms is not None and self._clock() < until_ms

    def remember_unknown(self, secret_sha256: bytes) -> None:
        """No key has this secret."""
        _put(self._unknown, secret_sha256, self._clock() + UNKNOWN_SECRET_MS)

    def of(self, op: Reserve) -> LedgerError | None:
        """The refusal that the store gave a moment ago and would give again, or None."""
        if not (self._standing or self._capped or self._empty):
            return None
        now_ms = self._clock()
        if op.secret_sha256 is not None:
            standing = self._standing.get(op.secret_sha256)
            if standing is not None and now_ms < standing.until_ms:
                return standing.kind(standing.message)
        shown = _shown(op)
        for denials in (self._capped.get(op.subject.key_id), self._empty.get(op.wallet_id)):
            denial = denials.get(shown) if denials else None
            if denial is not None and now_ms < denial.until_ms:
                refusal = _again(denial, op)
                if refusal is not None:
                    return refusal
        return None

    def committed(self, operations: Sequence[Operation], answers: Sequence[Answer]) -> None:
        """Called by a lane after each batch, in the order of its decisions."""
        for op, answer in zip(operations, answers, strict=True):
            if isinstance(op, Reserve):
                if isinstance(answer, LedgerError):
                    self._remember(op, answer)
            elif isinstance(op, Settle) and isinstance(answer, Settled):
                self._freed(op.token.subject.key_id, op.wallet_id)
            elif isinstance(answer, Released | Expired):
                self._freed(answer.key_id, op.wallet_id)
            elif isinstance(answer, Granted):
                self._empty.pop(op.wallet_id, None)

    def changed(self, key: Key) -> None:
        """A key was minted, or changed by this core."""
        self._freed(key.key_id, key.wallet_id)
        self._unknown.pop(key.secret_sha256, None)
        for secret in [s for s, found in self._standing.items() if found.key_id == key.key_id]:
            del self._standing[secret]
        _put(self._quiet, key.key_id, self._clock() + QUIET_MS)

    def _freed(self, key_id: str, wallet_id: int) -> None:
        self._capped.pop(key_id, None)
        self._empty.pop(wallet_id, None)

    def _remember(self, op: Reserve, refusal: LedgerError) -> None:
        now_ms = self._clock()
        key_id = op.subject.key_id
        if self._quiet.get(key_id, 0) > now_ms:
            return
        if isinstance(refusal, Denied):
            within: dict[Any, dict[Shown, _Denial]] = (
                self._empty if isinstance(refusal, WalletEmpty) else self._capped
            )
            name = op.wallet_id if isinstance(refusal, WalletEmpty) else key_id
            denials = within.get(name)
            if denials is None:
                denials = {}
                _put(within, name, denials)
            elif len(denials) >= REMEMBERED_PER_KEY_MAX:
                denials.clear()
            denials[_shown(op)] = _denial(op, refusal, now_ms)
            return
        for_ms = STANDING_MS.get(type(refusal))
        if for_ms is not None and op.secret_sha256 is not None:
            found = _Standing(key_id, type(refusal), refusal.message, now_ms + for_ms)
            _put(self._standing, op.secret_sha256, found)


def _put(remembered: dict[K, V], name: K, value: V) -> None:
    """Remember as the newest, within the bound."""
    remembered.pop(name, None)
    if len(remembered) >= REMEMBERED_MAX:
        del remembered[next(iter(remembered))]
    remembered[name] = value


def _shown(op: Reserve) -> Shown:
    subject = op.subject
    return (subject.key_id, op.secret_sha256, subject.provider, subject.model, op.price.stated)


def _denial(op: Reserve, refusal: Denied, now_ms: int) -> _Denial:
    least = _told(op.price, fitted=True)
    return _Denial(
        kind=CapExceeded if isinstance(refusal, CapExceeded) else WalletEmpty,
        message=refusal.message,
        remaining_nano_usd=refusal.remaining_nano_usd,
        fitted=not op.price.stated and refusal.required_nano_usd == least,
        hold_ms=_made_ms(op.hold_id),
        until_ms=now_ms + MONEY_MS,
    )


def _again(denial: _Denial, op: Reserve) -> Denied | None:
    """The same refusal for this request, if it needs more than there was.

    The room that it tells is that of the remembered moment; it can only have shrunk since.
    """
    if _made_ms(op.hold_id) <= denial.hold_ms:
        # It may be the repeat of a reserve that was granted before the money ran out.
        return None
    required = _told(op.price, fitted=denial.fitted)
    if required <= denial.remaining_nano_usd:
        return None
    affordable = op.price.affordable_output_tokens(denial.remaining_nano_usd)
    return denial.kind(
        denial.message,
        required_nano_usd=required,
        remaining_nano_usd=denial.remaining_nano_usd,
        affordable_output_tokens=max(0, affordable),
    )


def _told(price: Price, *, fitted: bool) -> int:
    """What the ledger says that a request requires: its whole output, or the least that fits."""
    output_tokens = price.output_tokens_min if fitted else price.output_tokens
    return min(price.amount_nano_usd(output_tokens), AMOUNT_NANO_USD_MAX)


def _made_ms(hold_id: bytes) -> int:
    """When a UUIDv7 was made, by its maker's clock."""
    return int.from_bytes(hold_id[:6], "big")
