"""The providers' own SDKs raise their own typed errors for what the dialects write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors as google_errors
from mintgate_facade.dialects.base import Dialect, Failure, FailureKind, Policy, Route
from mintgate_facade.providers.registry import REGISTRY

Handler = Callable[[httpx2.Request], httpx2.Response]


class Endpoint:
    """Answers every request alike and counts them; a retry shows as a second one."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.requests = 0
        self._answer = (status, headers, body)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        status, headers, body = self._answer
        return httpx2.Response(status, headers=headers, content=body)


def client(endpoint: Handler) -> httpx2.Client:
    return httpx2.Client(transport=httpx2.MockTransport(endpoint))


def openai_client(endpoint: Handler, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(
        api_key="k", base_url="http://gw/v1", http_client=client(endpoint), **options
    )


def anthropic_client(endpoint: Handler, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        api_key="k", base_url="http://gw", http_client=client(endpoint), **options
    )


def gemini_client(endpoint: Handler) -> genai.Client:
    options = genai.types.HttpOptions(base_url="http://gw", httpx_client=client(endpoint))
    return genai.Client(api_key="k", http_options=options)


def chat(sdk: openai.OpenAI, **fields: Any) -> Any:
    return sdk.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "hi"}], **fields
    )


def message(sdk: anthropic.Anthropic, **fields: Any) -> Any:
    return sdk.messages.create(
        model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}], **fields
    )


def dialect(slug: str) -> Dialect:
    return REGISTRY.provider(slug).dialect


def refuse(slug: str, failure: Failure) -> Endpoint:
    body, extra = dialect(slug).error(failure)
    return Endpoint(failure.status, [(b"content-type", b"application/json"), *extra], body)


def fail(kind: FailureKind, **fields: Any) -> Failure:
    return Failure(kind, "Say what to change.", request_id="req_7", **fields)


OPENAI_ERRORS = {
    FailureKind.BAD_REQUEST: openai.BadRequestError,
    FailureKind.UNAUTHENTICATED: openai.AuthenticationError,
    FailureKind.PAYMENT_REQUIRED: openai.APIStatusError,
    FailureKind.FORBIDDEN: openai.PermissionDeniedError,
    FailureKind.NOT_FOUND: openai.NotFoundError,
    FailureKind.MODEL_NOT_FOUND: openai.NotFoundError,
    FailureKind.METHOD_NOT_ALLOWED: openai.APIStatusError,
    FailureKind.TOO_LARGE: openai.APIStatusError,
    FailureKind.UNSUPPORTED_MEDIA: openai.APIStatusError,
    FailureKind.RATE_LIMITED: openai.RateLimitError,
    FailureKind.INTERNAL: openai.InternalServerError,
    FailureKind.UPSTREAM_FAILED: openai.InternalServerError,
    FailureKind.LEDGER_AWAY: openai.InternalServerError,
    FailureKind.UPSTREAM_TIMEOUT: openai.InternalServerError,
}
ANTHROPIC_ERRORS = {
    FailureKind.BAD_REQUEST: (anthropic.BadRequestError, "invalid_request_error"),
    FailureKind.UNAUTHENTICATED: (anthropic.AuthenticationError, "authentication_error"),
    FailureKind.PAYMENT_REQUIRED: (anthropic.APIStatusError, "billing_error"),
    FailureKind.FORBIDDEN: (anthropic.PermissionDeniedError, "permission_error"),
    FailureKind.NOT_FOUND: (anthropic.NotFoundError, "not_found_error"),
    FailureKind.MODEL_NOT_FOUND: (anthropic.NotFoundError, "not_found_error"),
    FailureKind.METHOD_NOT_ALLOWED: (anthropic.APIStatusError, "invalid_request_error"),
    FailureKind.TOO_LARGE: (anthropic.APIStatusError, "request_too_large"),
    FailureKind.UNSUPPORTED_MEDIA: (anthropic.APIStatusError, "invalid_request_error"),
    FailureKind.RATE_LIMITED: (anthropic.RateLimitError, "rate_limit_error"),
    FailureKind.INTERNAL: (anthropic.InternalServerError, "api_error"),
    FailureKind.UPSTREAM_FAILED: (anthropic.InternalServerError, "api_error"),
    FailureKind.LEDGER_AWAY: (anthropic.InternalServerError, "api_error"),
    FailureKind.UPSTREAM_TIMEOUT: (anthropic.InternalServerError, "timeout_error"),
}


@pytest.mark.parametrize("kind", FailureKind)
def test_openai_raises_its_own_error(kind: FailureKind) -> None:
    """Class, message, code, param and request id all arrive in OpenAI's exception."""
    endpoint = refuse("openai", fail(kind, param="model", code="some_code"))

    with pytest.raises(OPENAI_ERRORS[kind]) as caught:
        chat(openai_client(endpoint, max_retries=0))

    error = caught.value
    assert isinstance(error, openai.APIStatusError)
    assert error.status_code == fail(kind).status
    assert "Say what to change." in error.message
    assert (error.code, error.param, error.request_id) == ("some_code", "model", "req_7")


@pytest.mark.parametrize("kind", FailureKind)
def test_anthropic_raises_its_own_error(kind: FailureKind) -> None:
    """Class, type, message and request id all arrive in Anthropic's exception."""
    expected, type_name = ANTHROPIC_ERRORS[kind]
    endpoint = refuse("anthropic", fail(kind))

    with pytest.raises(expected) as caught:
        message(anthropic_client(endpoint, max_retries=0))

    error = caught.value
    assert error.status_code == fail(kind).status
    assert error.request_id == "req_7"
    assert isinstance(error.body, dict)
    assert error.body["type"] == "error"
    assert error.body["error"]["type"] == type_name
    assert error.body["error"]["message"] == "Say what to change."
    assert error.body["request_id"] == "req_7"


@pytest.mark.parametrize("kind", FailureKind)
def test_google_raises_its_own_error(kind: FailureKind) -> None:
    """4xx are ClientError, 5xx ServerError, with Google's status name and the message."""
    endpoint = refuse("gemini", fail(kind, param="contents"))
    status = fail(kind).status
    expected = google_errors.ClientError if status < 500 else google_errors.ServerError

    with pytest.raises(expected) as caught:
        gemini_client(endpoint).models.generate_content(model="m", contents="hi")

    assert caught.value.code == status
    assert caught.value.message == "Say what to change."
    assert caught.value.status
    assert caught.value.status.isupper()
    assert endpoint.requests == 1


AMOUNTS = {"required_micros": 900, "remaining_micros": 12, "affordable_max_output_tokens": 7}


def test_a_402_is_never_retried_and_tells_the_amounts() -> None:
    """Every SDK makes one request, and its exception holds what would have fitted."""
    failure = fail(FailureKind.PAYMENT_REQUIRED, **AMOUNTS)

    endpoint = refuse("openai", failure)
    with pytest.raises(openai.APIStatusError) as by_openai:
        chat(openai_client(endpoint))
    assert endpoint.requests == 1
    assert by_openai.value.type == "insufficient_quota"
    assert isinstance(by_openai.value.body, dict)
    assert by_openai.value.body.items() >= AMOUNTS.items()

    endpoint = refuse("anthropic", failure)
    with pytest.raises(anthropic.PaymentRequiredError) as by_anthropic:
        message(anthropic_client(endpoint))
    assert endpoint.requests == 1
    assert isinstance(by_anthropic.value.body, dict)
    assert by_anthropic.value.body["error"].items() >= AMOUNTS.items()

    endpoint = refuse("gemini", failure)
    with pytest.raises(google_errors.ClientError) as by_google:
        gemini_client(endpoint).models.generate_content(model="m", contents="hi")
    assert endpoint.requests == 1
    error = by_google.value.details["error"]
    assert error.items() >= AMOUNTS.items()
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert error["details"][0]["metadata"] == {name: str(n) for name, n in AMOUNTS.items()}


@pytest.mark.parametrize("slug", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("kind", FailureKind)
def test_headers_say_whether_a_retry_helps(slug: str, kind: FailureKind) -> None:
    """429 and 503 say when; other 5xx leave it to the SDK; all else says not to."""
    _, extra = dialect(slug).error(fail(kind, retry_after_s=600))
    headers = dict(extra)

    told = kind in {FailureKind.RATE_LIMITED, FailureKind.LEDGER_AWAY}
    assert headers.get(b"retry-after") == (b"20" if told else None)
    final = fail(kind).status < 500 and kind is not FailureKind.RATE_LIMITED
    assert headers.get(b"x-should-retry") == (b"false" if final else None)
    assert b"req_7" in headers.values()


def test_a_rate_limit_without_a_time_still_names_one() -> None:
    """Without it, SDKs back off on their own schedule."""
    _, extra = dialect("openai").error(fail(FailureKind.RATE_LIMITED))

    assert dict(extra)[b"retry-after"] == b"1"


@pytest.mark.parametrize("slug", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize(("wait_ms", "told"), [(0, b"1"), (1_234, b"1234"), (60_000, b"20000")])
def test_the_exact_wait_is_told_to_sdks_that_read_it(slug: str, wait_ms: int, told: bytes) -> None:
    """OpenAI's and Anthropic's SDKs wait by the millisecond; Google's knows no such header."""
    _, extra = dialect(slug).error(fail(FailureKind.RATE_LIMITED, retry_after_ms=wait_ms))

    assert dict(extra).get(b"retry-after-ms") == (None if slug == "gemini" else told)


BROKEN = Failure(FailureKind.UPSTREAM_FAILED, "The provider broke off.")


def stream_of(slug: str, operation: str, *events: bytes) -> Endpoint:
    route = Route("POST", "/test", Policy.METERED, operation)
    end = dialect(slug).stream_error(route, BROKEN, "text/event-stream")
    headers = [(b"content-type", b"text/event-stream")]
    return Endpoint(200, headers, b"".join(events) + end)


def test_an_error_inside_an_openai_stream_is_raised() -> None:
    """Chat and responses streams both end in an APIError with our message."""
    chunk = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    chunk += b'"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    with pytest.raises(openai.APIError, match="broke off"):
        list(chat(openai_client(stream_of("openai", "chat", chunk)), stream=True))

    sdk = openai_client(stream_of("openai", "responses"))
    with pytest.raises(openai.APIError, match="broke off"):
        list(sdk.responses.create(model="m", input="hi", stream=True))


def test_an_error_inside_an_anthropic_stream_is_raised() -> None:
    """The event is named error, without which the SDK would ignore it."""
    ping = b'event: ping\ndata: {"type":"ping"}\n\n'
    sdk = anthropic_client(stream_of("anthropic", "messages", ping))

    with pytest.raises(anthropic.APIStatusError, match="broke off"):
        list(message(sdk, stream=True))


def test_an_error_inside_a_gemini_stream_is_raised() -> None:
    """A bare data line, which is all that Google's SDK can read."""
    sdk = gemini_client(stream_of("gemini", "stream"))

    with pytest.raises(google_errors.ServerError, match="broke off"):
        list(sdk.models.generate_content_stream(model="m", contents="hi"))


def test_no_event_is_written_into_a_json_answer() -> None:
    """Bytes of an event would only spoil a document; the connection is aborted instead."""
    route = Route("POST", "/test", Policy.METERED, "chat")
    for slug in ("openai", "anthropic", "gemini"):
        assert dialect(slug).stream_error(route, BROKEN, "application/json") == b""


def test_a_streamed_array_ends_with_the_error() -> None:
    """In Gemini's other framing the error is one more element, and the array is closed."""
    route = Route("POST", "/test", Policy.METERED, "stream")
    end = dialect("gemini").stream_error(route, BROKEN, "application/json")

    assert end.startswith(b',\r\n{"error":')
    assert end.endswith(b"]")
