"""The unmodified Deepgram SDK: every refusal is its own error, and nothing is charged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from deepgram import DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.errors import BadRequestError
from mintgate.v1.keys_pb2 import RateLimits
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_INPUT_CHARACTERS

from tests.buyer import Buyer
from tests.harness import Installation
from tests.http_facade.uploads.sounds import silence
from tests.sdk_python.media import deepgram_clients
from tests.upstream import Upstream, simulate

TEXT = "Hello there. " * 20
Connect = Callable[[str], DeepgramClient]


@pytest.fixture
def connect(gateway: Installation) -> Iterator[Connect]:
    with deepgram_clients(gateway) as make:
        yield make


@pytest.fixture
def sdk(connect: Connect, buyer: Buyer) -> DeepgramClient:
    return connect(buyer.secret)


def speak(client: DeepgramClient, **changed: Any) -> bytes:
    asked = {"text": TEXT, "model": "aura-2-thalia-en", **changed}
    return b"".join(client.speak.v1.audio.generate(**asked))


def transcribe(client: DeepgramClient, recording: bytes, **changed: Any) -> Any:
    asked = {"model": "nova-3", **changed}
    return client.listen.v1.media.transcribe_file(request=recording, **asked)


def forced(**controls: int | str | bool) -> Any:
    return {"additional_headers": simulate(**controls), "max_retries": 0}


@pytest.mark.parametrize("secret", ["qlk_live_" + "0" * 64, "a-key-of-deepgrams"])
def test_unknown_key(connect: Connect, upstream: Upstream, secret: str) -> None:
    """A key that nobody minted is the SDK's own error, and goes nowhere."""
    with pytest.raises(ApiError) as caught:
        transcribe(connect(secret), silence("wav", 1))
    assert caught.value.status_code == 401
    assert caught.value.body["err_code"] == "INVALID_AUTH"
    assert upstream.requests() == []


@pytest.mark.parametrize("call", ["listen", "speak", "read"])
def test_more_than_the_cap(
    gateway: Installation, connect: Connect, upstream: Upstream, call: str
) -> None:
    """A cap that is reached is 402, once: the SDK does not try again."""
    poor = Buyer.mint(gateway, "0.0001")
    client = connect(poor.secret)
    calls: dict[str, Callable[[], object]] = {
        "listen": lambda: transcribe(client, silence("wav", 60)),
        "speak": lambda: speak(client),
        "read": lambda: client.read.v1.text.analyze(request={"text": TEXT}, summarize=True),
    }
    statuses: list[int] = []
    http = client._client_wrapper.httpx_client.httpx_client
    http.event_hooks["response"].append(lambda response: statuses.append(response.status_code))
    with pytest.raises(ApiError) as caught:
        calls[call]()
    assert caught.value.status_code == 402
    body = caught.value.body
    assert body["err_code"] == "ASR_PAYMENT_REQUIRED"
    assert body["required_micros"] > body["remaining_micros"]
    assert statuses == [402]
    assert upstream.requests() == []
    poor.untouched()


def test_rate_limit(gateway: Installation, connect: Connect) -> None:
    """A key's own rate limit is 429, with a time to wait."""
    limited = Buyer.mint(gateway, "5", rate_limits=RateLimits(requests_per_minute=1))
    client = connect(limited.secret)
    speak(client)
    with pytest.raises(ApiError) as caught:
        speak(client)
    assert caught.value.status_code == 429
    assert caught.value.body["err_code"] == "TOO_MANY_REQUESTS"
    assert caught.value.headers is not None
    assert 1 <= int(caught.value.headers["retry-after"]) <= 20


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_upstream_error_is_not_charged(sdk: DeepgramClient, buyer: Buyer, status: int) -> None:
    """The provider's own error passes as it is, and releases the hold."""
    with pytest.raises(ApiError) as caught:
        transcribe(sdk, silence("wav", 2), request_options=forced(status=status))
    assert caught.value.status_code == status
    assert caught.value.body["details"] == "Simulated."
    buyer.untouched()


@pytest.mark.parametrize("status", [401, 402])
def test_the_operators_trouble_is_not_the_users(
    sdk: DeepgramClient, buyer: Buyer, status: int
) -> None:
    """A provider that refuses the operator's key says nothing about the caller's."""
    with pytest.raises(ApiError) as caught:
        transcribe(sdk, silence("wav", 2), request_options=forced(status=status))
    assert caught.value.status_code == 502
    buyer.untouched()


def test_a_text_that_is_too_long(sdk: DeepgramClient, buyer: Buyer) -> None:
    """What only the provider checks comes back as it says it."""
    with pytest.raises(ApiError) as caught:
        speak(sdk, text="a" * 2_001)
    assert caught.value.status_code == 413
    buyer.untouched()


@pytest.mark.parametrize("model", ["nova-99", "30089e05-99d1-4376-b32e-c263170674af"])
def test_unknown_model(sdk: DeepgramClient, buyer: Buyer, upstream: Upstream, model: str) -> None:
    """A model without a price, such as one's own, is not found, and nothing is forwarded."""
    with pytest.raises(ApiError) as caught:
        transcribe(sdk, silence("wav", 1), model=model)
    assert caught.value.status_code == 404
    assert caught.value.body["category"] == "MODEL_NOT_FOUND"
    assert upstream.requests() == []


@pytest.mark.parametrize(
    "asked",
    [
        {"callback": "https://example.com/hook"},
        {"version": "2024-01-01"},
        {"encoding": "linear16"},
        {"request_options": {"additional_query_parameters": {"tier": "enhanced"}}},
        {"request_options": {"additional_query_parameters": {"model": ["base", "nova-3"]}}},
        {"request_options": {"additional_query_parameters": {"sample_rate": "0"}}},
    ],
)
def test_what_cannot_be_bounded(
    sdk: DeepgramClient, buyer: Buyer, upstream: Upstream, asked: dict[str, Any]
) -> None:
    """Callbacks, unknown parameters, versions, and samples of no stated rate are refused."""
    with pytest.raises(BadRequestError):
        transcribe(sdk, bytes(1_000), **asked)
    assert upstream.requests() == []
    buyer.untouched()


def test_an_address(sdk: DeepgramClient, buyer: Buyer, upstream: Upstream) -> None:
    """What an address leads to has no known length."""
    with pytest.raises(BadRequestError) as caught:
        sdk.listen.v1.media.transcribe_url(url="https://example.com/a.mp3", model="nova-3")
    assert "address" in caught.value.body["err_msg"]
    with pytest.raises(BadRequestError):
        sdk.read.v1.text.analyze(request={"url": "https://example.com/a.txt"}, summarize=True)
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize("content", [b"this is no sound" * 99, b'{"url": "https://example.com"}'])
def test_what_is_not_audio(
    sdk: DeepgramClient, buyer: Buyer, upstream: Upstream, content: bytes
) -> None:
    """A body that cannot be measured is refused, an address in disguise too."""
    with pytest.raises(BadRequestError):
        transcribe(sdk, content)
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize("kind", ["text/plain", "audio/wav, application/json", "multipart/mixed"])
def test_another_type_of_body(buyer: Buyer, upstream: Upstream, kind: str) -> None:
    """A type that the provider may read in its own way is refused, whatever the query says."""
    answer = httpx.post(
        f"{buyer.gateway.url}/v1/listen?model=nova-3&encoding=linear16&sample_rate=8000",
        headers={"authorization": f"Token {buyer.secret}", "content-type": kind},
        content=b'{"url": "https://example.com/a.mp3"}',
    )
    assert answer.status_code == 400
    assert upstream.requests() == []


@pytest.mark.parametrize(
    "query",
    [
        "model=nova-3&model=base",
        "model=nova-3&model=",
        "model=&model=nova-3",
        "model=nova-3&mip_opt_out=false&mip_opt_out=true",
        "model=nova-3&Callback=https://example.com",
        "model=nova-3&%63allback=https://example.com",
        "model=nova-3&callback_url%0d%0aset-cookie:%20a=b",
    ],
)
def test_queries_that_can_be_read_in_two_ways(buyer: Buyer, upstream: Upstream, query: str) -> None:
    """A parameter twice, empty or not, in another case or spelling, is refused."""
    answer = httpx.post(
        f"{buyer.gateway.url}/v1/listen?{query}",
        headers={"authorization": f"Token {buyer.secret}", "content-type": "audio/wav"},
        content=silence("wav", 1),
    )
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers
    assert answer.headers["dg-error"]
    assert upstream.requests() == []
    buyer.untouched()


def test_denied_calls_of_the_sdk(sdk: DeepgramClient, upstream: Upstream) -> None:
    """Projects, keys and grants are forbidden, with a reason."""
    projects = sdk.manage.v1.projects
    calls: list[Callable[[], object]] = [
        projects.list,
        partial(projects.keys.list, "a-project"),
        partial(projects.usage.get, "a-project"),
        sdk.auth.v1.tokens.grant,
    ]
    for call in calls:
        with pytest.raises(ApiError) as caught:
            call()
        assert caught.value.status_code == 403
        assert caught.value.body["err_code"] == "INSUFFICIENT_PERMISSIONS"
    assert upstream.requests() == []


def test_broken_speech(sdk: DeepgramClient, buyer: Buyer) -> None:
    """Speech that breaks off is an error to the SDK; the text was spoken, and is charged."""
    with pytest.raises(httpx.RemoteProtocolError):
        speak(sdk, request_options=forced(break_="reset", break_after=1))
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert [(u.unit, u.count) for u in event.units] == [(UNIT_INPUT_CHARACTERS, len(TEXT))]


@pytest.mark.parametrize(
    ("fault", "raised"), [("reset", ApiError), ("eof", httpx.RemoteProtocolError)]
)
def test_a_broken_transcript(sdk: DeepgramClient, buyer: Buyer, fault: str, raised: Any) -> None:
    """The provider has heard the recording, whatever becomes of its answer."""
    with pytest.raises(raised):
        transcribe(sdk, silence("wav", 8), request_options=forced(break_=fault, break_after=1))
    event = buyer.settled()
    assert [(u.unit, u.count) for u in event.units] == [(UNIT_INPUT_AUDIO_MS, 8_000)]


def test_account_headers_stay_here(buyer: Buyer) -> None:
    """What names the operator's project does not reach the client; the count does."""
    answer = httpx.post(
        f"{buyer.gateway.url}/v1/speak?model=aura-2-thalia-en",
        headers={"authorization": f"Token {buyer.secret}"},
        json={"text": TEXT},
    )
    assert answer.headers["dg-char-count"] == str(len(TEXT))
    assert "dg-project-id" not in answer.headers
