"""ElevenLabs' error bodies and response headers, as recorded from live answers in 2026."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator import sounds
from mintgate_simulator.answer import Kind, Stream, Whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mintgate_simulator.refusal import Refusal
    from mintgate_simulator.request import Request

PIECE_BYTES = 4_096
"""Of one write of streamed audio."""

_TYPES = {
    401: "authentication_error",
    402: "payment_required",
    403: "authorization_error",
    404: "not_found",
    422: "validation_error",
    429: "rate_limit_error",
}
_CODES = {
    401: "invalid_api_key",
    402: "paid_plan_required",
    404: "not_found",
    429: "too_many_concurrent_requests",
}
_FIRST_SERVER_ERROR = 500
_FORMATS: dict[str, tuple[bytes, Callable[[float], bytes]]] = {
    "mp3": (b"audio/mpeg", sounds.mp3),
    "pcm": (b"audio/pcm", sounds.pcm),
    "wav": (b"audio/wav", sounds.wav),
}


def headers(
    request: Request, content_type: bytes, cost_credits: str | None = None
) -> list[tuple[bytes, bytes]]:
    """The response headers; ``cost_credits`` is what the answer costs, where it is told."""
    found = [
        (b"content-type", content_type),
        (b"request-id", b"%020x" % request.number),
        (b"x-region", b"us-central1"),
        # They tell about the account, and a gateway has to strip them.
        (b"current-concurrent-requests", b"1"),
        (b"maximum-concurrent-requests", b"10"),
    ]
    if cost_credits is not None and request.controls.usage:
        found.append((b"character-cost", cost_credits.encode()))
        found.append((b"history-item-id", b"hist%016x" % request.number))
    return found


def whole(
    request: Request, body: Any, status: int = 200, *, cost_credits: str | None = None
) -> Whole:
    """A JSON answer."""
    return Whole(status, headers(request, b"application/json", cost_credits), orjson.dumps(body))


def sound(request: Request, seconds: float, cost_credits: str | None = None) -> Stream:
    """Audio in the format that the query asks for, as it is made."""
    codec = (request.query_value("output_format") or "mp3_44100_128").partition("_")[0]
    content_type, make = _FORMATS.get(codec, _FORMATS["mp3"])
    return pieces(request, content_type, make(seconds), cost_credits)


def pieces(
    request: Request, content_type: bytes, body: bytes, cost_credits: str | None = None
) -> Stream:
    """A body that is sent in pieces; the last one is its end."""

    def events() -> Iterator[tuple[Kind, bytes]]:
        last = max(0, len(body) - 1) // PIECE_BYTES * PIECE_BYTES
        for start in range(0, len(body), PIECE_BYTES):
            kind = Kind.CLOSING if start == last else Kind.CONTENT
            yield kind, body[start : start + PIECE_BYTES]

    return Stream(
        headers=headers(request, content_type, cost_credits), events=events(), failure=bytes
    )


def refuse(request: Request, refusal: Refusal) -> Whole:
    """The refusal as ElevenLabs words it: a list for what fails validation, else an object."""
    status = refusal.status
    if status == 422:  # noqa: PLR2004 - HTTP's own number
        loc = ["body", *(refusal.param or "").split(".")]
        detail: Any = [{"type": refusal.code or "missing", "loc": loc, "msg": refusal.message}]
        return whole(request, {"detail": detail}, status)
    server = status >= _FIRST_SERVER_ERROR
    code = refusal.code or _CODES.get(status, "internal_error" if server else "invalid_request")
    detail = {
        "type": "internal_error" if server else _TYPES.get(status, "invalid_request"),
        "code": code,
        "status": code,
        "message": refusal.message,
        "request_id": f"{request.number:020x}",
    }
    answer = whole(request, {"detail": detail}, status)
    if refusal.retry_after_s is not None:
        answer.headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
    return answer
