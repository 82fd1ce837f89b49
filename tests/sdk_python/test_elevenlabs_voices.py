"""Voices, dictionaries and transcripts of one key are its own: with the unmodified SDK."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from elevenlabs import (
    DialogueInput,
    ElevenLabs,
    PronunciationDictionaryVersionLocator,
    VoiceSettings,
)
from elevenlabs.core.api_error import ApiError
from elevenlabs.pronunciation_dictionaries import (
    BodyAddAPronunciationDictionaryV1PronunciationDictionariesAddFromRulesPostRulesItem_Alias as Alias,  # noqa: E501 - its name is as long as a line
)
from mintgate.v1.ledger_pb2 import SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_CHARACTERS
from mintgate_facade.dialects.elevenlabs.voices import VOICES_MAX
from mintgate_simulator.elevenlabs.speech import DEAR_VOICE
from mintgate_simulator.elevenlabs.voices import CLONE_OF_THE_OPERATOR, PREMADE

from tests.buyer import Buyer
from tests.harness import Installation
from tests.http_facade.uploads.sounds import silence
from tests.sdk_python.media import completed, elevenlabs_clients, nano_usd
from tests.upstream import Upstream

TEXT = "Forty-two characters, more or less, are here. " * 3
EVERYBODYS = {*PREMADE, DEAR_VOICE}
WORKERS = max(1, len(os.sched_getaffinity(0)) // 2)
SAMPLE = ("sample.wav", silence("wav", 1), "audio/wav")
ALIAS = Alias(string_to_replace="SQL", alias="sequel")


@pytest.fixture
def connect(gateway: Installation) -> Iterator[Callable[[Buyer], ElevenLabs]]:
    with elevenlabs_clients(gateway) as make:
        yield lambda buyer: make(buyer.secret)


@pytest.fixture
def other(gateway: Installation) -> Buyer:
    """Another user of the same gateway."""
    return Buyer.mint(gateway)


@pytest.fixture
def sdk(connect: Callable[[Buyer], ElevenLabs], buyer: Buyer) -> ElevenLabs:
    return connect(buyer)


@pytest.fixture
def strange(connect: Callable[[Buyer], ElevenLabs], other: Buyer) -> ElevenLabs:
    return connect(other)


def cloned(sdk: ElevenLabs, name: str = "Mine") -> str:
    voice: str = sdk.voices.ivc.create(name=name, files=[SAMPLE, SAMPLE]).voice_id
    return voice


def not_found(*attempts: Callable[[], object]) -> None:
    for attempt in attempts:
        with pytest.raises(ApiError) as caught:
            attempt()
        assert caught.value.status_code == 404


def spoken(sdk: ElevenLabs, voice: str, **more: Any) -> bytes:
    return b"".join(sdk.text_to_speech.convert(voice, text=TEXT, **more))


def dialogue(sdk: ElevenLabs, *voices: str) -> bytes:
    turns = [DialogueInput(text="Hello.", voice_id=voice) for voice in voices]
    return b"".join(sdk.text_to_dialogue.convert(inputs=turns))


def test_a_clone(sdk: ElevenLabs, buyer: Buyer) -> None:
    """A key clones a voice for nothing, reads, changes and speaks with it, and deletes it."""
    voice = cloned(sdk)
    assert sdk.voices.get(voice).category == "cloned"
    sdk.voices.update(voice, name="Renamed")
    sdk.voices.settings.update(voice, request=VoiceSettings(stability=0.9))
    assert sdk.voices.settings.get(voice).stability == 0.9
    assert sdk.voices.get(voice).name == "Renamed"
    buyer.untouched()
    assert spoken(sdk, voice)
    cost = nano_usd("0.10", len(TEXT), 1_000)
    completed(buyer, {UNIT_INPUT_CHARACTERS: len(TEXT)}, cost, SETTLED_BY_USAGE)
    sdk.voices.delete(voice)
    not_found(lambda: sdk.voices.get(voice), lambda: spoken(sdk, voice))


def test_a_clone_of_another_key(
    sdk: ElevenLabs, strange: ElevenLabs, other: Buyer, upstream: Upstream
) -> None:
    """To any other key it is a voice that does not exist, in every place that names one."""
    voice = cloned(sdk)
    usual = next(iter(PREMADE))
    sound = silence("wav", 1)
    not_found(
        lambda: strange.voices.get(voice),
        lambda: strange.voices.settings.get(voice),
        lambda: strange.voices.settings.update(voice, request=VoiceSettings(stability=0.1)),
        lambda: strange.voices.update(voice, name="Stolen"),
        lambda: strange.voices.delete(voice),
        lambda: spoken(strange, voice),
        lambda: list(strange.text_to_speech.stream_with_timestamps(voice, text=TEXT)),
        lambda: dialogue(strange, usual, voice),
        lambda: b"".join(strange.speech_to_speech.convert(voice, audio=sound)),
        lambda: strange.text_to_voice.remix(voice, voice_description="As he is", text=TEXT),
    )
    other.untouched()
    named = {record["path"] for record in upstream.requests() if record["method"] != "GET"}
    assert named == {"/elevenlabs/v1/voices/add"}
    assert sdk.voices.get(voice).name == "Mine"


def test_voices_that_no_key_made(sdk: ElevenLabs, buyer: Buyer) -> None:
    """Premade voices and those of the library are everybody's; the operator's own are nobody's."""
    for voice in EVERYBODYS:
        assert sdk.voices.get(voice).voice_id == voice
        assert dialogue(sdk, voice)
    assert len(buyer.events()) == len(EVERYBODYS)
    not_found(
        lambda: sdk.voices.get(CLONE_OF_THE_OPERATOR),
        lambda: spoken(sdk, CLONE_OF_THE_OPERATOR),
        lambda: spoken(sdk, "neverThereAtAll00000"),
        lambda: dialogue(sdk, "../../v1/voices"),
        lambda: sdk.voices.delete(next(iter(PREMADE))),
        lambda: sdk.voices.update(DEAR_VOICE, name="Mine"),
    )


def test_lists(sdk: ElevenLabs, strange: ElevenLabs) -> None:
    """A list holds everybody's voices and the key's own, and counts no others."""
    mine, theirs = cloned(sdk, "Alpha"), cloned(strange, "Alpha too")
    found = {voice.voice_id for voice in sdk.voices.get_all().voices}
    assert found == {*EVERYBODYS, mine}
    assert theirs in {voice.voice_id for voice in strange.voices.get_all().voices}
    searched = sdk.voices.search(search="alpha")
    assert [voice.voice_id for voice in searched.voices] == [mine]
    assert (searched.total_count, searched.has_more) == (1, False)
    seen: list[str] = []
    token = None
    while token is not None or not seen:
        page = sdk.voices.search(page_size=1, next_page_token=token)
        seen.extend(voice.voice_id for voice in page.voices)
        assert page.total_count == len(found)
        token = page.next_page_token
    assert sorted(seen) == sorted(found)


def test_a_designed_voice(sdk: ElevenLabs, strange: ElevenLabs, other: Buyer) -> None:
    """A preview becomes a voice of the key that it was made for, and of no other."""
    designed = sdk.text_to_voice.design(voice_description="An old sailor, calm", text=TEXT)
    preview = designed.previews[0].generated_voice_id
    asked: dict[str, Any] = {
        "voice_name": "Sailor",
        "voice_description": "An old sailor, calm",
        "generated_voice_id": preview,
    }
    not_found(
        lambda: strange.text_to_voice.create(**asked),
        lambda: sdk.text_to_voice.create(**asked | {"generated_voice_id": "never"}),
    )
    voice = sdk.text_to_voice.create(
        **asked, played_not_selected_voice_ids=[designed.previews[1].generated_voice_id]
    )
    assert spoken(sdk, voice.voice_id)
    not_found(lambda: spoken(strange, voice.voice_id))
    other.untouched()


def test_the_most_voices(sdk: ElevenLabs, strange: ElevenLabs) -> None:
    """A key that owns as many voices as it may is told so, and has room again after a delete."""
    told: list[tuple[int | None, str]] = []

    def attempt(_: int) -> str:
        try:
            return cloned(sdk)
        except ApiError as refused:
            told.append((refused.status_code, refused.body["detail"]["status"]))
            return ""

    with ThreadPoolExecutor(VOICES_MAX) as pool:
        made = [*filter(None, pool.map(attempt, range(2 * VOICES_MAX)))]
    while voice := attempt(0):
        made.append(voice)
    # Requests at once may find the last place free in each worker, once.
    assert VOICES_MAX <= len(set(made)) < VOICES_MAX + WORKERS
    assert set(told) == {(400, "voice_limit_reached")}
    assert cloned(strange)
    while len(made) >= VOICES_MAX:
        sdk.voices.delete(made.pop())
    assert attempt(0)


def test_dictionaries(sdk: ElevenLabs, strange: ElevenLabs, other: Buyer) -> None:
    """A dictionary is used, changed and listed by its key alone."""
    made = sdk.pronunciation_dictionaries.create_from_rules(name="Words", rules=[ALIAS])
    uploaded = sdk.pronunciation_dictionaries.create_from_file(
        name="More", file=("a.pls", b"<lexicon/>", "application/pls+xml")
    )
    locator = PronunciationDictionaryVersionLocator(
        pronunciation_dictionary_id=made.id, version_id=made.version_id
    )
    usual = next(iter(PREMADE))
    assert spoken(sdk, usual, pronunciation_dictionary_locators=[locator])
    assert sdk.pronunciation_dictionaries.get(made.id).name == "Words"
    sdk.pronunciation_dictionaries.rules.add(made.id, rules=[_rule(ALIAS)])
    listed = sdk.pronunciation_dictionaries.list().pronunciation_dictionaries
    assert {each.id for each in listed} == {made.id, uploaded.id}
    assert strange.pronunciation_dictionaries.list().pronunciation_dictionaries == []
    not_found(
        lambda: strange.pronunciation_dictionaries.get(made.id),
        lambda: strange.pronunciation_dictionaries.update(made.id, name="Stolen"),
        lambda: strange.pronunciation_dictionaries.rules.add(made.id, rules=[_rule(ALIAS)]),
        lambda: spoken(strange, usual, pronunciation_dictionary_locators=[locator]),
    )
    other.untouched()


def _rule(alias: Any) -> Any:
    return {"type": "alias", **alias.model_dump(exclude={"type"})}


def test_transcripts(sdk: ElevenLabs, strange: ElevenLabs) -> None:
    """A transcript is read again and deleted by its key alone."""
    heard: Any = sdk.speech_to_text.convert(model_id="scribe_v2", file=silence("wav", 1))
    named = heard.transcription_id
    kept: Any = sdk.speech_to_text.transcripts.get(named)
    assert kept.text == heard.text
    not_found(
        lambda: strange.speech_to_text.transcripts.get(named),
        lambda: strange.speech_to_text.transcripts.delete(named),
    )
    sdk.speech_to_text.transcripts.delete(named)
    not_found(lambda: sdk.speech_to_text.transcripts.get(named))


def test_noise_is_not_removed_for_nothing(sdk: ElevenLabs, upstream: Upstream) -> None:
    """A clone that would use what is sold elsewhere is refused."""
    with pytest.raises(ApiError) as caught:
        sdk.voices.ivc.create(name="Mine", files=[SAMPLE], remove_background_noise=True)
    assert caught.value.status_code == 400
    assert caught.value.body["detail"]["param"] == "remove_background_noise"
    assert upstream.requests() == []
