"""Every failure of a control route, in one shape: {"error": {"type", "message", "code"}}."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from mintgate.errors import (
    Conflict,
    InvalidArgument,
    MintgateError,
    ModelUnpriced,
    NotFound,
    PaymentRequired,
    PermissionDenied,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from mintgate.v1.error_pb2 import ErrorReason
from mintgate.words import word
from starlette.exceptions import HTTPException

from mintgate_facade.control.writing import answer
from mintgate_facade.dialects.failures import RETRY_AFTER_S_MAX

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

_log = logging.getLogger("mintgate.control")

_STATUS_AND_TYPE: tuple[tuple[type[MintgateError], int, str], ...] = (
    (InvalidArgument, 400, "invalid_request_error"),
    (Unauthenticated, 401, "authentication_error"),
    (PaymentRequired, 402, "billing_error"),
    (PermissionDenied, 403, "permission_error"),
    (NotFound, 404, "not_found_error"),
    (ModelUnpriced, 404, "not_found_error"),
    (Conflict, 409, "conflict_error"),
    (RateLimited, 429, "rate_limit_error"),
    (Unavailable, 503, "unavailable_error"),
)

_REST_NAMES = {
    "cap_nano_usd": "max_spend_usd",
    "expires_at_ms": "expires_at",
    "grant_nano_usd": "grant_usd",
    "page_size": "limit",
    "page_token": "cursor",
    "before_sequence": "cursor",
    "window_cap.cap_nano_usd": "window_cap.max_spend_usd",
}
"""Fields of the core's calls, by the names that these routes give them."""


def error_answer(status: int, kind: str, message: str, code: str, param: str = "") -> Response:
    """One error; `param` names the field at fault where there is one."""
    error = {"type": kind, "message": message, "code": code}
    return answer({"error": {**error, "param": param} if param else error}, status)


def install(app: FastAPI) -> None:
    """Make every failure of `app` answer in the one shape."""
    app.add_exception_handler(MintgateError, _mintgate)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _defect)


def retry_after_s(wait_ms: int) -> int:
    """Whole seconds, rounded up, within what clients of these routes honour."""
    return min(max(-(-wait_ms // 1000), 1), RETRY_AFTER_S_MAX)


async def _mintgate(_: Request, failure: Any) -> Response:
    code = word(ErrorReason, failure.reason) or "internal"
    field, message = failure.field, failure.message
    if field in _REST_NAMES:
        field = _REST_NAMES[field]
        message = message.replace(failure.field, field)
    for kind, status, name in _STATUS_AND_TYPE:
        if isinstance(failure, kind):
            answered = error_answer(status, name, message, code, field)
            if isinstance(failure, RateLimited):
                answered.headers["retry-after"] = str(retry_after_s(failure.retry_after_ms))
            return answered
    _log.error("the core failed: %s", failure.message)
    return error_answer(500, "api_error", message, code, field)


async def _validation(_: Request, failure: Any) -> Response:
    first = failure.errors()[0]
    field = str(first["loc"][-1])
    message = (
        f"{field} is not a parameter of this call."
        if first["type"] == "extra_forbidden"
        else f"{field}: {first['msg']}"
    )
    return error_answer(400, "invalid_request_error", message, "invalid_argument", field)


async def _http(request: Request, failure: Any) -> Response:
    if failure.status_code == 405:  # noqa: PLR2004 - HTTP's own
        message = f"{request.method} is not allowed on {request.url.path}."
        return error_answer(405, "invalid_request_error", message, "method_not_allowed")
    message = f"There is no {request.method} {request.url.path} here."
    return error_answer(failure.status_code, "not_found_error", message, "not_found")


async def _defect(_: Request, failure: Exception) -> Response:
    _log.error("a control route failed", exc_info=failure)
    return error_answer(500, "api_error", "The gateway failed; its log says why.", "internal")
