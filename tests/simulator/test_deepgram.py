"""Deepgram's twin, asked by the unmodified SDK: it answers as the vendor does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx
import pytest
from deepgram import DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.errors import BadRequestError

from tests.http_facade.uploads.sounds import silence
from tests.sdk_python import media  # noqa: F401 - it silences what the SDK's imports warn of
from tests.simulator.conftest import KEY, Simulator


@pytest.fixture(scope="module")
def sdk(sim: Simulator) -> Iterator[DeepgramClient]:
    url = f"{sim.url}/deepgram"
    environment = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
    with httpx.Client(timeout=10) as http:
        yield DeepgramClient(api_key=KEY, environment=environment, httpx_client=http)


def test_a_transcript(sdk: DeepgramClient) -> None:
    """Its metadata states length, channels, and the hash of what was heard."""
    recording = silence("wav", 2, channels=2)
    heard = sdk.listen.v1.media.transcribe_file(
        request=recording, model="nova-3", multichannel=True, summarize="v2"
    )
    metadata = heard.metadata
    assert (metadata.duration, metadata.channels) == (2, 2)
    assert metadata.sha256 == hashlib.sha256(recording).hexdigest()
    assert metadata.summary_info.output_tokens == 40
    assert len(heard.results.channels) == 2


def test_a_callback_is_answered_elsewhere(sdk: DeepgramClient) -> None:
    """Then the answer is only an id: nothing tells what it cost."""
    accepted = sdk.listen.v1.media.transcribe_url(
        url="https://example.com/a.wav", callback="https://example.com/hook"
    )
    assert accepted.request_id
    assert not hasattr(accepted, "metadata")


def test_speech_states_its_characters(sdk: DeepgramClient) -> None:
    """In a header, beside the model's name."""
    with sdk.speak.v1.audio.with_raw_response.generate(
        text="Hello", model="aura-2-thalia-en"
    ) as answer:
        assert b"".join(answer.data).startswith(b"\xff\xfb")
        assert answer.headers["dg-char-count"] == "5"
        assert answer.headers["dg-model-name"] == "aura-2-thalia-en"


def test_a_text_that_is_read(sdk: DeepgramClient) -> None:
    """Only what is asked for is found, and a text that asks nothing is an error."""
    read = sdk.read.v1.text.analyze(request={"text": "Good."}, sentiment=True, language="en")
    assert read.results.sentiments is not None
    assert read.results.summary is None
    with pytest.raises(BadRequestError):
        sdk.read.v1.text.analyze(request={"text": "Good."}, language="en")


@pytest.mark.parametrize(
    ("status", "word"), [(401, "INVALID_AUTH"), (402, "ASR_PAYMENT_REQUIRED"), (500, None)]
)
def test_errors(sdk: DeepgramClient, status: int, word: str | None) -> None:
    """Older words for what concerns the account, newer ones for the rest."""
    with pytest.raises(ApiError) as caught:
        sdk.read.v1.text.analyze(
            request={"text": "a"},
            summarize=True,
            request_options={
                "additional_headers": {"x-simulate": f"status={status}"},
                "max_retries": 0,
            },
        )
    assert caught.value.status_code == status
    assert caught.value.body.get("err_code") == word
    assert caught.value.body["request_id"]


def test_a_bearer_is_no_key(sim: Simulator) -> None:
    """A key must be sent as a token; bearers are short-lived grants."""
    answer = sim.post("/deepgram/v1/speak", {"text": "a"})
    assert answer.status_code == 401
