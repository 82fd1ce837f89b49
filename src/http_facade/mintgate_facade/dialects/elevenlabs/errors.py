"""ElevenLabs' error bodies: of 2026, with the older `status` that many clients still read."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from mintgate_facade.dialects.base import Failure, FailureKind
from mintgate_facade.dialects.failures import amounts_of, code_of, headers_of

_TYPE: Mapping[FailureKind, str] = {
    FailureKind.UNAUTHENTICATED: "authentication_error",
    FailureKind.PAYMENT_REQUIRED: "payment_required",
    FailureKind.FORBIDDEN: "authorization_error",
    FailureKind.NOT_FOUND: "not_found",
    FailureKind.MODEL_NOT_FOUND: "not_found",
    FailureKind.RATE_LIMITED: "rate_limit_error",
    FailureKind.INTERNAL: "internal_error",
    FailureKind.UPSTREAM_FAILED: "internal_error",
    FailureKind.LEDGER_AWAY: "internal_error",
    FailureKind.UPSTREAM_TIMEOUT: "internal_error",
}
_STATUS: Mapping[FailureKind, str] = {
    # What the vendor's own apps look for when there is no money left.
    FailureKind.PAYMENT_REQUIRED: "quota_exceeded",
    FailureKind.RATE_LIMITED: "too_many_concurrent_requests",
    FailureKind.LEDGER_AWAY: "system_busy",
}


def error_body(failure: Failure) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Build the body and the extra headers of an error answer."""
    code = code_of(failure)
    detail: dict[str, object] = {
        "type": _TYPE.get(failure.kind, "invalid_request"),
        "code": code,
        "status": _STATUS.get(failure.kind, code),
        "message": failure.message,
        "request_id": failure.request_id,
        **amounts_of(failure),
    }
    if failure.param:
        detail["param"] = failure.param
    return orjson.dumps({"detail": detail}), headers_of(failure, b"request-id")
