"""DashScope's bodies, events and errors (dashscope 2.0.2; help.aliyun.com, "Error codes")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Whole
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import is_int

if TYPE_CHECKING:
    from mintgate_simulator.request import Request

_CODES = {
    400: "InvalidParameter",
    401: "InvalidApiKey",
    402: "Arrearage",
    403: "AccessDenied",
    404: "ModelNotFound",
    429: "Throttling.RateQuota",
    503: "ServiceUnavailable",
}
_LIMITS = ((b"x-ratelimit-remaining-requests", b"1199"),)
"""They tell about the operator's account."""


def headers(request: Request, content_type: bytes) -> list[tuple[bytes, bytes]]:
    """The response headers."""
    name = request_id(request).encode()
    return [(b"content-type", content_type), (b"x-request-id", name), *_LIMITS]


def request_id(request: Request) -> str:
    """What the answer calls itself."""
    return f"{request.number:032x}"


def whole(request: Request, body: dict[str, Any], status: int = 200) -> Whole:
    """A JSON answer."""
    document = {**body, "request_id": request_id(request)}
    return Whole(status, headers(request, b"application/json"), orjson.dumps(document))


def event(number: int, document: dict[str, Any]) -> bytes:
    """One event; nothing stands between a field's colon and its value."""
    head = f"id:{number}\nevent:result\n:HTTP_STATUS/200\ndata:"
    return head.encode() + orjson.dumps(document) + b"\n\n"


def error_event(status: int, request: Request | None = None) -> bytes:
    """The error of a stream that has begun."""
    name = "" if request is None else request_id(request)
    document = {"code": code_of(status), "message": "It failed.", "request_id": name}
    head = f"id:1\nevent:error\n:HTTP_STATUS/{status}\ndata:"
    return head.encode() + orjson.dumps(document) + b"\n\n"


def stream_failure() -> bytes:
    """The error event of a provider that breaks down."""
    return error_event(500)


def code_of(status: int) -> str:
    """The code that comes with a status."""
    return _CODES.get(status, "InternalError")


def failed(request: Request) -> dict[str, Any]:
    """A failure within status 200; the control ``base_resp`` is the status it stands for."""
    return {"code": code_of(request.controls.base_resp), "message": "It failed."}


def refuse(request: Request, refusal: Refusal) -> Whole:
    """The refusal in DashScope's words."""
    code = refusal.code or code_of(refusal.status)
    answer = whole(request, {"code": code, "message": refusal.message}, refusal.status)
    if refusal.retry_after_s is not None:
        answer.headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
    return answer


def sections(request: Request) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A request's body, its input and its parameters; each must be what it says."""
    body = request.json_object("Request body format invalid")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Refusal(400, "Model can not be empty!", param="model")
    inputs, parameters = body.get("input"), body.get("parameters") or {}
    if not isinstance(inputs, dict) or not isinstance(parameters, dict):
        raise Refusal(400, "Required body invalid, please check the request body format.")
    return body, inputs, parameters


def whole_number(fields: dict[str, Any], name: str, largest: int) -> int | None:
    """An optional whole number from 1."""
    value = fields.get(name)
    if value is None:
        return None
    if not is_int(value) or not 1 <= value <= largest:
        raise Refusal(400, f"Range of {name} should be [1, {largest}]")
    return value
