"""The one place where a refusal becomes a message or a gRPC status."""

from __future__ import annotations

import logging

import grpc
from mintgate.errors import STATUS_BY_REASON
from mintgate.ids import new_id
from mintgate.v1 import error_pb2

from mintgate_core.ledger import errors

REASON_BY_TYPE: dict[type[errors.LedgerError], error_pb2.ErrorReason.ValueType] = {
    errors.Invalid: error_pb2.ERROR_REASON_INVALID_ARGUMENT,
    errors.Unauthenticated: error_pb2.ERROR_REASON_UNAUTHENTICATED,
    errors.KeyRevoked: error_pb2.ERROR_REASON_KEY_REVOKED,
    errors.KeyExpired: error_pb2.ERROR_REASON_KEY_EXPIRED,
    errors.KeyPaused: error_pb2.ERROR_REASON_KEY_PAUSED,
    errors.Forbidden: error_pb2.ERROR_REASON_PERMISSION_DENIED,
    errors.ProviderNotAllowed: error_pb2.ERROR_REASON_PROVIDER_NOT_ALLOWED,
    errors.ModelNotAllowed: error_pb2.ERROR_REASON_MODEL_NOT_ALLOWED,
    errors.OriginNotAllowed: error_pb2.ERROR_REASON_ORIGIN_NOT_ALLOWED,
    errors.AddressNotAllowed: error_pb2.ERROR_REASON_ADDRESS_NOT_ALLOWED,
    errors.Unpriced: error_pb2.ERROR_REASON_MODEL_UNPRICED,
    errors.TooManyObjects: error_pb2.ERROR_REASON_TOO_MANY_OBJECTS,
    errors.NotFound: error_pb2.ERROR_REASON_NOT_FOUND,
    errors.CapExceeded: error_pb2.ERROR_REASON_CAP_EXCEEDED,
    errors.WalletEmpty: error_pb2.ERROR_REASON_WALLET_EMPTY,
    errors.RateLimited: error_pb2.ERROR_REASON_RATE_LIMITED,
    errors.IdReused: error_pb2.ERROR_REASON_ID_REUSED,
    errors.AlreadyResolved: error_pb2.ERROR_REASON_ALREADY_RESOLVED,
    errors.LeaseLost: error_pb2.ERROR_REASON_LEASE_LOST,
    errors.IdempotencyConflict: error_pb2.ERROR_REASON_IDEMPOTENCY_CONFLICT,
    errors.OutcomeUnknown: error_pb2.ERROR_REASON_OUTCOME_UNKNOWN,
    errors.Overloaded: error_pb2.ERROR_REASON_OVERLOADED,
    errors.Unavailable: error_pb2.ERROR_REASON_UNAVAILABLE,
}

ERROR_METADATA = "mintgate-error-bin"

log = logging.getLogger(__name__)


def to_proto(error: errors.LedgerError) -> error_pb2.Error:
    """The message of a refusal. What is in nobody's tree is a defect, told without detail."""
    known = (REASON_BY_TYPE[kind] for kind in type(error).__mro__ if kind in REASON_BY_TYPE)
    reason = next(known, error_pb2.ERROR_REASON_INTERNAL)
    if reason == error_pb2.ERROR_REASON_INTERNAL:
        defect_id = new_id().hex()
        log.error("defect %s: %s", defect_id, error, exc_info=error)
        text = f"the gateway has a defect; its log says more under {defect_id}"
        return error_pb2.Error(reason=reason, message=text)
    message = error_pb2.Error(reason=reason, message=error.message, field=error.field)
    if isinstance(error, errors.Denied):
        message.required_nano_usd = error.required_nano_usd
        message.remaining_nano_usd = error.remaining_nano_usd
        message.affordable_output_tokens = error.affordable_output_tokens
    if isinstance(error, errors.RateLimited):
        message.retry_after_ms = error.retry_after_ms
    return message


def defect(error: Exception) -> errors.Bug:
    """What nobody foresaw, as a refusal that keeps its cause for the log."""
    bug = errors.Bug("this failed in a way that nobody foresaw")
    bug.__cause__ = error
    return bug


def to_status(
    error: errors.LedgerError,
) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Status, text and trailing metadata of a call that fails as a whole."""
    message = to_proto(error)
    trailing = ((ERROR_METADATA, message.SerializeToString()),)
    return STATUS_BY_REASON[message.reason], message.message, trailing
