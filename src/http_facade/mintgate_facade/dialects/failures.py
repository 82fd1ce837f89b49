"""What every dialect's own error answers have in common: headers, codes, sentences."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate_facade.dialects.base import Failure, FailureKind

RETRY_AFTER_S_MAX = 20
"""SDKs either wait a longer time in full or do not retry at all; see the SDKs' own caps."""
RETRY_AFTER_S_DEFAULT = 1

DEFAULT_CODE: Mapping[FailureKind, str] = {
    FailureKind.BAD_REQUEST: "invalid_value",
    FailureKind.UNAUTHENTICATED: "invalid_api_key",
    FailureKind.PAYMENT_REQUIRED: "cap_exceeded",
    FailureKind.FORBIDDEN: "not_allowed",
    FailureKind.NOT_FOUND: "unknown_url",
    FailureKind.MODEL_NOT_FOUND: "model_not_found",
    FailureKind.METHOD_NOT_ALLOWED: "method_not_supported",
    FailureKind.TOO_LARGE: "request_too_large",
    FailureKind.UNSUPPORTED_MEDIA: "unsupported_media_type",
    FailureKind.RATE_LIMITED: "rate_limit_exceeded",
    FailureKind.INTERNAL: "internal_error",
    FailureKind.UPSTREAM_FAILED: "upstream_failed",
    FailureKind.LEDGER_AWAY: "ledger_away",
    FailureKind.UPSTREAM_TIMEOUT: "upstream_timeout",
}

_TOLD_TO_WAIT = frozenset({FailureKind.RATE_LIMITED, FailureKind.LEDGER_AWAY})
_RETRIED = _TOLD_TO_WAIT | {
    FailureKind.INTERNAL,
    FailureKind.UPSTREAM_FAILED,
    FailureKind.UPSTREAM_TIMEOUT,
}


def code_of(failure: Failure) -> str:
    """The failure's own code, or its kind's."""
    return failure.code or DEFAULT_CODE[failure.kind]


def retry_after_s(failure: Failure) -> int | None:
    """Seconds to wait, 1..20; none where waiting does not help."""
    if failure.kind not in _TOLD_TO_WAIT:
        return None
    asked = failure.retry_after_s or RETRY_AFTER_S_DEFAULT
    return min(max(asked, 1), RETRY_AFTER_S_MAX)


def headers_of(
    failure: Failure, request_id_header: bytes, *, exact_wait: bool = False
) -> list[tuple[bytes, bytes]]:
    """The extra headers: the request's id, and whether and when an SDK should retry.

    `exact_wait`: this provider's SDK also reads `retry-after-ms`, and prefers it.
    """
    headers: list[tuple[bytes, bytes]] = []
    if failure.request_id:
        headers.append((request_id_header, failure.request_id.encode("latin-1", "replace")))
    wait_s = retry_after_s(failure)
    if wait_s is not None:
        headers.append((b"retry-after", str(wait_s).encode()))
        if exact_wait and failure.retry_after_ms is not None:
            wait_ms = min(max(failure.retry_after_ms, 1), RETRY_AFTER_S_MAX * 1000)
            headers.append((b"retry-after-ms", str(wait_ms).encode()))
    if failure.kind not in _RETRIED:
        headers.append((b"x-should-retry", b"false"))
    return headers


def amounts_of(failure: Failure) -> dict[str, int]:
    """What a 402 tells beside its message, so that a client can shorten its request."""
    amounts = {
        "required_micros": failure.required_micros,
        "remaining_micros": failure.remaining_micros,
        "affordable_max_output_tokens": failure.affordable_max_output_tokens,
    }
    return {name: value for name, value in amounts.items() if value is not None}
