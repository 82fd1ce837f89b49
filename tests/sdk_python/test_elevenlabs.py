"""The unmodified ElevenLabs SDK: every metered route, to the nano-dollar."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from elevenlabs import AsyncElevenLabs, DialogueInput, ElevenLabs
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_INPUT_AUDIO_MS,
    UNIT_INPUT_CHARACTERS,
    UNIT_OUTPUT_AUDIO_MS,
    UNIT_REQUESTS,
)
from mintgate_simulator.elevenlabs.speech import DEAR_VOICE, OWN_TEXT

from tests.buyer import Buyer
from tests.harness import Installation
from tests.http_facade.uploads.sounds import silence
from tests.sdk_python.media import completed, elevenlabs_clients, nano_usd
from tests.upstream import Upstream, simulate

TEXT = "Čtyřicet dva znaků, and a few more. " * 4
VOICE = "JBFqnCBsd6RMkjVDRZzb"
MULTILINGUAL, FLASH = "0.10", "0.05"
"""USD for a thousand characters."""
SCRIBE = "0.22"
"""USD an hour."""
MINUTE = "0.12"
"""USD a minute of a recording that is converted or cleaned."""


@pytest.fixture
def connect(gateway: Installation) -> Iterator[Callable[[str], ElevenLabs]]:
    with elevenlabs_clients(gateway) as make:
        yield make


@pytest.fixture
def sdk(connect: Callable[[str], ElevenLabs], buyer: Buyer) -> ElevenLabs:
    return connect(buyer.secret)


def options(**controls: int | str | bool) -> Any:
    """What an SDK call takes to force what the simulated provider answers."""
    return {"additional_headers": simulate(**controls)}


@pytest.mark.parametrize("call", ["convert", "stream"])
def test_speech(sdk: ElevenLabs, buyer: Buyer, call: str) -> None:
    """Speech is charged by the credits that its answer states."""
    method = getattr(sdk.text_to_speech, call)
    sound = b"".join(method(VOICE, text=TEXT, model_id="eleven_multilingual_v2"))
    assert sound.startswith(b"\xff\xfb")
    cost = nano_usd(MULTILINGUAL, len(TEXT), 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(TEXT)}, cost, SETTLED_BY_USAGE)


def test_speech_with_half_a_credit(sdk: ElevenLabs, buyer: Buyer) -> None:
    """A faster model's characters cost half a credit each, and an odd number is not rounded."""
    b"".join(sdk.text_to_speech.convert(VOICE, text=TEXT + "!", model_id="eleven_flash_v2_5"))
    characters = len(TEXT) + 1
    cost = nano_usd(FLASH, characters, 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: characters}, cost, SETTLED_BY_USAGE)


def test_speech_of_a_dear_voice(sdk: ElevenLabs, buyer: Buyer) -> None:
    """A voice with a rate of its own is held for, and charged as the provider bills it."""
    b"".join(sdk.text_to_speech.convert(DEAR_VOICE, text=TEXT))
    characters = 2 * len(TEXT)
    cost = nano_usd(MULTILINGUAL, characters, 1_000)
    event = completed(buyer, {UNIT_INPUT_CHARACTERS: characters}, cost, SETTLED_BY_USAGE)
    assert event.model == "eleven_multilingual_v2"
    assert event.held_nano_usd == cost


def test_speech_that_states_nothing(sdk: ElevenLabs, buyer: Buyer) -> None:
    """Without credits in its headers, an answer costs the characters of its text."""
    b"".join(sdk.text_to_speech.convert(VOICE, text=TEXT, request_options=options(usage="none")))
    cost = nano_usd(MULTILINGUAL, len(TEXT), 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(TEXT)}, cost, SETTLED_BY_COUNTED)


@pytest.mark.parametrize("output_format", ["pcm_24000", "wav_24000"])
def test_speech_in_other_formats(
    sdk: ElevenLabs, buyer: Buyer, upstream: Upstream, output_format: Any
) -> None:
    """The format is no matter of price, and the bytes pass unchanged."""
    sound = b"".join(sdk.text_to_speech.convert(VOICE, text=TEXT, output_format=output_format))
    assert sound == upstream.answer()
    cost = nano_usd(MULTILINGUAL, len(TEXT), 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(TEXT)}, cost, SETTLED_BY_USAGE)


def test_speech_with_timestamps(sdk: ElevenLabs, buyer: Buyer) -> None:
    """One document of sound and times."""
    answer = sdk.text_to_speech.convert_with_timestamps(VOICE, text=TEXT)
    assert base64.b64decode(answer.audio_base_64).startswith(b"\xff\xfb")
    assert answer.alignment is not None
    assert "".join(answer.alignment.characters) == TEXT
    cost = nano_usd(MULTILINGUAL, len(TEXT), 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(TEXT)}, cost, SETTLED_BY_USAGE)


def test_a_stream_with_timestamps(sdk: ElevenLabs, buyer: Buyer) -> None:
    """Documents, a line each."""
    pieces = list(sdk.text_to_speech.stream_with_timestamps(VOICE, text=TEXT))
    said = [piece.alignment.characters for piece in pieces if piece.alignment]
    assert "".join(letter for letters in said for letter in letters) == TEXT
    cost = nano_usd(MULTILINGUAL, len(TEXT), 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(TEXT)}, cost, SETTLED_BY_USAGE)


@pytest.mark.parametrize(
    "call", ["convert", "stream", "convert_with_timestamps", "stream_with_timestamps"]
)
def test_dialogue(sdk: ElevenLabs, buyer: Buyer, call: str) -> None:
    """A dialogue costs the characters of all its turns."""
    turns = [
        DialogueInput(text="[cheerfully] Hello, how are you?", voice_id=VOICE),
        DialogueInput(text="Ça va.", voice_id="21m00Tcm4TlvDq8ikWAM"),
    ]
    answer = getattr(sdk.text_to_dialogue, call)(inputs=turns)
    if call != "convert_with_timestamps":
        assert list(answer)
    characters = sum(len(turn.text) for turn in turns)
    cost = nano_usd(MULTILINGUAL, characters, 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: characters}, cost, SETTLED_BY_USAGE, model="eleven_v3")


@pytest.mark.parametrize("call", ["design", "create_previews", "remix"])
@pytest.mark.parametrize("written_by", ["caller", "provider"])
def test_voice_design(sdk: ElevenLabs, buyer: Buyer, call: str, written_by: str) -> None:
    """Previews of a voice cost one text, whoever wrote it."""
    own = written_by == "provider"
    asked: dict[str, Any] = {"auto_generate_text": True} if own else {"text": TEXT}
    arguments = (VOICE,) if call == "remix" else ()
    answer = getattr(sdk.text_to_voice, call)(
        *arguments, voice_description="An old sailor with a calm voice", **asked
    )
    assert len(answer.previews) == 3
    characters = len(OWN_TEXT if own else TEXT)
    cost = nano_usd(MULTILINGUAL, characters, 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: characters}, cost, SETTLED_BY_USAGE)


def test_an_effect(sdk: ElevenLabs, buyer: Buyer) -> None:
    """A sound effect has one price."""
    b"".join(sdk.text_to_sound_effects.convert(text="A door", duration_seconds=1.5))
    completed(buyer, {UNIT_REQUESTS: 1}, nano_usd("0.12", 1), SETTLED_BY_COUNTED)


@pytest.mark.parametrize("call", ["compose", "stream", "compose_detailed_stream"])
def test_music_of_a_stated_length(sdk: ElevenLabs, buyer: Buyer, call: str) -> None:
    """A song costs the length that was asked for."""
    song = getattr(sdk.music, call)(prompt="A calm tune", music_length_ms=5_000)
    assert list(song)
    cost = nano_usd("0.30", 5_000, 60_000)
    completed(buyer, {UNIT_OUTPUT_AUDIO_MS: 5_000}, cost, SETTLED_BY_COUNTED, model="music")


def test_music_by_a_plan(sdk: ElevenLabs, buyer: Buyer) -> None:
    """A song by a plan, which is made for nothing, costs the length of its sections."""
    plan: Any = sdk.music.composition_plan.create(prompt="A calm tune")
    buyer.untouched()
    song = sdk.music.compose_detailed(composition_plan=plan)
    assert song.audio.startswith(b"\xff\xfb")
    cost = nano_usd("0.30", 12_000, 60_000)
    completed(buyer, {UNIT_OUTPUT_AUDIO_MS: 12_000}, cost, SETTLED_BY_COUNTED)


def test_music_of_any_length(sdk: ElevenLabs, buyer: Buyer) -> None:
    """A song whose length is left to the model costs the sound that came."""
    b"".join(sdk.music.compose(prompt="A tune", request_options=options(output=20)))
    (event,) = buyer.events()
    (made,) = event.units
    assert made.unit == UNIT_OUTPUT_AUDIO_MS
    # Whole frames of MP3, and never less than was asked for.
    assert 20_000 <= made.count <= 20_200
    assert event.charged_nano_usd == nano_usd("0.30", made.count, 60_000)
    assert event.held_nano_usd == nano_usd("0.30", 600_000, 60_000)


@pytest.mark.parametrize("kind", ["wav", "mp3", "ogg"])
def test_transcript(sdk: ElevenLabs, buyer: Buyer, kind: str) -> None:
    """A transcript costs the length that it states."""
    answer: Any = sdk.speech_to_text.convert(model_id="scribe_v2", file=silence(kind, 6))
    assert answer.text.startswith("word")
    (event,) = buyer.events()
    (heard,) = event.units
    assert heard.unit == UNIT_INPUT_AUDIO_MS
    assert 6_000 <= heard.count <= 6_100
    assert event.charged_nano_usd == nano_usd(SCRIBE, heard.count, 3_600_000)
    assert event.settled_by == SETTLED_BY_USAGE
    assert event.held_nano_usd >= event.charged_nano_usd


def test_transcript_that_states_nothing(sdk: ElevenLabs, buyer: Buyer) -> None:
    """Else it costs the length that the recording has."""
    sdk.speech_to_text.convert(
        model_id="scribe_v2", file=silence("wav", 6), request_options=options(usage="none")
    )
    cost = nano_usd(SCRIBE, 6_000, 3_600_000)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 6_000}, cost, SETTLED_BY_COUNTED)


@pytest.mark.parametrize(
    ("asked", "percents", "heard_ms"),
    [
        ({"keyterms": ["Mintgate", "ledger"]}, [20], 6_000),
        ({"keyterms": [f"term {n}" for n in range(101)]}, [20], 20_000),
        ({"diarize": True, "detect_speaker_roles": True}, [10], 6_000),
        ({"transcript_edit": "Make it formal"}, [30], 10_000),
        ({"entity_detection": "pii", "entity_redaction": "pii"}, [30], 6_000),
        (
            {"entity_detection": ["pii"], "keyterms": ["a"], "detect_speaker_roles": True},
            [30, 20, 10],
            6_000,
        ),
    ],
)
def test_surcharges(
    sdk: ElevenLabs, buyer: Buyer, asked: dict[str, Any], percents: list[int], heard_ms: int
) -> None:
    """What is asked for besides is charged on top, with the smallest length that it has."""
    sdk.speech_to_text.convert(model_id="scribe_v2", file=silence("wav", 6), **asked)
    (event,) = buyer.events()
    assert [(u.unit, u.count) for u in event.units] == [(UNIT_INPUT_AUDIO_MS, heard_ms)]
    # Prices are whole pico-dollars a millisecond, rounded up, the surcharges each.
    base = -(-220_000_000_000 // 3_600_000)
    surcharges = sum(-(-base * percent // 100) for percent in percents)
    assert event.charged_nano_usd == -(-(base + surcharges) * heard_ms // 1_000)
    assert event.held_nano_usd >= event.charged_nano_usd
    assert event.absorbed_nano_usd == 0


@pytest.mark.parametrize("style", ["separate", "combined"])
def test_channels(sdk: ElevenLabs, buyer: Buyer, style: Any) -> None:
    """Each channel that is heard on its own is billed on its own."""
    sdk.speech_to_text.convert(
        model_id="scribe_v1",
        file=silence("wav", 4, channels=2),
        use_multi_channel=True,
        multichannel_output_style=style,
    )
    cost = nano_usd(SCRIBE, 8_000, 3_600_000)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 8_000}, cost, SETTLED_BY_USAGE)


def test_raw_samples(sdk: ElevenLabs, buyer: Buyer) -> None:
    """Samples without a header are as long as their bytes say."""
    sdk.speech_to_text.convert(
        model_id="scribe_v1", file=bytes(32_000 * 3), file_format="pcm_s16le_16"
    )
    cost = nano_usd(SCRIBE, 3_000, 3_600_000)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 3_000}, cost, SETTLED_BY_USAGE)


@pytest.mark.parametrize("call", ["convert", "stream"])
def test_another_voice(sdk: ElevenLabs, buyer: Buyer, upstream: Upstream, call: str) -> None:
    """A recording that is spoken by another voice costs its length."""
    convert = getattr(sdk.speech_to_speech, call)
    sound = b"".join(convert(VOICE, audio=silence("wav", 4), remove_background_noise=True))
    assert sound == upstream.answer()
    assert upstream.only()["path"].startswith("/elevenlabs/v1/voice-changer/")
    cost = nano_usd(MINUTE, 4_000, 60_000)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 4_000}, cost, SETTLED_BY_COUNTED, model="voice-changer")


def test_another_voice_by_its_older_name(buyer: Buyer) -> None:
    """SDKs before 2.77, and those for JavaScript, use another path for the same."""
    answer = httpx.post(
        f"{buyer.gateway.url}/v1/speech-to-speech/{VOICE}?output_format=mp3_44100_128",
        headers={"xi-api-key": buyer.secret},
        data={"model_id": "eleven_multilingual_sts_v2"},
        files={"audio": ("a.wav", silence("wav", 4))},
    )
    assert answer.status_code == 200
    cost = nano_usd(MINUTE, 4_000, 60_000)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 4_000}, cost, SETTLED_BY_COUNTED)


@pytest.mark.parametrize("call", ["convert", "stream"])
def test_isolation(sdk: ElevenLabs, buyer: Buyer, call: str) -> None:
    """A recording that is cleaned costs its length."""
    assert b"".join(getattr(sdk.audio_isolation, call)(audio=silence("mp3", 5)))
    (event,) = buyer.events()
    (heard,) = event.units
    assert 5_000 <= heard.count <= 5_100
    assert event.charged_nano_usd == nano_usd(MINUTE, heard.count, 60_000)


def test_alignment(sdk: ElevenLabs, buyer: Buyer) -> None:
    """A recording that is aligned with its text costs its length."""
    answer = sdk.forced_alignment.create(file=silence("wav", 3), text="three words here")
    assert [word.text for word in answer.words] == ["three", "words", "here"]
    cost = nano_usd("0.48", 3_000, 3_600_000)
    completed(buyer, {UNIT_INPUT_AUDIO_MS: 3_000}, cost, SETTLED_BY_COUNTED)


async def test_async(buyer: Buyer) -> None:
    """The asynchronous client is served alike, streams and uploads."""
    async with httpx.AsyncClient(timeout=30) as http:
        sdk = AsyncElevenLabs(
            base_url=f"{buyer.gateway.url}/elevenlabs", api_key=buyer.secret, httpx_client=http
        )
        sound = [piece async for piece in sdk.text_to_speech.stream(VOICE, text=TEXT)]
        assert sound[0].startswith(b"\xff\xfb")
        await sdk.speech_to_text.convert(model_id="scribe_v2", file=silence("wav", 2))
    spoken, heard = sorted(buyer.events(), key=lambda event: event.model)
    assert spoken.charged_nano_usd == nano_usd(MULTILINGUAL, len(TEXT), 1_000)
    assert heard.charged_nano_usd == nano_usd(SCRIBE, 2_000, 3_600_000)


def test_models(sdk: ElevenLabs, buyer: Buyer) -> None:
    """The list of models is the gateway's own, and says what each can do."""
    models = {model.model_id: model for model in sdk.models.list()}
    assert models["eleven_v3"].can_do_text_to_speech
    assert not models["scribe_v2"].can_do_voice_conversion
    assert models["voice-changer"].can_do_voice_conversion
    buyer.untouched()


def test_subscription(
    gateway: Installation, connect: Callable[[str], ElevenLabs], upstream: Upstream
) -> None:
    """What an app asks first tells of the key alone, in credits, and reaches no provider."""
    buyer = Buyer.mint(gateway, "2")
    sdk = connect(buyer.secret)
    b"".join(sdk.text_to_speech.convert(VOICE, text="x" * 100))
    seen = upstream.count
    subscription = sdk.user.subscription.get()
    assert subscription.character_limit == 20_000
    assert subscription.character_count == 100
    user = sdk.user.get()
    assert user.subscription.character_count == 100
    assert user.user_id == buyer.key_id
    assert upstream.count == seen
    capless = Buyer.mint(gateway, None)
    sdk = connect(capless.secret)
    assert sdk.user.subscription.get().character_limit == 2**31 - 1


def test_free_lists(sdk: ElevenLabs, buyer: Buyer) -> None:
    """What the provider gives away costs nothing here either."""
    assert sdk.voices.get_shared().voices == []
    assert sdk.voices.settings.get_default().stability == 0.5
    buyer.untouched()
