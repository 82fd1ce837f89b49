"""Gemini's error bodies (google.rpc.Status, google/genai/errors.py)."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from mintgate_facade.dialects.base import Failure, FailureKind
from mintgate_facade.dialects.failures import amounts_of, code_of, headers_of, retry_after_s

ERROR_DOMAIN = "mintgate"

_STATUS: Mapping[FailureKind, str] = {
    FailureKind.BAD_REQUEST: "INVALID_ARGUMENT",
    FailureKind.UNAUTHENTICATED: "UNAUTHENTICATED",
    FailureKind.PAYMENT_REQUIRED: "RESOURCE_EXHAUSTED",
    FailureKind.FORBIDDEN: "PERMISSION_DENIED",
    FailureKind.NOT_FOUND: "NOT_FOUND",
    FailureKind.MODEL_NOT_FOUND: "NOT_FOUND",
    FailureKind.METHOD_NOT_ALLOWED: "INVALID_ARGUMENT",
    FailureKind.TOO_LARGE: "INVALID_ARGUMENT",
    FailureKind.UNSUPPORTED_MEDIA: "INVALID_ARGUMENT",
    FailureKind.RATE_LIMITED: "RESOURCE_EXHAUSTED",
    FailureKind.INTERNAL: "INTERNAL",
    FailureKind.UPSTREAM_FAILED: "UNAVAILABLE",
    FailureKind.LEDGER_AWAY: "UNAVAILABLE",
    FailureKind.UPSTREAM_TIMEOUT: "DEADLINE_EXCEEDED",
}


def error_body(failure: Failure) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Build the body and the extra headers of an error answer."""
    return orjson.dumps(_document(failure)), headers_of(failure, b"x-request-id")


def stream_event(failure: Failure) -> bytes:
    """Build the in-stream error; no `event:` line, which the SDKs cannot read."""
    return b"data: " + orjson.dumps(_document(failure)) + b"\r\n\r\n"


def array_element(failure: Failure) -> bytes:
    """Build the error as a further element of a streamed array, and end the array."""
    return b",\r\n" + orjson.dumps(_document(failure)) + b"\r\n]"


def _document(failure: Failure) -> dict[str, object]:
    amounts = amounts_of(failure)
    info: dict[str, object] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": code_of(failure).upper(),
        "domain": ERROR_DOMAIN,
        # The type is map<string, string> at Google.
        "metadata": {name: str(value) for name, value in amounts.items()},
    }
    details = [info]
    if failure.param:
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{"field": failure.param, "description": failure.message}],
            }
        )
    wait_s = retry_after_s(failure)
    if wait_s is not None:
        details.append(
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait_s}s"}
        )
    return {
        "error": {
            "code": failure.status,
            "message": failure.message,
            "status": _STATUS[failure.kind],
            "details": details,
            **amounts,
        }
    }
