"""DashScope's error bodies: `code`, `message`, `request_id` at the top (its SDK: v2/errors.py)."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from mintgate_facade.dialects.base import Failure, FailureKind
from mintgate_facade.dialects.failures import amounts_of, code_of, headers_of

_CODE: Mapping[FailureKind, str] = {
    FailureKind.BAD_REQUEST: "InvalidParameter",
    FailureKind.UNAUTHENTICATED: "InvalidApiKey",
    FailureKind.PAYMENT_REQUIRED: "Arrearage",
    FailureKind.FORBIDDEN: "AccessDenied",
    FailureKind.NOT_FOUND: "InvalidURL",
    FailureKind.MODEL_NOT_FOUND: "ModelNotFound",
    FailureKind.METHOD_NOT_ALLOWED: "MethodNotAllowed",
    FailureKind.TOO_LARGE: "RequestTooLarge",
    FailureKind.UNSUPPORTED_MEDIA: "UnsupportedMediaType",
    FailureKind.RATE_LIMITED: "Throttling.RateQuota",
    FailureKind.INTERNAL: "InternalError",
    FailureKind.UPSTREAM_FAILED: "InternalError",
    FailureKind.LEDGER_AWAY: "ServiceUnavailable",
    FailureKind.UPSTREAM_TIMEOUT: "GatewayTimeout",
}


def error_body(failure: Failure) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Build the body and the extra headers of an error answer."""
    return orjson.dumps(_document(failure)), headers_of(failure, b"x-request-id", exact_wait=True)


def stream_event(failure: Failure) -> bytes:
    """Build the in-stream error.

    The status stands there twice: DashScope writes it as a comment, and SDKs of the first
    generation read it from a field. They know the event's name only without a space.
    """
    status = failure.status
    head = f"event:error\n:HTTP_STATUS/{status}\nstatus:{status}\ndata:"
    return head.encode() + orjson.dumps(_document(failure)) + b"\n\n"


def _document(failure: Failure) -> dict[str, object]:
    document: dict[str, object] = {
        "code": _CODE[failure.kind],
        "message": failure.message,
        "request_id": failure.request_id,
        # The codes above choose the SDK's exception; this one tells the reason.
        "reason": code_of(failure),
        **amounts_of(failure),
    }
    if failure.param:
        document["param"] = failure.param
    return document
