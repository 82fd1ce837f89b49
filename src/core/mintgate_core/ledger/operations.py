"""What can be asked of the ledger, and what it answers. Plain values, no behaviour.

Every operation names the wallet that it locks. The service finds it before the
transaction; `decide` checks it again under the lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mintgate_core.ledger.errors import LedgerError
from mintgate_core.ledger.limits import HOLD_TTL_MS_DEFAULT, JOB_TTL_MS_DEFAULT
from mintgate_core.ledger.money import nano_from_pico_ceil
from mintgate_core.ledger.places import Place
from mintgate_core.ledger.types import (
    EventStatus,
    Measured,
    OnDisconnect,
    RateLimits,
    Record,
    SettledBy,
    Subject,
)


@dataclass(frozen=True, slots=True)
class Price:
    """The worst case of a request as a straight line in its output limit."""

    fixed_pico_usd: int
    """Input and fees."""
    unit_pico_usd: int
    """One more token of output limit, times choices and passes."""
    output_tokens: int
    """What the request states, else the model's maximum."""
    stated: bool
    output_tokens_min: int = 1
    tokens: int = 0
    """Worst case of input and output together; for rate limits, not for money."""

    def amount_nano_usd(self, output_tokens: int) -> int:
        """Cost at an output limit, rounded up."""
        return nano_from_pico_ceil(self.fixed_pico_usd + self.unit_pico_usd * output_tokens)

    def affordable_output_tokens(self, budget_nano_usd: int) -> int:
        """The largest limit, up to the one asked for, that a budget covers; -1 if not even 0."""
        left_pico = budget_nano_usd * 1_000 - self.fixed_pico_usd
        if left_pico < 0:
            return -1
        if self.unit_pico_usd == 0:
            return self.output_tokens
        return min(self.output_tokens, left_pico // self.unit_pico_usd)


@dataclass(frozen=True, slots=True)
class Reserve:
    """Hold the worst case of a request."""

    hold_id: bytes
    wallet_id: int
    subject: Subject
    price: Price
    ttl_ms: int = HOLD_TTL_MS_DEFAULT
    secret_sha256: bytes | None = None
    """The credential that was shown; None when the key was named by its owner."""
    rate_limits: RateLimits | None = None
    """The limits that this reserve was checked against before it came here; None: no check was
    made, and none is asked for."""
    place: Place | None = None
    """Where the credential was shown; None when none was."""
    first_attempt: bool = False
    """Certainly never sent before, so that no hold of this id can exist."""


@dataclass(frozen=True, slots=True)
class Extend:
    """Raise an open hold to a new total."""

    hold_id: bytes
    wallet_id: int
    amount_nano_usd: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Say what an open hold has cost so far and renew it."""

    hold_id: bytes
    wallet_id: int
    measured: Measured = field(default_factory=Measured)
    ttl_ms: int = HOLD_TTL_MS_DEFAULT


@dataclass(frozen=True, slots=True)
class HoldToken:
    """What a caller can give back so that a charge survives the loss of its hold."""

    hold_id: bytes
    wallet_id: int
    line_ids: tuple[int, ...]
    amount_nano_usd: int
    subject: Subject


@dataclass(frozen=True, slots=True)
class Settle:
    """Turn a hold into a charge."""

    hold_id: bytes
    wallet_id: int
    token: HoldToken
    measured: Measured
    model: str
    settled_by: SettledBy = SettledBy.USAGE
    """HOLD charges the whole hold and ignores `measured`."""
    status: EventStatus = EventStatus.COMPLETED
    price_version: str = ""
    http_status: int = 0
    latency_ms: int = 0
    first_byte_ms: int = 0
    reasoning_tokens: int = 0
    provider_request_id: str = ""
    records: tuple[Record, ...] = ()
    """What the provider keeps of the answer."""


@dataclass(frozen=True, slots=True)
class Release:
    """Give a hold back."""

    hold_id: bytes
    wallet_id: int


@dataclass(frozen=True, slots=True)
class Expire:
    """Resolve a hold whose time is over by the store's clock; asked by the sweeper."""

    hold_id: bytes
    wallet_id: int


@dataclass(frozen=True, slots=True)
class Grant:
    """Add money to a prepaid wallet."""

    grant_id: bytes
    wallet_id: int
    amount_nano_usd: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class StartJob:
    """Keep a hold open for work that the provider goes on with."""

    hold_id: bytes
    wallet_id: int
    surface: str
    operation: str
    object_id: str
    state: bytes = b""
    first_poll_ms: int = 0
    ttl_ms: int = JOB_TTL_MS_DEFAULT
    measured: Measured = field(default_factory=Measured)
    token: HoldToken | None = None
    """The hold is made again from it where a failover lost it; None: it must be there."""
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class RenewJob:
    """Give a claimed job back until its next poll."""

    hold_id: bytes
    wallet_id: int
    attempt: int
    next_poll_ms: int
    ttl_ms: int = 0
    """0 leaves the deadline where it is."""
    measured: Measured = field(default_factory=Measured)
    state: bytes = b""
    """Replaces what was there, unless it is empty."""


Operation = Reserve | Extend | Progress | Settle | Release | Expire | Grant | StartJob | RenewJob


@dataclass(frozen=True, slots=True)
class Reserved:
    """The money is held."""

    token: HoldToken
    output_tokens: int
    fitted: bool
    on_disconnect: OnDisconnect
    remaining_nano_usd: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class Extended:
    """The hold's total now."""

    amount_nano_usd: int


@dataclass(frozen=True, slots=True)
class Progressed:
    """What an expiry would charge now, and when it would."""

    metered_nano_usd: int
    expires_at_ms: int
    key_id: str = field(default="", compare=False)
    """Whose hold it was; empty when there was none."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The charge; the same for every repeat."""

    actual_nano_usd: int
    charged_nano_usd: int
    absorbed_nano_usd: int
    late: bool
    remaining_nano_usd: int


@dataclass(frozen=True, slots=True)
class Released:
    """What was given back."""

    amount_nano_usd: int
    key_id: str = field(default="", compare=False)
    """Whose hold it was; empty when there was none."""


@dataclass(frozen=True, slots=True)
class Expired:
    """What an expiry charged."""

    charged_nano_usd: int
    key_id: str = field(default="", compare=False)
    """Whose hold it was; empty when there was none."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The wallet's balance: granted minus spent."""

    balance_nano_usd: int


@dataclass(frozen=True, slots=True)
class StartedJob:
    """The hold lives until then."""

    deadline_ms: int
    key_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class RenewedJob:
    """What an expiry would charge now, when it would, and when the job is due again."""

    metered_nano_usd: int
    deadline_ms: int
    due_at_ms: int
    key_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Postponed:
    """The hold was due, but its job is polled once more before it expires."""

    expires_at_ms: int


Answer = (
    Reserved
    | Extended
    | Progressed
    | Settled
    | Released
    | Expired
    | Granted
    | StartedJob
    | RenewedJob
    | Postponed
    | LedgerError
)
