"""The unmodified ElevenLabs SDK: every refusal is its own error, and nothing is charged.

It has one class for nearly all of them, `ApiError` with status and body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from elevenlabs import DialogueInput, ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.errors import UnprocessableEntityError
from mintgate.v1.keys_pb2 import RateLimits
from mintgate.v1.ledger_pb2 import EVENT_STATUS_UPSTREAM_BROKEN
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_INPUT_CHARACTERS

from tests.buyer import Buyer
from tests.harness import Installation
from tests.http_facade.uploads.sounds import silence
from tests.sdk_python.media import elevenlabs_clients
from tests.upstream import Upstream, simulate

TEXT = "Hello there. " * 20
VOICE = "JBFqnCBsd6RMkjVDRZzb"


Connect = Callable[[str], ElevenLabs]


@pytest.fixture
def connect(gateway: Installation) -> Iterator[Connect]:
    with elevenlabs_clients(gateway) as make:
        yield make


@pytest.fixture
def sdk(connect: Connect, buyer: Buyer) -> ElevenLabs:
    return connect(buyer.secret)


def speak(sdk: ElevenLabs, **changed: Any) -> bytes:
    return b"".join(sdk.text_to_speech.convert(VOICE, text=TEXT, **changed))


def detail(error: ApiError) -> Any:
    return error.body["detail"] if isinstance(error.body, dict) else error.body.detail


@pytest.mark.parametrize("secret", ["qlk_live_" + "0" * 64, "sk_something_else"])
def test_unknown_key(connect: Connect, upstream: Upstream, secret: str) -> None:
    """A key that nobody minted is the SDK's own error, and goes nowhere."""
    with pytest.raises(ApiError) as caught:
        speak(connect(secret))
    assert caught.value.status_code == 401
    assert detail(caught.value)["status"] == "invalid_api_key"
    assert upstream.requests() == []


@pytest.mark.parametrize("call", ["speech", "dialogue", "upload"])
def test_more_than_the_cap(
    gateway: Installation, connect: Connect, upstream: Upstream, call: str
) -> None:
    """A cap that is reached is 402, once: the SDK does not try again."""
    poor = Buyer.mint(gateway, "0.0001")
    client = connect(poor.secret)
    turns = [DialogueInput(text=TEXT, voice_id=VOICE)]
    calls: dict[str, Callable[[], object]] = {
        "speech": lambda: speak(client),
        "dialogue": lambda: client.text_to_dialogue.convert_with_timestamps(inputs=turns),
        "upload": lambda: client.speech_to_text.convert(
            model_id="scribe_v2", file=silence("wav", 60)
        ),
    }
    asked = counted_requests(client)
    with pytest.raises(ApiError) as caught:
        calls[call]()
    assert caught.value.status_code == 402
    assert detail(caught.value)["status"] == "quota_exceeded"
    assert detail(caught.value)["code"] == "cap_exceeded"
    assert detail(caught.value)["required_micros"] > detail(caught.value)["remaining_micros"]
    assert asked == [402]
    assert upstream.requests() == []
    poor.untouched()


def counted_requests(client: ElevenLabs) -> list[int]:
    """The statuses of all answers that a client is going to get, retries included."""
    statuses: list[int] = []
    http = client._client_wrapper.httpx_client.httpx_client
    http.event_hooks["response"].append(lambda response: statuses.append(response.status_code))
    return statuses


def test_rate_limit(gateway: Installation, connect: Connect) -> None:
    """A key's own rate limit is 429, with a time to wait."""
    limited = Buyer.mint(gateway, "5", rate_limits=RateLimits(requests_per_minute=1))
    client = connect(limited.secret)
    speak(client)
    with pytest.raises(ApiError) as caught:
        speak(client)
    assert caught.value.status_code == 429
    assert caught.value.headers is not None
    assert 1 <= int(caught.value.headers["retry-after"]) <= 20
    assert detail(caught.value)["status"] == "too_many_concurrent_requests"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_upstream_error_is_not_charged(sdk: ElevenLabs, buyer: Buyer, status: int) -> None:
    """The provider's own error passes as it is, and releases the hold."""
    with pytest.raises(ApiError) as caught:
        speak(sdk, request_options={"additional_headers": simulate(status=status)})
    assert caught.value.status_code == status
    assert "asked for" in detail(caught.value)["message"]
    buyer.untouched()


@pytest.mark.parametrize("status", [401, 402])
def test_the_operators_trouble_is_not_the_users(sdk: ElevenLabs, buyer: Buyer, status: int) -> None:
    """A provider that refuses the operator's key says nothing about the caller's."""
    with pytest.raises(ApiError) as caught:
        speak(sdk, request_options={"additional_headers": simulate(status=status)})
    assert caught.value.status_code == 502
    buyer.untouched()


def test_upstream_validation(sdk: ElevenLabs, buyer: Buyer) -> None:
    """What only the provider checks comes back as its own 422."""
    with pytest.raises(UnprocessableEntityError):
        sdk.text_to_voice.design(voice_description="A voice of some kind", text="too short")
    buyer.untouched()


def test_unknown_model(sdk: ElevenLabs, buyer: Buyer, upstream: Upstream) -> None:
    """A model without a price is not found, and nothing is forwarded."""
    with pytest.raises(ApiError) as caught:
        speak(sdk, model_id="eleven_v99")
    assert caught.value.status_code == 404
    assert detail(caught.value)["code"] == "model_not_found"
    assert upstream.requests() == []


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"previous_request_ids": ["abc"]}, "previous_request_ids"),
        ({"next_request_ids": ["abc"]}, "next_request_ids"),
    ],
)
def test_objects_of_others(
    sdk: ElevenLabs, buyer: Buyer, upstream: Upstream, asked: dict[str, Any], param: str
) -> None:
    """Fields that reach what other users have made are refused by name."""
    with pytest.raises(ApiError) as caught:
        speak(sdk, **asked)
    assert caught.value.status_code == 400
    assert detail(caught.value)["param"] == param
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"source_url": "https://example.com/a.mp3"}, "source_url"),
        ({"cloud_storage_url": "https://example.com/a.mp3"}, "cloud_storage_url"),
        ({"webhook": True}, "webhook"),
        ({"webhook_id": "abc"}, "webhook_id"),
        ({"use_speaker_library": True, "diarize": True}, "use_speaker_library"),
        ({"file": b"this is no sound" * 99}, "file"),
        ({"file": b""}, "file"),
        ({"file": b"", "file_format": "pcm_s16le_16"}, "file"),
        ({}, "file"),
    ],
)
def test_what_cannot_be_measured(
    sdk: ElevenLabs, buyer: Buyer, upstream: Upstream, asked: dict[str, Any], param: str
) -> None:
    """A recording of unknown length, and a transcript that goes elsewhere, are refused."""
    if "webhook" in str(asked) or "library" in str(asked):
        asked = {**asked, "file": silence("wav", 1)}
    with pytest.raises(ApiError) as caught:
        sdk.speech_to_text.convert(model_id="scribe_v2", **asked)
    assert caught.value.status_code == 400
    assert detail(caught.value)["param"] == param
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/history"),
        ("GET", f"/v1/voices/{VOICE}/samples/x/audio"),
        ("POST", "/v1/voices/add/someone/x"),
        ("POST", "/v1/voices/pvc"),
        ("GET", "/v1/voices/collections"),
        ("POST", "/v1/similar-voices"),
        ("POST", "/v1/single-use-token/realtime_scribe"),
        ("POST", "/v1/service-accounts/x/api-keys"),
        ("GET", "/v1/convai/conversation/get-signed-url"),
        ("GET", "/v1/workspace/members"),
        ("GET", "/v1/usage/character-stats"),
        ("POST", "/v1/dubbing"),
        ("GET", "/v1/audio-native/abc/settings"),
    ],
)
def test_denied_routes(buyer: Buyer, upstream: Upstream, method: str, path: str) -> None:
    """What reaches the operator's account is forbidden, with a reason, as the vendor would."""
    answer = httpx.request(
        method, f"{buyer.gateway.url}/elevenlabs{path}", headers={"xi-api-key": buyer.secret}
    )
    assert answer.status_code == 403
    assert answer.json()["detail"]["type"] == "authorization_error"
    assert upstream.requests() == []


def test_a_denied_call_of_the_sdk(sdk: ElevenLabs, buyer: Buyer) -> None:
    """The SDK raises its own error for a route that is denied."""
    with pytest.raises(ApiError) as caught:
        sdk.history.list()
    assert caught.value.status_code == 403


def test_a_broken_stream(sdk: ElevenLabs, buyer: Buyer) -> None:
    """Speech that breaks off is an error to the SDK; the text was spoken, and is charged."""
    headers = simulate(break_="reset", break_after=1)
    with pytest.raises(httpx.RemoteProtocolError):
        speak(sdk, request_options={"additional_headers": headers})
    event = buyer.settled()
    assert event.status == EVENT_STATUS_UPSTREAM_BROKEN
    assert [(u.unit, u.count) for u in event.units] == [(UNIT_INPUT_CHARACTERS, len(TEXT))]


@pytest.mark.parametrize(
    ("fault", "raised"), [("reset", ApiError), ("eof", httpx.RemoteProtocolError)]
)
def test_a_broken_transcript(sdk: ElevenLabs, buyer: Buyer, fault: str, raised: Any) -> None:
    """The provider has heard the recording, whatever becomes of its answer."""
    headers = simulate(break_=fault, break_after=1)
    with pytest.raises(raised):
        sdk.speech_to_text.convert(
            model_id="scribe_v2",
            file=silence("wav", 8),
            request_options={"additional_headers": headers, "max_retries": 0},
        )
    event = buyer.settled()
    assert [(u.unit, u.count) for u in event.units] == [(UNIT_INPUT_AUDIO_MS, 8_000)]


def test_a_client_that_leaves_before_the_answer(buyer: Buyer, upstream: Upstream) -> None:
    """A recording is paid for from the moment that the provider has it."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{buyer.gateway.url}/elevenlabs/v1/speech-to-text",
            headers={"xi-api-key": buyer.secret, **simulate(delay_ms=60_000)},
            data={"model_id": "scribe_v2"},
            files={"file": ("a.wav", silence("wav", 8))},
            timeout=1.0,
        )
    event = buyer.settled()
    assert [(u.unit, u.count) for u in event.units] == [(UNIT_INPUT_AUDIO_MS, 8_000)]


def test_account_headers_stay_here(buyer: Buyer) -> None:
    """What tells about the operator's account does not reach the client; the credits do."""
    answer = httpx.post(
        f"{buyer.gateway.url}/v1/text-to-speech/{VOICE}",
        headers={"xi-api-key": buyer.secret},
        json={"text": TEXT},
    )
    assert answer.headers["character-cost"] == str(len(TEXT))
    assert "maximum-concurrent-requests" not in answer.headers
    assert "current-concurrent-requests" not in answer.headers
