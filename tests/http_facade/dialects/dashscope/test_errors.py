"""Every failure of the gateway becomes the exception that DashScope's SDK has for it."""

from __future__ import annotations

import httpx
import pytest
from dashscope.v2 import errors
from dashscope.v2.transport.sse import Stream
from mintgate_facade.dialects.base import STATUS, Failure, FailureKind, Policy, Route
from mintgate_facade.providers.registry import REGISTRY

DIALECT = REGISTRY.provider("dashscope").dialect
ROUTE = Route("POST", "/x", Policy.METERED, "generation")
EXCEPTIONS = {
    FailureKind.BAD_REQUEST: errors.BadRequestError,
    FailureKind.UNAUTHENTICATED: errors.AuthenticationError,
    # The SDK has no class for 402 and reads the code.
    FailureKind.PAYMENT_REQUIRED: errors.PermissionDeniedError,
    FailureKind.FORBIDDEN: errors.PermissionDeniedError,
    FailureKind.NOT_FOUND: errors.NotFoundError,
    FailureKind.MODEL_NOT_FOUND: errors.NotFoundError,
    FailureKind.METHOD_NOT_ALLOWED: errors.APIStatusError,
    FailureKind.TOO_LARGE: errors.RequestTooLargeError,
    FailureKind.UNSUPPORTED_MEDIA: errors.APIStatusError,
    FailureKind.RATE_LIMITED: errors.RateLimitError,
    FailureKind.INTERNAL: errors.InternalServerError,
    FailureKind.UPSTREAM_FAILED: errors.InternalServerError,
    FailureKind.LEDGER_AWAY: errors.ServiceUnavailableError,
    FailureKind.UPSTREAM_TIMEOUT: errors.APIStatusError,
}


def fail(kind: FailureKind) -> Failure:
    return Failure(kind, "Say what to change.", param="input", request_id="req_7")


@pytest.mark.parametrize("kind", FailureKind)
def test_answers(kind: FailureKind) -> None:
    """The class by status and code, with the message, the request's id and the field."""
    body, extra = DIALECT.error(fail(kind))
    response = httpx.Response(STATUS[kind], headers=extra, content=body)
    found = errors.response_error(response)
    assert isinstance(found, EXCEPTIONS[kind])
    assert (found.message, found.request_id) == ("Say what to change.", "req_7")
    assert found.body["param"] == "input"
    assert found.status_code == STATUS[kind]


@pytest.mark.parametrize(
    ("kind", "exception"),
    [
        (FailureKind.UPSTREAM_FAILED, errors.InternalServerError),
        (FailureKind.UNAUTHENTICATED, errors.AuthenticationError),
        (FailureKind.LEDGER_AWAY, errors.ServiceUnavailableError),
    ],
)
def test_streams(kind: FailureKind, exception: type[Exception]) -> None:
    """The event that ends a stream raises in the SDK, too."""
    event = DIALECT.stream_error(ROUTE, fail(kind), "text/event-stream;charset=UTF-8")
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=event)
    with pytest.raises(exception, match="Say what to change"):
        list(Stream(response, lambda body: body))


def test_json_answers_get_no_event() -> None:
    """An answer that is one document has no place for it."""
    failure = fail(FailureKind.UPSTREAM_FAILED)
    assert DIALECT.stream_error(ROUTE, failure, "application/json") == b""
