"""Gemini's error bodies, headers and the two framings of its streams.

With ``alt=sse`` a stream is ``data: {...}`` with CRLF line ends and no terminal event. Without it,
the same objects come as one JSON array that is written element by element; errors of such a call
are an array of one, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import orjson

from mintgate_simulator.answer import Whole

if TYPE_CHECKING:
    from mintgate_simulator.refusal import Refusal
    from mintgate_simulator.request import Request

_STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
FIRST_SERVER_ERROR = 500
_JSON = (b"content-type", b"application/json; charset=UTF-8")
_EVENTS = (b"content-type", b"text/event-stream")
# Constant headers of Google's front end; it states no request id.
_FIXED_HEADERS = [
    (b"vary", b"Origin, X-Origin, Referer"),
    (b"x-content-type-options", b"nosniff"),
]


def whole(body: Any, status: int = 200) -> Whole:
    """A JSON answer."""
    return Whole(status, [_JSON, *_FIXED_HEADERS], orjson.dumps(body))


def error_body(status: int, message: str, details: list[dict[str, Any]]) -> dict[str, Any]:
    """``{"error": {...}}`` with the status name that belongs to the code."""
    other = "INTERNAL" if status >= FIRST_SERVER_ERROR else "INVALID_ARGUMENT"
    error: dict[str, Any] = {
        "code": status,
        "message": message,
        "status": _STATUS_NAMES.get(status, other),
    }
    if details:
        error["details"] = details
    return {"error": error}


def refuse(request: Request, refusal: Refusal) -> Whole:
    """The refusal as Google words it, with its reason and retry delay as details."""
    details: list[dict[str, Any]] = []
    if refusal.code is not None:
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": refusal.code,
                "domain": "googleapis.com",
            }
        )
    if refusal.retry_after_s is not None:
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": f"{refusal.retry_after_s}s",
            }
        )
    body: Any = error_body(refusal.status, refusal.message, details)
    if request.path.endswith(":streamGenerateContent") and request.query_value("alt") != "sse":
        body = [body]
    answer = whole(body, refusal.status)
    if refusal.retry_after_s is not None:
        answer.headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
    return answer


class Framing(Protocol):
    """How the objects of a stream are written one after the other."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The response headers."""
        ...

    def frame(self, payload: dict[str, Any]) -> bytes:
        """The next object."""
        ...

    def end(self) -> bytes:
        """What closes the stream; may be empty."""
        ...

    def failure(self) -> bytes:
        """An error in the place of the object framed last, and the end."""
        ...


class EventFraming:
    """Server-sent events."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The response headers of an event stream."""
        return [_EVENTS, *_FIXED_HEADERS]

    def frame(self, payload: dict[str, Any]) -> bytes:
        """One event."""
        return b"data: %b\r\n\r\n" % orjson.dumps(payload)

    def end(self) -> bytes:
        """Nothing: the stream just ends."""
        return b""

    def failure(self) -> bytes:
        """One event with an error."""
        return self.frame(_unavailable())


class ArrayFraming:
    """One JSON array, written element by element."""

    def __init__(self) -> None:
        self._before = b"["
        self._before_last = b"["

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The response headers of a JSON body."""
        return [_JSON, *_FIXED_HEADERS]

    def frame(self, payload: dict[str, Any]) -> bytes:
        """One element, with the bracket or comma before it."""
        self._before_last, self._before = self._before, b",\r\n"
        return self._before_last + orjson.dumps(payload)

    def end(self) -> bytes:
        """The closing bracket."""
        return b"]"

    def failure(self) -> bytes:
        """An element with an error in the place of the last one, and the closing bracket."""
        self._before = self._before_last
        return self.frame(_unavailable()) + self.end()


def _unavailable() -> dict[str, Any]:
    return error_body(503, "The model is overloaded. Please try again later.", [])
