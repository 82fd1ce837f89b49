"""What a refusal of the ledger means to the caller of a provider route."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mintgate.v1 import error_pb2 as reasons

from mintgate_facade.dialects.base import Failure, FailureKind

if TYPE_CHECKING:
    from mintgate.v1.error_pb2 import Error

LEDGER_AWAY = Failure(
    FailureKind.LEDGER_AWAY, "The gateway cannot reserve money at the moment. Try again shortly."
)

KEY_REVOKED = Failure(FailureKind.UNAUTHENTICATED, "The API key was revoked.", code="key_revoked")
GATEWAY_STOPS = Failure(
    FailureKind.LEDGER_AWAY,
    "The gateway is being restarted, so the request was ended. What was delivered was charged.",
    code="gateway_stops",
)
ORIGIN_NOT_SERVED = Failure(
    FailureKind.FORBIDDEN,
    "This gateway does not serve pages of this origin. Its operator lists origins in "
    "MINTGATE_CORS_ORIGINS.",
    code="origin_not_allowed",
)
ENDED_BY_REVOCATION = Failure(
    FailureKind.UNAUTHENTICATED,
    "The API key was revoked, so its request was ended. What was delivered was charged.",
    code="key_revoked",
)

NO_ROOM = Failure(
    FailureKind.FORBIDDEN,
    "This key owns as many stored objects as it may. Delete some.",
    code="too_many_objects",
)

_FIXED = {
    reasons.ERROR_REASON_UNAUTHENTICATED: Failure(
        FailureKind.UNAUTHENTICATED, "The API key is not known to this gateway."
    ),
    reasons.ERROR_REASON_KEY_REVOKED: KEY_REVOKED,
    reasons.ERROR_REASON_KEY_EXPIRED: Failure(
        FailureKind.UNAUTHENTICATED, "The API key has expired.", code="key_expired"
    ),
    reasons.ERROR_REASON_KEY_PAUSED: Failure(
        FailureKind.UNAUTHENTICATED, "The API key is paused.", code="key_paused"
    ),
}

_BY_REASON = {
    reasons.ERROR_REASON_PERMISSION_DENIED: (FailureKind.FORBIDDEN, ""),
    reasons.ERROR_REASON_PROVIDER_NOT_ALLOWED: (FailureKind.FORBIDDEN, "provider_not_allowed"),
    reasons.ERROR_REASON_MODEL_NOT_ALLOWED: (FailureKind.FORBIDDEN, "model_not_allowed"),
    reasons.ERROR_REASON_TOO_MANY_OBJECTS: (FailureKind.FORBIDDEN, "too_many_objects"),
    reasons.ERROR_REASON_ORIGIN_NOT_ALLOWED: (FailureKind.FORBIDDEN, "origin_not_allowed"),
    reasons.ERROR_REASON_ADDRESS_NOT_ALLOWED: (FailureKind.FORBIDDEN, "address_not_allowed"),
    reasons.ERROR_REASON_MODEL_UNPRICED: (FailureKind.MODEL_NOT_FOUND, ""),
    reasons.ERROR_REASON_CAP_EXCEEDED: (FailureKind.PAYMENT_REQUIRED, "cap_exceeded"),
    reasons.ERROR_REASON_WALLET_EMPTY: (FailureKind.PAYMENT_REQUIRED, "wallet_empty"),
    reasons.ERROR_REASON_INVALID_ARGUMENT: (FailureKind.BAD_REQUEST, ""),
    reasons.ERROR_REASON_RATE_LIMITED: (FailureKind.RATE_LIMITED, ""),
}


_PLACES = frozenset(
    {reasons.ERROR_REASON_ORIGIN_NOT_ALLOWED, reasons.ERROR_REASON_ADDRESS_NOT_ALLOWED}
)


def failure_of(error: Error, hint: str = "") -> Failure:
    """Turn a refusal into the gateway's own answer.

    `hint` is added when the model is unknown: where it may be found. Every
    reason not listed is a matter of the gateway's, never of the caller's key.
    """
    fixed = _FIXED.get(error.reason)
    if fixed is not None:
        return fixed
    known = _BY_REASON.get(error.reason)
    if known is None:
        return LEDGER_AWAY
    kind, code = known
    failure = Failure(kind, error.message, code=code, param=error.field)
    if error.reason in _PLACES:
        # Where the request comes from is no field of it.
        return replace(failure, param="")
    if kind is FailureKind.MODEL_NOT_FOUND and hint:
        return replace(failure, message=f"{error.message}. {hint}")
    if kind is FailureKind.RATE_LIMITED:
        return replace(
            failure,
            # The limit is the key's, not a field of the request.
            param="",
            retry_after_s=-(-error.retry_after_ms // 1000),
            retry_after_ms=error.retry_after_ms,
        )
    if kind is FailureKind.PAYMENT_REQUIRED:
        return replace(
            failure,
            param="",
            # What is needed is rounded up and what is left down, so that the two never
            # look as if the request would have fitted.
            required_micros=-(-error.required_nano_usd // 1000),
            remaining_micros=error.remaining_nano_usd // 1000,
            affordable_max_output_tokens=error.affordable_output_tokens,
        )
    return failure
