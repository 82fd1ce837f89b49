"""Anthropic's error bodies, response headers and events (docs.anthropic.com, api/errors)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Whole

if TYPE_CHECKING:
    from mintgate_simulator.refusal import Refusal
    from mintgate_simulator.request import Request

_ORGANIZATION = (b"anthropic-organization-id", b"00000000-0000-0000-0000-000000000000")
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
FIRST_SERVER_ERROR = 500


def request_id(request: Request) -> str:
    """The id stated in the header and in error bodies."""
    return f"req_{request.number:024x}"


def headers(request: Request, content_type: bytes) -> list[tuple[bytes, bytes]]:
    """The response headers."""
    return [
        (b"content-type", content_type),
        (b"request-id", request_id(request).encode()),
        _ORGANIZATION,
    ]


def whole(request: Request, body: dict[str, Any], status: int = 200) -> Whole:
    """A JSON answer."""
    return Whole(status, headers(request, b"application/json"), orjson.dumps(body))


def event(name: str, **fields: Any) -> bytes:
    """One named server-sent event; the SDK goes by the name, not by the data's ``type``."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **fields}))


PING = event("ping")


def error_body(request: Request, status: int, message: str) -> dict[str, Any]:
    """``{"type": "error", ...}`` with the type that belongs to the status."""
    other = "api_error" if status >= FIRST_SERVER_ERROR else "invalid_request_error"
    error = {"type": _TYPES.get(status, other), "message": message}
    return {"type": "error", "error": error, "request_id": request_id(request)}


def refuse(request: Request, refusal: Refusal) -> Whole:
    """The refusal as Anthropic words it."""
    answer = whole(request, error_body(request, refusal.status, refusal.message), refusal.status)
    if refusal.retry_after_s is not None:
        answer.headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
    return answer


def stream_failure(request: Request) -> bytes:
    """The error event, after which nothing follows."""
    body = error_body(request, 500, "Internal server error")
    return b"event: error\ndata: %b\n\n" % orjson.dumps(body)
