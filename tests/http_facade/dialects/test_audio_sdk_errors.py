"""ElevenLabs' and Deepgram's SDKs read what the dialects write, of every kind of failure.

Both have one class for nearly all errors, `ApiError`; what is in it is what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import deepgram
import elevenlabs
import httpx
import pytest
from deepgram.core.api_error import ApiError as DeepgramError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.errors import BadRequestError
from elevenlabs.core.api_error import ApiError as ElevenLabsError
from mintgate_facade.dialects.base import Failure, FailureKind
from mintgate_facade.providers.registry import REGISTRY

from tests.sdk_python import media  # noqa: F401 - it silences what the SDK's imports warn of

RETRIED = {
    FailureKind.RATE_LIMITED,
    FailureKind.INTERNAL,
    FailureKind.UPSTREAM_FAILED,
    FailureKind.LEDGER_AWAY,
    FailureKind.UPSTREAM_TIMEOUT,
}
GATEWAY = "http://gateway"
Call = Callable[[httpx.Client, int], object]


class Endpoint:
    """Answers every request with one failure and counts them; a retry shows as a second one."""

    def __init__(self, slug: str, failure: Failure) -> None:
        self.requests = 0
        self._failure = failure
        self._body, extra = REGISTRY.provider(slug).dialect.error(failure)
        # What the SDKs wait before a retry is not what is tested here.
        self._headers = [pair for pair in extra if pair[0] != b"retry-after"]
        self._headers += [(b"content-type", b"application/json"), (b"retry-after-ms", b"1")]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return httpx.Response(self._failure.status, headers=self._headers, content=self._body)

    def client(self) -> httpx.Client:
        """A client whose every request comes here."""
        return httpx.Client(transport=httpx.MockTransport(self))


def align(http: httpx.Client, retries: int) -> object:
    """A call of ElevenLabs' that is retried as its others are."""
    sdk = elevenlabs.ElevenLabs(base_url=GATEWAY, api_key="k", httpx_client=http)
    return sdk.text_to_dialogue.convert_with_timestamps(
        inputs=[], request_options={"max_retries": retries}
    )


def analyze(http: httpx.Client, retries: int) -> object:
    """The same of Deepgram's."""
    environment = DeepgramClientEnvironment(
        base=GATEWAY, production=GATEWAY, agent=GATEWAY, agent_rest=GATEWAY
    )
    sdk = deepgram.DeepgramClient(api_key="k", environment=environment, httpx_client=http)
    return sdk.read.v1.text.analyze(request={"text": "a"}, request_options={"max_retries": retries})


CALLS: Mapping[str, tuple[Call, type[Exception]]] = {
    "elevenlabs": (align, ElevenLabsError),
    "deepgram": (analyze, DeepgramError),
}


def told(slug: str, body: Any) -> Any:
    return body["detail"] if slug == "elevenlabs" else body


@pytest.mark.parametrize("slug", CALLS)
@pytest.mark.parametrize("kind", FailureKind)
def test_each_failure_is_the_sdks_own_error(slug: str, kind: FailureKind) -> None:
    """Status, message and request id arrive; only what a second attempt may cure is retried."""
    failure = Failure(kind, "Say what to change.", request_id="req_7", param="text")
    endpoint = Endpoint(slug, failure)
    call, expected = CALLS[slug]
    with endpoint.client() as http, pytest.raises(expected) as caught:
        call(http, 1)
    error: Any = caught.value
    assert error.status_code == failure.status
    body = told(slug, error.body)
    assert body["message"] == "Say what to change."
    assert body["request_id"] == "req_7"
    assert endpoint.requests == (2 if kind in RETRIED else 1)


def test_deepgrams_class_for_a_bad_request() -> None:
    """The one status that Deepgram's SDK has a class for."""
    endpoint = Endpoint("deepgram", Failure(FailureKind.BAD_REQUEST, "No."))
    with endpoint.client() as http, pytest.raises(BadRequestError):
        analyze(http, 0)


@pytest.mark.parametrize("slug", CALLS)
def test_what_a_client_has_sent_breaks_no_header(slug: str) -> None:
    """A message may repeat a parameter's name, line ends and all."""
    message = "'a\r\nset-cookie: b=č' is no parameter."
    endpoint = Endpoint(slug, Failure(FailureKind.BAD_REQUEST, message, request_id="req_7"))
    call, expected = CALLS[slug]
    with endpoint.client() as http, pytest.raises(expected) as caught:
        call(http, 0)
    error: Any = caught.value
    assert "set-cookie" not in error.headers
    assert all(value.isascii() and value.isprintable() for value in error.headers.values())
    assert told(slug, error.body)["message"] == message


@pytest.mark.parametrize("slug", CALLS)
def test_a_cap_says_how_much_is_missing(slug: str) -> None:
    """The amounts stand beside the message, where a client can shorten its request by them."""
    failure = Failure(
        FailureKind.PAYMENT_REQUIRED, "Too much.", required_micros=50, remaining_micros=20
    )
    endpoint = Endpoint(slug, failure)
    call, expected = CALLS[slug]
    with endpoint.client() as http, pytest.raises(expected) as caught:
        call(http, 2)
    error: Any = caught.value
    body = told(slug, error.body)
    assert (body["required_micros"], body["remaining_micros"]) == (50, 20)
    native = {
        "elevenlabs": ("status", "quota_exceeded"),
        "deepgram": ("err_code", "ASR_PAYMENT_REQUIRED"),
    }
    name, word = native[slug]
    assert body[name] == word
    assert endpoint.requests == 1
