"""What can go wrong, once for the core, the facade and every client.

    MintgateError
    ├── InvalidArgument(field)          INVALID_ARGUMENT     change the request
    ├── Unauthenticated                 UNAUTHENTICATED      no such key
    │   ├── KeyRevoked
    │   ├── KeyExpired
    │   └── KeyPaused
    ├── PermissionDenied                PERMISSION_DENIED    a good key, not for this
    │   ├── ProviderNotAllowed
    │   ├── ModelNotAllowed
    │   ├── TooManyObjects              RESOURCE_EXHAUSTED   delete some first
    │   ├── OriginNotAllowed
    │   └── AddressNotAllowed
    ├── NotFound                        NOT_FOUND
    ├── ModelUnpriced                   NOT_FOUND            nothing is free because unknown
    ├── PaymentRequired(amounts)        RESOURCE_EXHAUSTED   the worst case does not fit
    │   ├── CapExceeded
    │   └── WalletEmpty
    ├── RateLimited(retry_after_ms)     RESOURCE_EXHAUSTED   slower
    ├── Conflict(field)                 ALREADY_EXISTS
    │   ├── IdReused
    │   ├── AlreadyResolved             FAILED_PRECONDITION
    │   ├── LeaseLost                   FAILED_PRECONDITION
    │   └── IdempotencyConflict
    ├── Unavailable                     UNAVAILABLE          repeat later, same id
    │   ├── OutcomeUnknown              UNAVAILABLE          repeat now, same id
    │   └── Overloaded                  RESOURCE_EXHAUSTED
    └── Internal                        INTERNAL             a defect of the gateway

Over gRPC the status code is for programs that know nothing of Mintgate. The
error itself is a serialised `mintgate.v1.Error` in the trailing metadata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import grpc
from google.protobuf.message import DecodeError

from .v1 import error_pb2
from .v1.error_pb2 import ErrorReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ERROR_METADATA_KEY: Final = "mintgate-error-bin"
"""Trailing metadata entry that holds a serialised `mintgate.v1.Error`."""

CREDENTIAL_FIELD: Final = "authorization"
"""`field` of an `Unauthenticated` that is about the call's own credential, and no key at all."""


class MintgateError(Exception):
    """Root of every error that this package raises about an answer.

    `message` is a sentence for a person; `reason` is what a program branches on
    when the class is not enough; `field` names the part of the request at fault.
    """

    REASON: ClassVar[ErrorReason.ValueType] = error_pb2.ERROR_REASON_UNSPECIFIED

    def __init__(
        self,
        message: str = "",
        *,
        field: str = "",
        reason: ErrorReason.ValueType | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.reason = self.REASON if reason is None else reason

    def to_proto(self) -> error_pb2.Error:
        """Return the error as it travels."""
        return error_pb2.Error(reason=self.reason, message=self.message, field=self.field)


class InvalidArgument(MintgateError, ValueError):
    """A field is missing, malformed or out of range; `field` names it."""

    REASON = error_pb2.ERROR_REASON_INVALID_ARGUMENT


class Unauthenticated(MintgateError):
    """No credential, or one that no key has."""

    REASON = error_pb2.ERROR_REASON_UNAUTHENTICATED


class KeyRevoked(Unauthenticated):
    """The key was ended for good."""

    REASON = error_pb2.ERROR_REASON_KEY_REVOKED


class KeyExpired(Unauthenticated):
    """The key's expiry has passed."""

    REASON = error_pb2.ERROR_REASON_KEY_EXPIRED


class KeyPaused(Unauthenticated):
    """The key refuses requests until it is made active again."""

    REASON = error_pb2.ERROR_REASON_KEY_PAUSED


class PermissionDenied(MintgateError):
    """The credential is good, but not for this call."""

    REASON = error_pb2.ERROR_REASON_PERMISSION_DENIED


class ProviderNotAllowed(PermissionDenied):
    """The key may not use this provider."""

    REASON = error_pb2.ERROR_REASON_PROVIDER_NOT_ALLOWED


class ModelNotAllowed(PermissionDenied):
    """The key may not use this model."""

    REASON = error_pb2.ERROR_REASON_MODEL_NOT_ALLOWED


class TooManyObjects(PermissionDenied):
    """The key owns as many objects at providers as it may."""

    REASON = error_pb2.ERROR_REASON_TOO_MANY_OBJECTS


class OriginNotAllowed(PermissionDenied):
    """The key may be used from other browser origins only."""

    REASON = error_pb2.ERROR_REASON_ORIGIN_NOT_ALLOWED


class AddressNotAllowed(PermissionDenied):
    """The key may be used from other client addresses only."""

    REASON = error_pb2.ERROR_REASON_ADDRESS_NOT_ALLOWED


class NotFound(MintgateError):
    """There is no such key, account, hold or price that the caller may see."""

    REASON = error_pb2.ERROR_REASON_NOT_FOUND


class ModelUnpriced(MintgateError):
    """No price is known, so the request is refused."""

    REASON = error_pb2.ERROR_REASON_MODEL_UNPRICED


class PaymentRequired(MintgateError):
    """The worst case of the request does not fit; nothing was held.

    Amounts are nano-USD, 0..2^62. `affordable_output_tokens` is the largest
    output limit per choice that would have been admitted, 0 when not even the
    input fits.
    """

    def __init__(
        self,
        message: str = "",
        *,
        field: str = "",
        reason: ErrorReason.ValueType | None = None,
        required_nano_usd: int = 0,
        remaining_nano_usd: int = 0,
        affordable_output_tokens: int = 0,
    ) -> None:
        super().__init__(message, field=field, reason=reason)
        self.required_nano_usd = required_nano_usd
        self.remaining_nano_usd = remaining_nano_usd
        self.affordable_output_tokens = affordable_output_tokens

    def to_proto(self) -> error_pb2.Error:
        """Return the error as it travels, with its amounts."""
        error = super().to_proto()
        error.required_nano_usd = self.required_nano_usd
        error.remaining_nano_usd = self.remaining_nano_usd
        error.affordable_output_tokens = self.affordable_output_tokens
        return error


class CapExceeded(PaymentRequired):
    """The key's cap cannot cover the worst case."""

    REASON = error_pb2.ERROR_REASON_CAP_EXCEEDED


class WalletEmpty(PaymentRequired):
    """The account's wallet cannot cover the worst case."""

    REASON = error_pb2.ERROR_REASON_WALLET_EMPTY


class RateLimited(MintgateError):
    """A rate limit of the key, named by `field`, was reached; nothing was held.

    `retry_after_ms`, 1..60,000, says when a request may fit again.
    """

    REASON = error_pb2.ERROR_REASON_RATE_LIMITED

    def __init__(
        self,
        message: str = "",
        *,
        field: str = "",
        reason: ErrorReason.ValueType | None = None,
        retry_after_ms: int = 0,
    ) -> None:
        super().__init__(message, field=field, reason=reason)
        self.retry_after_ms = retry_after_ms

    def to_proto(self) -> error_pb2.Error:
        """Return the error as it travels, with the wait."""
        error = super().to_proto()
        error.retry_after_ms = self.retry_after_ms
        return error


class Conflict(MintgateError):
    """The request contradicts an earlier one."""


class IdReused(Conflict):
    """The identifier was used before with another value in `field`."""

    REASON = error_pb2.ERROR_REASON_ID_REUSED


class AlreadyResolved(Conflict):
    """The hold was settled, released or has expired already."""

    REASON = error_pb2.ERROR_REASON_ALREADY_RESOLVED


class LeaseLost(Conflict):
    """The job was claimed again after this claim's lease had ended."""

    REASON = error_pb2.ERROR_REASON_LEASE_LOST


class IdempotencyConflict(Conflict):
    """The Idempotency-Key was used before with another value in `field`."""

    REASON = error_pb2.ERROR_REASON_IDEMPOTENCY_CONFLICT


class Unavailable(MintgateError):
    """No answer now. With this very class, nothing happened."""

    REASON = error_pb2.ERROR_REASON_UNAVAILABLE


class OutcomeUnknown(Unavailable):
    """It may or may not have happened: ask again with the same identifier."""

    REASON = error_pb2.ERROR_REASON_OUTCOME_UNKNOWN


class Overloaded(Unavailable):
    """A named bound on queued work was reached; nothing happened."""

    REASON = error_pb2.ERROR_REASON_OVERLOADED


class Internal(MintgateError):
    """A defect of the gateway; the message carries an id found in its log."""

    REASON = error_pb2.ERROR_REASON_INTERNAL


def _leaves(root: type[MintgateError]) -> Iterator[type[MintgateError]]:
    """Yield every class below `root` that stands for a reason of its own."""
    for child in root.__subclasses__():
        if child.REASON != error_pb2.ERROR_REASON_UNSPECIFIED:
            yield child
        yield from _leaves(child)


CLASS_BY_REASON: Final[Mapping[ErrorReason.ValueType, type[MintgateError]]] = {
    error_class.REASON: error_class for error_class in _leaves(MintgateError)
}

STATUS_BY_REASON: Final[Mapping[ErrorReason.ValueType, grpc.StatusCode]] = {
    error_pb2.ERROR_REASON_INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    error_pb2.ERROR_REASON_UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    error_pb2.ERROR_REASON_KEY_REVOKED: grpc.StatusCode.UNAUTHENTICATED,
    error_pb2.ERROR_REASON_KEY_EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    error_pb2.ERROR_REASON_KEY_PAUSED: grpc.StatusCode.UNAUTHENTICATED,
    error_pb2.ERROR_REASON_PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    error_pb2.ERROR_REASON_PROVIDER_NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
    error_pb2.ERROR_REASON_MODEL_NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
    error_pb2.ERROR_REASON_ORIGIN_NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
    error_pb2.ERROR_REASON_ADDRESS_NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
    error_pb2.ERROR_REASON_MODEL_UNPRICED: grpc.StatusCode.NOT_FOUND,
    error_pb2.ERROR_REASON_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    error_pb2.ERROR_REASON_CAP_EXCEEDED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    error_pb2.ERROR_REASON_WALLET_EMPTY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    error_pb2.ERROR_REASON_ID_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    error_pb2.ERROR_REASON_ALREADY_RESOLVED: grpc.StatusCode.FAILED_PRECONDITION,
    error_pb2.ERROR_REASON_IDEMPOTENCY_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    error_pb2.ERROR_REASON_OUTCOME_UNKNOWN: grpc.StatusCode.UNAVAILABLE,
    error_pb2.ERROR_REASON_OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    error_pb2.ERROR_REASON_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    error_pb2.ERROR_REASON_INTERNAL: grpc.StatusCode.INTERNAL,
    error_pb2.ERROR_REASON_RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    error_pb2.ERROR_REASON_TOO_MANY_OBJECTS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    error_pb2.ERROR_REASON_LEASE_LOST: grpc.StatusCode.FAILED_PRECONDITION,
}
"""The gRPC status of each reason; the core answers with the same table."""

_CLASS_BY_STATUS: Final[Mapping[grpc.StatusCode, type[MintgateError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: AlreadyResolved,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    # Without a word from the core nobody knows how far the call came.
    grpc.StatusCode.UNAVAILABLE: OutcomeUnknown,
    grpc.StatusCode.ABORTED: OutcomeUnknown,
    grpc.StatusCode.CANCELLED: OutcomeUnknown,
    grpc.StatusCode.DEADLINE_EXCEEDED: OutcomeUnknown,
}


def error_from_proto(error: error_pb2.Error) -> MintgateError:
    """Return the typed error of one refusal, for example of one operation of a batch.

    A reason that this version does not know becomes a plain `MintgateError`
    that keeps the number.
    """
    error_class = CLASS_BY_REASON.get(error.reason, MintgateError)
    if issubclass(error_class, PaymentRequired):
        return error_class(
            error.message,
            field=error.field,
            required_nano_usd=error.required_nano_usd,
            remaining_nano_usd=error.remaining_nano_usd,
            affordable_output_tokens=error.affordable_output_tokens,
        )
    if issubclass(error_class, RateLimited):
        return error_class(error.message, field=error.field, retry_after_ms=error.retry_after_ms)
    return error_class(error.message, field=error.field, reason=error.reason)


def error_from_rpc(error: grpc.RpcError) -> MintgateError:
    """Return the typed error of a call that failed.

    Reads the core's own error from the trailing metadata; where there is none
    (the call never reached a core) the status code decides.
    """
    detail = _detail(error)
    if detail is not None:
        return error_from_proto(detail)
    status = status_of(error)
    message = str(getattr(error, "details", lambda: None)() or status.name)
    error_class = _CLASS_BY_STATUS.get(status, Internal)
    # Whoever refused on the way, it was no core that looked at a key.
    return error_class(message, field=CREDENTIAL_FIELD * (error_class is Unauthenticated))


def about_own_credential(error: MintgateError) -> bool:
    """Whether the core refused who asks, and not the key that was asked about.

    For facades, which ask about the keys of others: theirs must not look bad for it.
    """
    if isinstance(error, Unauthenticated):
        return error.field == CREDENTIAL_FIELD
    # What a key may not do is told by the classes below.
    return type(error) is PermissionDenied


def status_of(error: grpc.RpcError) -> grpc.StatusCode:
    """Return the status of a failed call; UNKNOWN when it carries none."""
    code = getattr(error, "code", lambda: None)()
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN


def _detail(error: grpc.RpcError) -> error_pb2.Error | None:
    """Return the core's error from the trailing metadata, if it can be read."""
    for name, value in getattr(error, "trailing_metadata", lambda: None)() or ():
        if name == ERROR_METADATA_KEY and isinstance(value, bytes):
            try:
                return error_pb2.Error.FromString(value)
            except DecodeError:
                return None
    return None
