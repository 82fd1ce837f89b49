"""What the ledger is made of: lines, keys, holds, journal entries and charge details."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from mintgate_core.ledger.money import UNLIMITED


class LineKind(enum.IntEnum):
    """What a line limits."""

    WALLET = 1
    KEY_CAP = 2
    """A key's cap over its whole life."""
    KEY_WINDOW = 3
    """A key's cap over one calendar window."""


@dataclass(slots=True)
class Line:
    """Something that can be drawn on. All amounts are nano-USD.

    `cap` is the policy: admission never lets `held + spent` pass it. `ceiling`
    is the store's CHECK: it equals `cap` except after the cap was lowered under
    `held + spent`, when it ratchets down as holds resolve and never grows.
    """

    line_id: int
    wallet_id: int
    kind: LineKind
    cap: int
    ceiling: int
    held: int = 0
    spent: int = 0
    seq: int = 0
    """Number of journal entries; only counted on the wallet line."""
    key_id: str = ""
    """Whose cap it is; empty for a wallet."""
    window_start_ms: int = 0
    """When the window of a window line began."""

    @property
    def room(self) -> int:
        """What a new hold may take; negative after the cap was lowered."""
        return min(self.cap, self.ceiling) - self.held - self.spent

    def move(self, *, held: int = 0, spent: int = 0) -> None:
        """Change both counters at once and let the ceiling follow a lowered cap down."""
        self.held += held
        self.spent += spent
        if self.ceiling > self.cap:
            self.ceiling = max(self.cap, self.held + self.spent)

    def recap(self, cap: int) -> None:
        """Change the policy. What is held and spent stays; new holds obey the new cap."""
        self.cap = cap
        self.ceiling = max(cap, self.held + self.spent)


class KeyStatus(enum.IntEnum):
    """Whether a key may reserve."""

    ACTIVE = 1
    PAUSED = 2
    REVOKED = 3


class KeyScope(enum.IntEnum):
    """What a key may do besides calling providers."""

    STANDARD = 1
    MASTER = 2


class UnboundedOutput(enum.IntEnum):
    """What happens to a request that states no output limit."""

    FIT = 1
    REJECT = 2


class OnDisconnect(enum.IntEnum):
    """What happens to a request whose client has gone."""

    ABORT = 1
    DRAIN = 2


class WindowPeriod(enum.IntEnum):
    """How long a calendar window is."""

    DAY = 1
    WEEK = 2
    """From Monday, as ISO 8601 has it."""
    MONTH = 3


@dataclass(frozen=True, slots=True)
class WindowCap:
    """A cap that begins anew with every calendar window."""

    period: WindowPeriod
    zone: str
    """IANA name of the time zone whose midnight ends a window, such as "UTC"."""
    cap_nano_usd: int


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """The window in which a key last reserved, and the line that it draws on."""

    line_id: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Limits that protect providers and the gateway, not money; 0 means none."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    open_requests: int = 0

    @property
    def any(self) -> bool:
        """Whether there is anything to check."""
        return bool(self.requests_per_minute or self.tokens_per_minute or self.open_requests)


@dataclass(frozen=True, slots=True)
class Key:
    """A key, as far as admission is concerned, plus what its owner says of it."""

    key_id: str
    account_id: str
    wallet_id: int
    line_ids: tuple[int, ...]
    """The line of the cap over the key's whole life. The wallet's line always counts too, and
    so does the line of the open window when there is a window cap."""
    secret_sha256: bytes
    name: str
    prefix: str
    scope: KeyScope
    status: KeyStatus
    created_at_ms: int
    cap_nano_usd: int | None = None
    expires_at_ms: int = 0
    revoked_at_ms: int = 0
    external_user_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    allowed_providers: tuple[str, ...] = ()
    allowed_models: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    """Browser origins; empty: all, and requests without one."""
    allowed_cidrs: tuple[str, ...] = ()
    """Ranges of client addresses; empty: all."""
    unbounded_output: UnboundedOutput = UnboundedOutput.FIT
    on_disconnect: OnDisconnect = OnDisconnect.ABORT
    window_cap: WindowCap | None = None
    window: OpenWindow | None = None
    rate_limits: RateLimits = RateLimits()
    previous_secret_sha256: bytes | None = None
    """The secret before the last rotation, while its grace period runs."""
    previous_secret_until_ms: int = 0

    @property
    def all_line_ids(self) -> tuple[int, ...]:
        """Every line that a reserve of this key may draw on as things stand."""
        return self.line_ids if self.window is None else (*self.line_ids, self.window.line_id)


@dataclass(frozen=True, slots=True)
class Account:
    """A wallet, its master keys and all that they minted."""

    account_id: str
    name: str
    wallet_id: int
    postpaid: bool
    created_at_ms: int

    @property
    def first_ceiling(self) -> int:
        """Ceiling of the wallet line before any grant."""
        return UNLIMITED if self.postpaid else 0


class SettledBy(enum.IntEnum):
    """What a charge rests on."""

    USAGE = 1
    COUNTED = 2
    HOLD = 3
    EXPIRY = 4


class EventStatus(enum.IntEnum):
    """How the request ended for its client."""

    COMPLETED = 1
    CLIENT_GONE = 2
    UPSTREAM_BROKEN = 3
    EXPIRED = 4
    ENDED_BY_GATEWAY = 5
    """The key was revoked, or the gateway stopped."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Units, what each costs, and what they add up to."""

    units: tuple[tuple[int, int], ...] = ()
    """(unit, count), disjoint."""
    unit_prices: tuple[tuple[int, int], ...] = ()
    """(unit, pico-USD), the prices that were applied."""
    variants: tuple[str, ...] = ()
    model: str = ""
    """The model that the prices are of; empty: the one that was asked for."""
    amount_nano_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """What a hold is for; frozen when it is made and carried in the hold token."""

    key_id: str
    account_id: str
    provider: str
    model: str
    """The model as the request names it."""
    route: str
    request_id: str
    price_version: str


@dataclass(frozen=True, slots=True)
class Record:
    """An object at a provider that comes to be with a charge or a job, for the hold's key."""

    kind: str
    object_id: str
    ttl_ms: int
    note: str = ""


class HoldJob(enum.IntEnum):
    """Whether a hold is kept open by a job of the provider."""

    NONE = 0
    ALIVE = 1
    LAST_LOOK = 2
    """The deadline has passed: the job is polled once more, and then the hold expires."""


@dataclass(slots=True)
class Job:
    """Work that a provider goes on with after its answer; ends with its hold."""

    hold_id: bytes
    wallet_id: int
    surface: str
    """Which way of speaking to the provider created it."""
    operation: str
    object_id: str
    """The provider's own id of it."""
    state: bytes
    """What its poller needs to read the answer; never a secret."""
    due_at_ms: int
    """When it may be claimed: the next poll, or the end of the lease of who has it."""
    attempt: int
    """How often it was claimed. Names the newest claim, the only one that may renew it."""
    created_at_ms: int
    deadline_ms: int
    """When its hold expires."""


@dataclass(slots=True)
class Hold:
    """An open hold. Amount, lines and price version were frozen at reserve."""

    hold_id: bytes
    wallet_id: int
    line_ids: tuple[int, ...]
    """The key's lines, without the wallet."""
    subject: Subject
    amount_nano_usd: int
    worst_nano_usd: int
    """What was asked for; differs from the amount when the output was fitted."""
    output_tokens: int
    fitted: bool
    reserved_at_ms: int
    expires_at_ms: int
    on_disconnect: OnDisconnect = OnDisconnect.ABORT
    metered: Measured = field(default_factory=Measured)
    """The last progress: what an expiry would charge."""
    job: HoldJob = HoldJob.NONE


class JournalKind(enum.IntEnum):
    """What an entry of the journal records."""

    GRANT = 1
    SETTLE = 2
    RELEASE = 3
    EXPIRE = 4
    LATE_SETTLE = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the append-only journal; (operation_id, kind) is its primary key."""

    operation_id: bytes
    kind: JournalKind
    wallet_id: int
    seq: int
    key_id: str
    line_ids: tuple[int, ...]
    granted: int
    held: int
    actual: int
    charged: int
    absorbed: int
    at_ms: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChargeDetail:
    """What the owner sees of one charge; written in the charge's transaction."""

    operation_id: bytes
    kind: JournalKind
    wallet_id: int
    seq: int
    at_ms: int
    subject: Subject
    model: str
    """The model that the price was taken from."""
    measured: Measured
    actual: int
    charged: int
    absorbed: int
    held: int
    prior_nano_usd: int
    overrun: bool
    late: bool
    settled_by: SettledBy
    status: EventStatus
    price_version: str
    http_status: int = 0
    latency_ms: int = 0
    first_byte_ms: int = 0
    reasoning_tokens: int = 0
    provider_request_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
