"""Answers that hold a secret or name an operation, as small frozen values.

Everything else is answered as the protocol's own typed message. Secrets are
left out of every repr, because a repr ends up in a log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .money import Usd
    from .v1.keys_pb2 import Account, Key
    from .v1.ledger_pb2 import OnDisconnect

ScopeWord = Literal["standard", "master"]
StatusWord = Literal["active", "paused"]
UnboundedOutputWord = Literal["fit", "reject"]
OnDisconnectWord = Literal["abort", "drain"]
SettledByWord = Literal["usage", "counted", "hold"]
EventStatusWord = Literal["completed", "client_gone", "upstream_broken", "ended_by_gateway"]


WindowWord = Literal["day", "week", "month"]


@dataclass(frozen=True, slots=True)
class WindowCap:
    """A hard cap that begins anew with every calendar window, beside the cap over a key's life.

    Give `cap_usd` or `cap_nano_usd`. `time_zone` is the IANA name of the zone
    whose midnight ends a window.
    """

    period: WindowWord
    cap_usd: Usd | None = None
    cap_nano_usd: int | None = None
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Limits of a key that protect providers, not money; 0 means none."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    open_requests: int = 0


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key. `secret` is here and nowhere else, ever."""

    key: Key
    secret: str = field(repr=False)
    """ "qlk_live_" and 64 hex characters."""
    replayed: bool = False
    """An earlier answer for the same Idempotency-Key was repeated."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """A key with a new secret; the old one has stopped working, or will after its grace."""

    key: Key
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CreatedAccount:
    """A new account and its first master key."""

    account: Account
    master_key: Key
    master_secret: str = field(repr=False)
    replayed: bool = False
    """An earlier answer for the same idempotency key was repeated."""


@dataclass(frozen=True, slots=True)
class Hold:
    """An open hold: the worst case of one request, set aside.

    Give it to `extend`, `progress`, `settle` or `release`. Amounts are
    nano-USD; `expires_at_ms` is by the store's clock.
    """

    id: bytes
    amount_nano_usd: int
    output_tokens: int
    """Output tokens per choice that the hold covers."""
    output_fitted: bool
    """The request stated no limit: write `output_tokens` into it."""
    token: bytes = field(repr=False)
    """Opaque; lets a charge be recorded when the hold is gone."""
    on_disconnect: OnDisconnect.ValueType
    remaining_nano_usd: int
    expires_at_ms: int
    key_id: str
    account_id: str
