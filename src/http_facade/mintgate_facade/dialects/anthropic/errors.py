"""Anthropic's error bodies (platform.claude.com/docs/en/api/errors)."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from mintgate_facade.dialects.base import Failure, FailureKind
from mintgate_facade.dialects.failures import amounts_of, headers_of

_TYPE: Mapping[FailureKind, str] = {
    FailureKind.BAD_REQUEST: "invalid_request_error",
    FailureKind.UNAUTHENTICATED: "authentication_error",
    FailureKind.PAYMENT_REQUIRED: "billing_error",
    FailureKind.FORBIDDEN: "permission_error",
    FailureKind.NOT_FOUND: "not_found_error",
    FailureKind.MODEL_NOT_FOUND: "not_found_error",
    FailureKind.METHOD_NOT_ALLOWED: "invalid_request_error",
    FailureKind.TOO_LARGE: "request_too_large",
    FailureKind.UNSUPPORTED_MEDIA: "invalid_request_error",
    FailureKind.RATE_LIMITED: "rate_limit_error",
    FailureKind.INTERNAL: "api_error",
    FailureKind.UPSTREAM_FAILED: "api_error",
    FailureKind.LEDGER_AWAY: "api_error",
    FailureKind.UPSTREAM_TIMEOUT: "timeout_error",
}


def error_body(failure: Failure) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Build the body and the extra headers of an error answer."""
    return orjson.dumps(_document(failure)), headers_of(failure, b"request-id", exact_wait=True)


def stream_event(failure: Failure) -> bytes:
    """Build the in-stream error; the SDKs raise only for an event that is named error."""
    return b"event: error\ndata: " + orjson.dumps(_document(failure)) + b"\n\n"


def _document(failure: Failure) -> dict[str, object]:
    error: dict[str, object] = {
        "type": _TYPE[failure.kind],
        "message": failure.message,
        **amounts_of(failure),
    }
    if failure.param:
        error["param"] = failure.param
    if failure.code:
        error["code"] = failure.code
    return {"type": "error", "error": error, "request_id": failure.request_id or None}
