"""Deepgram's error bodies and response headers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Whole

if TYPE_CHECKING:
    from mintgate_simulator.refusal import Refusal
    from mintgate_simulator.request import Request

MODEL_UUID = "30089e05-99d1-4376-b32e-c263170674af"
FEATURE_TOKENS = 40
"""Tokens that a feature writes, unless ``output`` asks for so many."""
FEATURES = {
    "summarize": "summary_info",
    "topics": "topics_info",
    "intents": "intents_info",
    "sentiment": "sentiment_info",
}

# Older words for some statuses, newer ones for the others: both are in the wild.
_NO_CREDIT = (
    "Project does not have enough credits for an ASR request and does not have an overage "
    "agreement."
)
_OLD = {
    401: ("INVALID_AUTH", "Invalid credentials."),
    402: ("ASR_PAYMENT_REQUIRED", _NO_CREDIT),
    403: ("INSUFFICIENT_PERMISSIONS", "The key lacks a permission."),
}


def request_id(request: Request) -> str:
    """The id that an answer and its header name."""
    return str(uuid.UUID(int=request.number))


def headers(request: Request, content_type: bytes) -> list[tuple[bytes, bytes]]:
    """The response headers."""
    return [
        (b"content-type", content_type),
        (b"dg-request-id", request_id(request).encode()),
        # It names the account, and a gateway has to strip it.
        (b"dg-project-id", b"00000000-0000-0000-0000-00000000feed"),
    ]


def whole(request: Request, body: Any, status: int = 200) -> Whole:
    """A JSON answer."""
    return Whole(status, headers(request, b"application/json"), orjson.dumps(body))


def is_on(request: Request, name: str) -> bool:
    """Whether a query parameter turns something on."""
    return (request.query_value(name) or "false").lower() not in {"false", "0"}


def infos(request: Request, text_tokens: int) -> dict[str, Any]:
    """What the features that were asked for took and wrote, as the metadata has it."""
    wanted = [info for name, info in FEATURES.items() if is_on(request, name)]
    written = request.controls.output
    told = {
        "model_uuid": MODEL_UUID,
        "input_tokens": text_tokens,
        "output_tokens": FEATURE_TOKENS if written is None else written,
    }
    return dict.fromkeys(wanted, told) if request.controls.usage else {}


def refuse(request: Request, refusal: Refusal) -> Whole:
    """The refusal as Deepgram words it."""
    status = refusal.status
    if status in _OLD:
        code, message = _OLD[status]
        body: dict[str, Any] = {"err_code": code, "err_msg": message}
    else:
        body = {
            "category": refusal.code or "INVALID_REQUEST",
            "message": refusal.message,
            "details": "Simulated.",
        }
    answer = whole(request, {**body, "request_id": request_id(request)}, status)
    answer.headers.append((b"dg-error", refusal.message.encode("ascii", "replace")))
    if refusal.retry_after_s is not None:
        answer.headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
    return answer
