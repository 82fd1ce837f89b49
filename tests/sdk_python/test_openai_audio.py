"""The unmodified OpenAI SDK: speech, transcriptions, translations."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from mintgate.v1.ledger_pb2 import EVENT_STATUS_COMPLETED, SETTLED_BY_COUNTED
from mintgate.v1.unit_pb2 import (
    UNIT_INPUT_AUDIO_MS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_CHARACTERS,
    UNIT_OUTPUT_TOKENS,
)

from tests.buyer import Buyer
from tests.http_facade.uploads.sounds import silence
from tests.upstream import Upstream

TEXT = "A sentence of forty-three letters, or so. " * 3
NANO_PER_CHARACTER = 15_000
"""tts-1: 15 USD per million characters."""
NANO_PER_SECOND = 100_000
"""whisper-1: 0.006 USD a minute."""


@pytest.fixture
def sdk(buyer: Buyer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret, max_retries=0
    ) as client:
        yield client


def units(event: Any) -> dict[int, int]:
    return {unit.unit: unit.count for unit in event.units}


def complete(buyer: Buyer) -> Any:
    """The one event, of an answer that came whole."""
    (event,) = buyer.events()
    assert event.status == EVENT_STATUS_COMPLETED
    assert event.held_nano_usd >= event.charged_nano_usd > 0
    assert event.absorbed_nano_usd == 0
    assert buyer.key().held_nano_usd == 0
    return event


def test_speech_by_the_character(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """A model that is billed by characters is charged for exactly those of the text."""
    answer = sdk.audio.speech.create(model="tts-1", voice="alloy", input=TEXT)
    assert answer.content.startswith(b"\xff\xfb")
    event = complete(buyer)
    assert units(event) == {UNIT_INPUT_CHARACTERS: len(TEXT)}
    assert event.charged_nano_usd == len(TEXT) * NANO_PER_CHARACTER
    assert event.settled_by == SETTLED_BY_COUNTED


@pytest.mark.parametrize("form", ["mp3", "wav", "pcm"])
def test_speech_by_its_length(sdk: openai.OpenAI, buyer: Buyer, form: Any) -> None:
    """A model that is billed by tokens of audio, and states none, is charged by their time."""
    with sdk.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="coral", input=TEXT, response_format=form
    ) as answer:
        sound = answer.read()
    assert sound
    spoken = units(complete(buyer))[UNIT_OUTPUT_TOKENS]
    # The twin speaks a character in 60 ms, and a token is 50 ms.
    expected = len(TEXT) * 60 / 50
    assert expected <= spoken <= expected * 1.1 + 2


def test_speech_in_events(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """As events, speech states its usage, which is the charge."""
    with sdk.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="coral", input=TEXT, stream_format="sse"
    ) as answer:
        body = answer.read()
    assert b"speech.audio.done" in body
    event = complete(buyer)
    assert event.output_tokens == -(-len(TEXT) * 60 * 20 // 1_000)


@pytest.mark.parametrize("form", ["json", "text", "srt", "verbose_json"])
def test_transcription_by_time(sdk: openai.OpenAI, buyer: Buyer, form: Any) -> None:
    """Stated or not, the length of the recording is the charge."""
    answer: Any = sdk.audio.transcriptions.create(
        model="whisper-1", file=("a.mp3", silence("mp3", 9.2)), response_format=form
    )
    assert "word" in (answer if isinstance(answer, str) else answer.text)
    event = complete(buyer)
    heard_ms = units(event)[UNIT_INPUT_AUDIO_MS]
    assert 9_200 <= heard_ms <= 10_000
    assert event.charged_nano_usd == heard_ms * NANO_PER_SECOND // 1_000


def test_transcription_by_tokens(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """A model that is billed by tokens is charged by the tokens that it states."""
    answer = sdk.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.wav", silence("wav", 12))
    )
    assert answer.text.startswith("word")
    assert units(complete(buyer))[UNIT_INPUT_AUDIO_TOKENS] == 120


def test_transcription_stream(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """The usage of a streamed transcript is in its last event."""
    stream = sdk.audio.transcriptions.create(
        model="gpt-4o-mini-transcribe", file=("a.ogg", silence("ogg", 5)), stream=True
    )
    kinds = [event.type for event in stream]
    assert kinds[-1] == "transcript.text.done"
    assert units(complete(buyer))[UNIT_INPUT_AUDIO_TOKENS] == 50


def test_translation(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """A translation never states its usage: the recording is measured."""
    with pytest.warns(DeprecationWarning, match="deprecated"):
        sdk.audio.translations.create(model="whisper-1", file=("a.flac", silence("flac", 61)))
    assert units(complete(buyer))[UNIT_INPUT_AUDIO_MS] == 61_000


def test_a_large_upload_arrives_whole(buyer: Buyer, upstream: Upstream) -> None:
    """What is longer than a megabyte goes by the disk, and reaches the provider unchanged."""
    recording = silence("wav", 120)
    request = httpx.Request(
        "POST",
        f"{buyer.gateway.url}/v1/audio/transcriptions",
        data={"model": "whisper-1", "response_format": "text"},
        files={"file": ("a.wav", recording)},
        headers=buyer.bearer,
    )
    body = request.read()
    assert len(body) > 3 << 20
    with httpx.Client(timeout=60) as client:
        assert client.send(request).status_code == 200
    assert upstream.only()["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert complete(buyer).charged_nano_usd == 120 * NANO_PER_SECOND


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"this is no sound" * 99, "not audio"),
        (b"", "not audio"),
    ],
)
def test_what_is_not_audio(sdk: openai.OpenAI, buyer: Buyer, file: bytes, says: str) -> None:
    """A file that cannot be measured is refused before any hold, naming the field."""
    with pytest.raises(openai.BadRequestError, match=says) as caught:
        sdk.audio.transcriptions.create(model="whisper-1", file=("a.mp3", file))
    assert caught.value.param == "file"
    buyer.untouched()


def test_more_than_the_cap(gateway: Any) -> None:
    """A recording that the cap does not cover is 402, and nothing was forwarded."""
    poor = Buyer.mint(gateway, "0.0001")
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=poor.secret) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.audio.transcriptions.create(
            model="whisper-1", file=("a.flac", silence("flac", 3_000))
        )
    assert caught.value.status_code == 402
    poor.untouched()


def test_an_unknown_key_uploads_nothing(gateway: Any) -> None:
    """Who has no key is told before the upload is read."""
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="qlk_live_" + "0" * 64) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", silence("wav", 60)))


@pytest.mark.parametrize("fault", ["reset", "eof"])
def test_a_broken_answer_is_charged(sdk: openai.OpenAI, buyer: Buyer, fault: str) -> None:
    """The provider has heard the recording, whatever becomes of its answer."""
    headers = {"x-simulate": f"break={fault}; break_after=1"}
    with pytest.raises(openai.APIError):
        sdk.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", silence("wav", 8)), extra_headers=headers
        )
    event = buyer.settled()
    assert units(event) == {UNIT_INPUT_AUDIO_MS: 8_000}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("whisper-1", {UNIT_INPUT_AUDIO_MS: 8_000}),
        ("gpt-4o-transcribe", {UNIT_INPUT_AUDIO_TOKENS: 80}),
    ],
)
def test_who_leaves_before_the_answer_pays(
    sdk: openai.OpenAI, buyer: Buyer, model: str, expected: dict[int, int]
) -> None:
    """A recording is paid for from the moment that the provider has it."""
    with pytest.raises(openai.APITimeoutError):
        sdk.audio.transcriptions.create(
            model=model,
            file=("a.wav", silence("wav", 8)),
            extra_headers={"x-simulate": "delay_ms=60000"},
            timeout=1.5,
        )
    assert units(buyer.settled()) == expected


def test_an_upstream_error_is_not_charged(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """An error before any work releases the hold."""
    with pytest.raises(openai.InternalServerError):
        sdk.audio.transcriptions.create(
            model="whisper-1",
            file=("a.wav", silence("wav", 2)),
            extra_headers={"x-simulate": "status=500"},
        )
    buyer.untouched()


def test_base64_events_are_audio(sdk: openai.OpenAI, buyer: Buyer) -> None:
    """Streamed speech passes unchanged: its pieces make one sound."""
    with sdk.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="coral", input="Hello there", stream_format="sse"
    ) as answer:
        lines = list(answer.iter_lines())
    pieces = [line.split('"audio":"')[1].split('"')[0] for line in lines if '"audio":"' in line]
    assert base64.b64decode(pieces[0]).startswith(b"\xff\xfb")
    complete(buyer)
