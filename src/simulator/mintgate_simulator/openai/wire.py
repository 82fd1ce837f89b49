"""OpenAI's error bodies and response headers (developers.openai.com, guides/error-codes)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mintgate_simulator.request import Request

    Headers = Sequence[tuple[bytes, bytes]]

FINGERPRINT = "fp_simulated"
PING = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"

# The provider names its account, its limits and its own timing in every answer; a gateway has to
# strip the account, so the twin states one.
ACCOUNT_HEADERS = (
    (b"openai-organization", b"org-simulated"),
    (b"openai-version", b"2020-10-01"),
    (b"openai-processing-ms", b"1"),
    (b"x-ratelimit-remaining-requests", b"9999"),
)
_TYPES = {
    401: "invalid_request_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
_CODES = {
    401: "invalid_api_key",
    402: "credit_balance_exhausted",
    429: "rate_limit_exceeded",
}
FIRST_SERVER_ERROR = 500


def headers(
    request: Request, content_type: bytes, account: Headers = ACCOUNT_HEADERS
) -> list[tuple[bytes, bytes]]:
    """The response headers, with the request id the SDK shows."""
    request_id = b"req_%032x" % request.number
    return [(b"content-type", content_type), (b"x-request-id", request_id), *account]


def whole(
    request: Request, body: dict[str, Any], status: int = 200, account: Headers = ACCOUNT_HEADERS
) -> Whole:
    """A JSON answer."""
    return Whole(status, headers(request, b"application/json", account), orjson.dumps(body))


def sse(payload: dict[str, Any]) -> bytes:
    """One unnamed server-sent event."""
    return b"data: %b\n\n" % orjson.dumps(payload)


def error_body(
    status: int, message: str, *, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """``{"error": {...}}`` with the type and code that belong to the status."""
    if status >= FIRST_SERVER_ERROR:
        kind = "server_error"
    else:
        kind = _TYPES.get(status, "invalid_request_error")
    error = {
        "message": message,
        "type": kind,
        "param": param,
        "code": code or _CODES.get(status),
    }
    return {"error": error}


def stream_failure() -> bytes:
    """The error event of a stream of unnamed events."""
    return sse(error_body(500, "The server had an error while processing your request."))
