"""What each route is held for, and what it refuses because nothing would bound it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_HOLD
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_INPUT_CHARACTERS, UNIT_OUTPUT_AUDIO_MS
from mintgate_facade.dialects.base import Ask, FilePart, Meter, RefusedRequest
from mintgate_facade.dialects.elevenlabs.speech import stated_characters

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]
MeterFor = Callable[..., Meter]


def held(ask: Ask) -> dict[int, int]:
    assert ask.bound.output_tokens == 0
    assert ask.bound.HasField("output_tokens")
    return {fee.unit: fee.count for fee in ask.bound.fees}


def test_characters_are_code_points(read: Read) -> None:
    """Letters, tags, spaces and pictures count one each, whatever their bytes."""
    ask = read("elevenlabs", "speech", {"text": "Ďé 👋<break/>"})
    assert ask.counted is not None
    assert ask.counted.units == {UNIT_INPUT_CHARACTERS: 12}
    assert held(ask) == {UNIT_INPUT_CHARACTERS: 24}


@pytest.mark.parametrize(
    ("model", "stated", "characters"),
    [
        ("eleven_v3", "17", 17),
        ("eleven_v3", "17.2", 18),
        ("eleven_flash_v2_5", "17.5", 35),
        ("eleven_v3_conversational", "4", 8),
        ("eleven_v3", "0", 0),
    ],
)
def test_credits(model: str, stated: str, characters: int) -> None:
    """Credits are as many characters as the model has for one, rounded up."""
    reading = stated_characters(model, {"character-cost": stated})
    assert reading is not None
    assert reading.units.get(UNIT_INPUT_CHARACTERS, 0) == characters


@pytest.mark.parametrize("stated", ["", "-1", "1e9", "nan", "12 credits", "9" * 20])
def test_credits_that_are_none(stated: str) -> None:
    """A header that is no number states nothing."""
    assert stated_characters("eleven_v3", {"character-cost": stated}) is None


@pytest.mark.parametrize(
    ("operation", "document", "param"),
    [
        ("speech", {}, "text"),
        ("speech", {"text": ""}, "text"),
        ("speech", {"text": ["a"]}, "text"),
        ("speech", {"text": "a", "model_id": 7}, "model_id"),
        ("dialogue", {"inputs": []}, "inputs"),
        ("dialogue", {"inputs": ["a"]}, "inputs[0]"),
        ("dialogue", {"inputs": [{"text": "a"}, {}]}, "inputs[1].text"),
        ("dialogue", {"inputs": [{"text": "a"}]}, "inputs[0].voice_id"),
        ("dialogue", {"inputs": [{"text": "a", "voice_id": ["x"]}]}, "inputs[0].voice_id"),
        (
            "speech",
            {"text": "a", "pronunciation_dictionary_locators": [{"version_id": "x"}]},
            "pronunciation_dictionary_locators[0].pronunciation_dictionary_id",
        ),
        ("voice_design", {"text": "a" * 1_001}, "text"),
        ("voice_design", {"text": "a", "stream_previews": True}, "stream_previews"),
        ("voice_design", {"text": "a", "model_id": "eleven_flash_v2_5"}, "model_id"),
        ("voice_design", {"text": "a", "remixing_session_id": "x"}, "remixing_session_id"),
        ("effect", {"text": "a", "duration_seconds": 31}, "duration_seconds"),
        ("effect", {"text": "a", "duration_seconds": "30"}, "duration_seconds"),
        ("music", {"prompt": "a", "music_length_ms": 600_001}, "music_length_ms"),
        ("music", {"prompt": "a", "finetune_id": "x"}, "finetune_id"),
        ("music", {"prompt": "a", "store_for_inpainting": True}, "store_for_inpainting"),
        (
            "music",
            {"composition_plan": {"sections": [{"duration_ms": 400_000}] * 2}},
            "composition_plan",
        ),
        (
            "music",
            {"composition_plan": {"sections": [{"source_from": {"song_id": "x"}}]}},
            "composition_plan.sections[0]",
        ),
        (
            "music",
            {"composition_plan": {"chunks": [{"song_id": "x"}]}},
            "composition_plan.chunks[0]",
        ),
        ("music_events", {"prompt": "a"}, "music_length_ms"),
    ],
)
def test_refusals(refusal: Refusal, operation: str, document: Any, param: str) -> None:
    """Each names the field at fault."""
    assert refusal("elevenlabs", operation, document).failure.param == param


def test_a_song_that_cannot_be_measured(read: Read, refusal: Refusal) -> None:
    """Samples of unknown channels tell no length: the song must state its own."""
    pcm = "output_format=pcm_44100"
    for query in (pcm, f"{pcm}&output_format=mp3_44100_128", f"output_format=auto&{pcm}"):
        refused = refusal("elevenlabs", "music", {"prompt": "a"}, query_string=query)
        assert refused.failure.param == "output_format"
    document = {"prompt": "a", "music_length_ms": 5_000}
    ask = read("elevenlabs", "music", document, query_string=pcm)
    assert held(ask) == {UNIT_OUTPUT_AUDIO_MS: 5_000}


def test_a_plan_whose_lengths_are_free(read: Read) -> None:
    """Sections that the model may stretch are held for as the longest song."""
    plan = {"sections": [{"duration_ms": 5_000}]}
    document = {"composition_plan": plan, "respect_sections_durations": False}
    assert held(read("elevenlabs", "music", document)) == {UNIT_OUTPUT_AUDIO_MS: 600_000}
    # The shortest song there is, where a plan is shorter.
    plan = {"sections": [{"duration_ms": 1_000}]}
    ask = read("elevenlabs", "music", {"composition_plan": plan})
    assert held(ask) == {UNIT_OUTPUT_AUDIO_MS: 3_000}


def test_samples_behind_a_header(read: Read) -> None:
    """A file that is said to be raw, and has a header all the same, is held for by the longer."""
    file = FilePart("file", 32_000, duration_ms=4_000, duration_max_ms=4_000)
    ask = read(
        "elevenlabs",
        "transcription",
        {"model_id": "scribe_v2", "file_format": "pcm_s16le_16"},
        files=(file,),
    )
    assert held(ask) == {UNIT_INPUT_AUDIO_MS: 5_000}
    assert ask.counted is not None
    assert ask.counted.units == {UNIT_INPUT_AUDIO_MS: 4_000}


@pytest.mark.parametrize(
    ("operation", "field", "product"),
    [
        ("conversion", "audio", "voice-changer"),
        ("isolation", "audio", "audio-isolation"),
        ("alignment", "file", "forced-alignment"),
    ],
)
def test_a_recording_has_its_products_price(
    read: Read, refusal: Refusal, operation: str, field: str, product: str
) -> None:
    """A cheaper model's name, which the provider would pass over, does not make it cheaper."""
    files = (FilePart(field, 9, duration_ms=1_000, duration_max_ms=1_000),)
    assert read("elevenlabs", operation, {}, files=files).model == product
    cheaper = {"model_id": "scribe_v2"}
    if operation == "conversion":
        assert refusal("elevenlabs", operation, cheaper, files=files).failure.param == "model_id"
    else:
        assert read("elevenlabs", operation, cheaper, files=files).model == product


def test_alignment_takes_no_raw_samples(refusal: Refusal) -> None:
    """A format that this route does not know makes nothing measurable, or shorter."""
    files = (FilePart("file", 32_000, unreadable="is not audio"),)
    document = {"file_format": "pcm_s16le_16", "text": "a"}
    assert refusal("elevenlabs", "alignment", document, files=files).failure.param == "file"


def test_key_terms_are_words_of_any_kind(read: Read) -> None:
    """A term that reads like a switch is a term, and costs what terms cost."""
    files = (FilePart("file", 9, duration_ms=1_000, duration_max_ms=1_000),)
    document = {"model_id": "scribe_v2", "keyterms": ["no"]}
    ask = read("elevenlabs", "transcription", document, files=files)
    assert list(ask.bound.variants) == ["addon=keyterms"]


def test_a_song_in_another_format_than_asked_for(read: Read, meter_for: MeterFor) -> None:
    """What cannot be measured after all is charged as the whole hold, never as nothing."""
    ask = read("elevenlabs", "music", {"prompt": "a"})
    meter = meter_for("elevenlabs", "music", ask, "audio/pcm")
    meter.feed(bytes(1_000))
    meter.close()
    assert meter.reading().basis == SETTLED_BY_HOLD


def test_more_channels_than_are_heard(read: Read) -> None:
    """At most five channels are written down, and billed."""
    file = FilePart("file", 9, duration_ms=1_000, duration_max_ms=1_000, channels=8)
    document = {"model_id": "scribe_v2", "use_multi_channel": "true"}
    ask = read("elevenlabs", "transcription", document, files=(file,))
    assert held(ask) == {UNIT_INPUT_AUDIO_MS: 5 * 2_000}


def test_an_unknown_format_of_samples(refusal: Refusal) -> None:
    """Only formats whose length is known are taken."""
    refused = refusal(
        "elevenlabs",
        "transcription",
        {"model_id": "scribe_v2", "file_format": "pcm_s8_8"},
        files=(FilePart("file", 9),),
    )
    assert refused.failure.param == "file_format"
