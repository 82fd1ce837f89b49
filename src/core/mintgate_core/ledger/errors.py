"""Why an operation is refused. One tree; service/errors.py maps it to the wire.

    LedgerError
      Invalid(field)             malformed or out of range
      Unauthenticated            no such key
        KeyRevoked
        KeyExpired
        KeyPaused
      Forbidden                  the credential is good, but not for this
        ProviderNotAllowed
        ModelNotAllowed
        TooManyObjects           the key owns as many as it may
        OriginNotAllowed
        AddressNotAllowed
      NotFound
      Unpriced                   no price is known: never free
      Denied                     the money does not suffice
        CapExceeded
        WalletEmpty
      RateLimited(field)         too many requests or tokens a minute, or at once
      Conflict
        IdReused(field)
        AlreadyResolved
        LeaseLost                another poller has the job
        IdempotencyConflict(field)
      Unavailable                nothing happened
        OutcomeUnknown           it may have happened; ask again with the same id
        Overloaded
        LimitsChanged          checked against old rate limits; the service checks again
      Bug                        an invariant of ours does not hold

`decide` returns these as values, since one refusal must not disturb its batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mintgate_core.ledger.types import RateLimits


class LedgerError(Exception):
    """Root of every refusal. `field` names what is at fault, or is empty."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Invalid(LedgerError):
    """A field is malformed or out of range."""


class Unauthenticated(LedgerError):
    """No key has this credential."""


class KeyRevoked(Unauthenticated):
    """The key was revoked."""


class KeyExpired(Unauthenticated):
    """The key's expiry has passed."""


class KeyPaused(Unauthenticated):
    """The key is paused and may be made active again."""


class Forbidden(LedgerError):
    """The credential may not do this."""


class ProviderNotAllowed(Forbidden):
    """The key is limited to other providers."""


class ModelNotAllowed(Forbidden):
    """The key is limited to other models."""


class TooManyObjects(Forbidden):
    """The key owns as many objects at providers as it may."""


class OriginNotAllowed(Forbidden):
    """The key is limited to other browser origins."""


class AddressNotAllowed(Forbidden):
    """The key is limited to other client addresses."""


class NotFound(LedgerError):
    """There is no such thing, or it is another account's."""


class Unpriced(LedgerError):
    """No price is known for this provider, model or unit."""


class Denied(LedgerError):
    """The lines cannot cover the worst case. Nothing was written."""

    def __init__(
        self,
        message: str,
        *,
        required_nano_usd: int,
        remaining_nano_usd: int,
        affordable_output_tokens: int,
    ) -> None:
        super().__init__(message)
        self.required_nano_usd = required_nano_usd
        self.remaining_nano_usd = remaining_nano_usd
        self.affordable_output_tokens = affordable_output_tokens


class CapExceeded(Denied):
    """A cap of the key is the tightest line."""


class WalletEmpty(Denied):
    """The account's wallet is the tightest line."""


class RateLimited(LedgerError):
    """A rate limit of the key was reached. Nothing was written."""

    def __init__(self, message: str, *, field: str, retry_after_ms: int) -> None:
        super().__init__(message, field=field)
        self.retry_after_ms = retry_after_ms


class Conflict(LedgerError):
    """The identifier is taken."""


class IdReused(Conflict):
    """The same id came with another value in `field`."""


class AlreadyResolved(Conflict):
    """The hold was settled, released or has expired."""


class LeaseLost(Conflict):
    """The job was claimed again since; only the newest claim may renew it."""


class IdempotencyConflict(Conflict):
    """The same idempotency key came with another value in `field`."""


class Unavailable(LedgerError):
    """The store is away; nothing happened."""


class OutcomeUnknown(Unavailable):
    """The operation may have happened."""


class Overloaded(Unavailable):
    """A named bound on queued work was reached; nothing happened."""


class LimitsChanged(Unavailable):
    """The reserve was checked against rate limits that the key does not have; nothing happened."""

    def __init__(self, message: str, *, rate_limits: RateLimits) -> None:
        super().__init__(message)
        self.rate_limits = rate_limits


class Bug(LedgerError):
    """An invariant does not hold. Kept on in production: better to stop than to be wrong."""


def invariant(condition: bool, text: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise `Bug` unless `condition`; unlike `assert` it survives `python -O`."""
    if not condition:
        raise Bug(f"invariant violated: {text}")
