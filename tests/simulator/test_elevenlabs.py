"""ElevenLabs' twin, asked by the unmodified SDK: it answers as the vendor does."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import pytest
from elevenlabs import ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.errors import UnprocessableEntityError

from tests.http_facade.uploads.sounds import silence
from tests.simulator.conftest import KEY, Simulator

TEXT = "Forty-two characters, more or less, are here"


@pytest.fixture(scope="module")
def sdk(sim: Simulator) -> Iterator[ElevenLabs]:
    with httpx.Client(timeout=10) as http:
        yield ElevenLabs(base_url=f"{sim.url}/elevenlabs", api_key=KEY, httpx_client=http)


@pytest.mark.parametrize(
    ("model", "characters", "credits_"),
    [
        ("eleven_multilingual_v2", 10, "10"),
        ("eleven_flash_v2_5", 10, "5"),
        ("eleven_flash_v2_5", 11, "5.5"),
    ],
)
def test_credits(sdk: ElevenLabs, model: str, characters: int, credits_: str) -> None:
    """Speech tells its credits in a header, and its sound is MP3."""
    with sdk.text_to_speech.with_raw_response.convert(
        "voice", text="x" * characters, model_id=model
    ) as answer:
        assert b"".join(answer.data).startswith(b"\xff\xfb")
        assert answer.headers["character-cost"] == credits_


def test_timestamps(sdk: ElevenLabs) -> None:
    """Whole and streamed say the same letters at the same times."""
    whole = sdk.text_to_speech.convert_with_timestamps("voice", text=TEXT)
    pieces = list(sdk.text_to_speech.stream_with_timestamps("voice", text=TEXT))
    assert whole.alignment is not None
    streamed = [p.alignment for p in pieces if p.alignment is not None]
    assert len(streamed) == 2
    assert [c for p in streamed for c in p.characters] == whole.alignment.characters
    assert [s for p in streamed for s in p.character_start_times_seconds] == (
        whole.alignment.character_start_times_seconds
    )
    assert base64.b64decode(pieces[0].audio_base_64)


def test_transcripts(sdk: ElevenLabs) -> None:
    """A transcript states its length; channels that are heard apart have one each."""
    heard = sdk.speech_to_text.convert(model_id="scribe_v2", file=silence("wav", 2))
    assert heard.audio_duration_secs == 2  # type: ignore[union-attr]  # it is no webhook's answer
    apart = sdk.speech_to_text.convert(
        model_id="scribe_v2", file=silence("wav", 2, channels=2), use_multi_channel=True
    )
    assert [t.channel_index for t in apart.transcripts] == [0, 1]  # type: ignore[union-attr]  # as above


def test_a_song_with_its_plan(sdk: ElevenLabs) -> None:
    """The SDK finds plan and sound in the two parts of the answer."""
    song = sdk.music.compose_detailed(prompt="A tune", music_length_ms=3_000)
    assert song.json["composition_plan"]["sections"][0]["duration_ms"] == 3_000
    assert song.filename == "song.mp3"
    assert song.audio.startswith(b"\xff\xfb")


@pytest.mark.parametrize("status", [402, 429, 500])
def test_errors(sdk: ElevenLabs, status: int) -> None:
    """Errors stand under `detail`, with the code twice, as the vendor has it since 2026."""
    with pytest.raises(ApiError) as caught:
        sdk.models.list(
            request_options={
                "additional_headers": {"x-simulate": f"status={status}"},
                "max_retries": 0,
            }
        )
    assert caught.value.status_code == status
    detail = caught.value.body["detail"]
    assert detail["code"] == detail["status"]


def test_validation(sdk: ElevenLabs) -> None:
    """What fails validation is a 422 with a list, the SDK's own error."""
    with pytest.raises(UnprocessableEntityError):
        sdk.text_to_voice.design(voice_description="An old sailor at sea", text="too short")


def test_a_missing_key(sim: Simulator) -> None:
    """Without its own header there is no key."""
    answer = sim.post("/elevenlabs/v1/text-to-speech/x", {"text": "a"})
    assert answer.status_code == 401
    assert answer.json()["detail"]["type"] == "authentication_error"
