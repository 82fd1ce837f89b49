"""Deepgram's error bodies: the newer words beside the older ones, which SDKs before 5 read."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from mintgate_facade.dialects.base import Failure, FailureKind
from mintgate_facade.dialects.failures import amounts_of, code_of, headers_of

_ERR_CODE: Mapping[FailureKind, str] = {
    FailureKind.BAD_REQUEST: "Bad Request",
    FailureKind.UNAUTHENTICATED: "INVALID_AUTH",
    # What Deepgram says of a project without credit, of speech as well as of transcripts.
    FailureKind.PAYMENT_REQUIRED: "ASR_PAYMENT_REQUIRED",
    FailureKind.FORBIDDEN: "INSUFFICIENT_PERMISSIONS",
    FailureKind.RATE_LIMITED: "TOO_MANY_REQUESTS",
    FailureKind.TOO_LARGE: "PAYLOAD_TOO_LARGE",
}


def error_body(failure: Failure) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Build the body and the extra headers of an error answer."""
    code = code_of(failure)
    err_code = _ERR_CODE.get(failure.kind, code.upper())
    document: dict[str, object] = {
        "category": code.upper(),
        "message": failure.message,
        "details": f"At fault: {failure.param}" if failure.param else "",
        "err_code": err_code,
        "err_msg": failure.message,
        "request_id": failure.request_id,
        **amounts_of(failure),
    }
    headers = headers_of(failure, b"dg-request-id")
    # Clients that see no body of a refused connection read it here.
    return orjson.dumps(document), [*headers, (b"dg-error", _one_line(failure.message))]


def _one_line(message: str) -> bytes:
    """Make a message fit for a header: it may repeat what a client has sent, line ends too."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in message).encode()
