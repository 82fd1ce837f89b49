"""OpenAI's error bodies (openai/_client.py: status decides the exception's class)."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from mintgate_facade.dialects.base import Failure, FailureKind
from mintgate_facade.dialects.failures import amounts_of, code_of, headers_of

_TYPE: Mapping[FailureKind, str] = {
    FailureKind.PAYMENT_REQUIRED: "insufficient_quota",
    FailureKind.FORBIDDEN: "permission_error",
    FailureKind.RATE_LIMITED: "rate_limit_error",
    FailureKind.INTERNAL: "server_error",
    FailureKind.UPSTREAM_FAILED: "server_error",
    FailureKind.LEDGER_AWAY: "server_error",
    FailureKind.UPSTREAM_TIMEOUT: "server_error",
}


def error_object(failure: Failure) -> dict[str, object]:
    """Build what stands under `error`; the SDKs read message, type, param and code."""
    return {
        "message": failure.message,
        "type": _TYPE.get(failure.kind, "invalid_request_error"),
        "param": failure.param or None,
        "code": code_of(failure),
        **amounts_of(failure),
    }


def error_body(
    failure: Failure, flat: Mapping[str, str] | None = None
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Build the body and the extra headers of an error answer; see `Flavor.flat_errors`."""
    error = error_object(failure)
    document = {"error": error} if flat is None else {**flat, **error}
    return orjson.dumps(document), headers_of(failure, b"x-request-id", exact_wait=True)


def stream_event(failure: Failure, *, responses: bool) -> bytes:
    """Build the in-stream error.

    The SDK raises for a nested `error`. The Responses stream's own shape is flat
    and would only be handed to the caller as one more event, so that stream gets
    both in one.
    """
    nested = error_object(failure)
    if not responses:
        return b"data: " + orjson.dumps({"error": nested}) + b"\n\n"
    event = {
        "type": "error",
        "code": nested["code"],
        "message": failure.message,
        "param": failure.param or None,
        "sequence_number": 0,
        "error": nested,
    }
    return b"event: error\ndata: " + orjson.dumps(event) + b"\n\n"
