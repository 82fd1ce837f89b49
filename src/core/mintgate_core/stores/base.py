"""What a store must do, and what it guarantees.

Guarantees
    `apply` runs a whole batch in one transaction: it locks the wallets in order
    of their ids, reads everything else in later statements, lets
    `ledger.decide` answer, writes what changed, commits, and only then returns.
    An answer that was returned survives a crash of the process and of the
    machine. Key rows are read in that same transaction.

Failure behaviour
    Raises `ledger.errors.Unavailable` when nothing was written, and
    `OutcomeUnknown` when a commit may or may not have happened. The batch may
    be given again as it is: operations are idempotent. Raises `Bug`, with nothing
    written, when an operation of the batch cannot be decided.

Clock
    Times in the books are the store's, never go back, and decide expiry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mintgate_core.ledger.operations import Answer, Grant, Operation
from mintgate_core.ledger.types import Account, ChargeDetail, Entry, Hold, Job, Key, Line
from mintgate_core.stores.objects import ObjectBook

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PAGE_ROWS_MAX = 1_000
MINT_REPLAY_MS = DAY_MS


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over charges. Money in nano-USD."""

    request_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    charged: int = 0
    absorbed: int = 0
    latency_ms: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.request_count + other.request_count,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.charged + other.charged,
            self.absorbed + other.absorbed,
            self.latency_ms + other.latency_ms,
        )

    @classmethod
    def of(cls, detail: ChargeDetail) -> Usage:
        """One charge's share; a charge on top of an expiry's is the same request."""
        return cls(
            0 if detail.prior_nano_usd else 1,
            detail.input_tokens,
            detail.output_tokens,
            detail.cache_read_tokens,
            detail.cache_write_tokens,
            detail.charged,
            detail.absorbed,
            detail.latency_ms,
        )


@dataclass(frozen=True, slots=True)
class OpenHolds:
    """What is held just now, all wallets together."""

    count: int
    amount_nano_usd: int
    overdue_count: int
    """Of those, holds whose time is over and that no sweeper has resolved yet."""
    job_count: int
    """Of those, holds that a job keeps open."""
    oldest_job_age_ms: int
    """Since the oldest of these was reserved; 0 when there is none."""


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Sums for one key and model."""

    key_id: str
    provider: str
    model: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which charges to list; 0 and the empty string mean no restriction."""

    wallet_id: int
    key_id: str = ""
    from_ms: int = 0
    to_ms: int = 0
    before_seq: int = 0
    after_seq: int = 0
    limit: int = 100
    """Newest first, or oldest first when `after_seq` or `ascending` asks."""
    ascending: bool = False


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job as its claimer got it, and the hold that it keeps open."""

    job: Job
    hold: Hold


@dataclass(frozen=True, slots=True)
class MintReplay:
    """What a repeat of a mint needs: everything but the secret.

    The secret itself is derived from the minting key's secret and `salt`, so
    nothing here can be turned into a credential without the caller's own.
    """

    minter_key_id: str
    idempotency_sha256: bytes
    request_json: str
    salt: bytes
    key_id: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class StoredPrice:
    """A price card as kept: an override, or one that a hold has used."""

    account_id: str
    """Empty: every account."""
    card_json: str
    created_at_ms: int
    position: int = field(default=0, compare=False)
    """Given by the store: each price has a higher one than those that were kept before it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant of the books and what was found against it."""

    number: int
    title: str
    rows: int
    findings: tuple[str, ...]


KeyChange = Callable[[Key], Key]
"""Applied to the key's row under its wallet's lock."""


class Store(Protocol):
    """See the module docstring for what every method guarantees."""

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Decide a batch in one transaction and answer in order."""

    @property
    def epoch(self) -> int:
        """Names the history that answers belong to; 0 for a store that never changes it.

        Another number than before means that a standby took over: answers given under the
        old one may have been lost with the tail of its log, and are worth repeating.
        """

    @property
    def retry_count(self) -> int:
        """How many transactions this store has run again since it was opened."""

    async def now_ms(self) -> int:
        """The store's clock."""

    async def check(self) -> None:
        """Do the least that needs the store, within a bound of its own. Raises `Unavailable`."""

    async def due_holds(self, limit: int) -> list[tuple[bytes, int]]:
        """(hold id, wallet id) of holds whose time is over, oldest first, without a lock."""

    async def wallet_of(self, operation_id: bytes) -> int | None:
        """The wallet that an operation id belongs to, open or resolved."""

    async def holds(self, wallet_id: int | None, limit: int) -> list[Hold]:
        """Open holds of a wallet, or of every wallet, oldest first."""

    async def claim_jobs(self, limit: int, lease_ms: int) -> list[ClaimedJob]:
        """Take jobs that are due, longest due first; nobody else gets them for `lease_ms`.

        Claims that race never get the same job.
        """

    @property
    def objects(self) -> ObjectBook:
        """Whose the objects at providers are."""

    async def open_holds(self) -> OpenHolds:
        """Sum up the open holds of every wallet, without a lock."""

    async def journal(self, wallet_id: int, after_seq: int, limit: int) -> list[Entry]:
        """Entries of a wallet after a sequence, in order."""

    async def lines(self, line_ids: Sequence[int]) -> dict[int, Line]:
        """The lines that exist among those asked for."""

    async def add_account(
        self,
        account: Account,
        master: Key,
        *,
        first: Grant | None = None,
        replay: MintReplay | None = None,
    ) -> None:
        """Create an account, its wallet line with its first balance, and its first key and line.

        All of it or nothing. Raises `Conflict` when one of the ids or the secret is taken or
        when `replay` lost a race against the same request, and what refuses a grant.
        """

    async def account(self, account_id: str) -> Account | None:
        """One account."""

    async def accounts(self, after_id: str, limit: int) -> list[Account]:
        """Accounts in order of their ids."""

    async def add_key(self, key: Key, replay: MintReplay | None = None) -> None:
        """Create a key and its cap line.

        Raises `Conflict` when `replay` lost a race against the same mint, or when
        one of the ids or the secret is taken.
        """

    async def mint_replay(self, minter_key_id: str, idempotency_sha256: bytes) -> MintReplay | None:
        """An earlier mint under this idempotency key, if it is not too old."""

    async def key(self, key_id: str) -> Key | None:
        """One key."""

    async def keys_by_id(self, key_ids: Sequence[str]) -> dict[str, Key]:
        """The keys that exist among those asked for."""

    async def key_by_secret(self, secret_sha256: bytes) -> Key | None:
        """The key that has this secret, or had it before its last rotation.

        Whether it still opens the key is for `ledger.opens` to say.
        """

    async def keys(
        self, account_id: str, *, external_user_id: str, before_id: str, limit: int
    ) -> list[Key]:
        """Keys of an account, newest first."""

    async def change_key(self, key_id: str, change: KeyChange) -> Key:
        """Change a key under its wallet's lock and let its cap lines follow.

        Raises `NotFound`.
        """

    async def revoked_since(self, from_ms: int, limit: int) -> list[tuple[str, int]]:
        """(key id, time) of keys revoked at or after a moment, newest first, without a lock."""

    async def last_used_ms(self, key_ids: Sequence[str]) -> dict[str, int]:
        """Time of the newest charge of each key that has one."""

    async def usage(
        self, wallet_id: int, *, key_id: str, from_ms: int, to_ms: int
    ) -> list[UsageRow]:
        """Sums by key and model over [from_ms, to_ms).

        Whole days and hours come from the rollups, the edges from the charges themselves.
        """

    async def fold_usage(self, before_ms: int, limit: int) -> int:
        """Move rows of hours that began before a time from the open rollup to the closed ones.

        At most `limit` rows, in a transaction of its own that takes no wallet's lock; returns
        how many. It changes no answer of `usage`: what comes late to an hour that was moved
        is counted, and moved the next time. Any number of folds may race.
        """

    async def events(self, query: EventQuery) -> list[ChargeDetail]:
        """Charges."""

    async def keep_card(self, version: str, card_json: str) -> None:
        """Keep a price card for good before the first hold uses it."""

    async def card(self, version: str) -> str | None:
        """A kept price card."""

    async def add_overrides(self, prices: Sequence[StoredPrice]) -> None:
        """Keep prices set at run time, after all earlier ones and in their order: all or none."""

    async def overrides(self, after_position: int = 0) -> list[StoredPrice]:
        """Prices set at run time after a position, oldest first; reads no others."""

    async def audit(self, *, full: bool = False) -> list[Check]:
        """Check the invariants of the books in one snapshot.

        Reads at least what is new since the checkpoints, and moves those of each wallet
        against which it found nothing, after the snapshot: an audit that is interrupted
        leaves more to the next one. With `full` it reads everything, compares the
        checkpoints too, and leaves them alone. Checkpoints that cannot be written are no
        failure of the audit.
        """

    async def clean_full_audit_ms(self) -> int:
        """When an audit of everything last found nothing; 0: never."""

    async def close(self) -> None:
        """Finish what runs and let go of every resource."""
