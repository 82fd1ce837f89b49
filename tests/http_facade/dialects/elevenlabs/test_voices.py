"""Which voices are everybody's, and which objects a request names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from elevenlabs.types import Voice
from mintgate_facade.dialects.base import Ask, ObjectName, RefusedRequest
from mintgate_facade.dialects.elevenlabs.voices import (
    is_everybodys,
    previews_of_voice,
    recordings_of_voice,
)

Read = Callable[..., Ask]

LIBRARY = {"status": "enabled", "enabled_in_library": True}
COPY = {"status": "copied", "enabled_in_library": False}


@pytest.mark.parametrize(
    ("voice", "expected"),
    [
        ({"category": "premade"}, True),
        ({"category": "premade", "sharing": None}, True),
        ({"category": "professional", "sharing": LIBRARY}, True),
        ({"category": "professional", "sharing": COPY, "is_owner": False}, True),
        ({"category": "cloned"}, False),
        ({"category": "generated", "is_owner": False}, False),
        ({"category": "professional", "is_owner": False}, False),
        ({"category": "cloned", "sharing": {"status": "disabled"}}, False),
        ({"category": "cloned", "sharing": {"status": "enabled"}}, False),
        ({"category": "cloned", "sharing": LIBRARY | {"whitelisted_emails": ["a@b"]}}, False),
        ({"category": "cloned", "sharing": COPY, "is_owner": True}, False),
        ({}, False),
    ],
)
def test_everybodys(voice: Mapping[str, Any], expected: object) -> None:
    """Only the provider's own, and what is publicly in its library, is for everybody."""
    assert Voice.model_validate({"voice_id": "x"} | dict(voice)).voice_id == "x"
    assert is_everybodys(voice) is expected
    assert not is_everybodys({"category": "cloned", "sharing": "enabled"})


def test_names_of_speech(read: Read) -> None:
    """Speech names the voice of its path and its dictionaries, a dialogue each voice once."""
    locator = {"pronunciation_dictionary_id": "d", "version_id": "v"}
    document = {"text": "a", "pronunciation_dictionary_locators": [locator]}
    ask = read("elevenlabs", "speech", document, path_ids={"voice_id": "v"})
    assert ask.uses == (ObjectName("voice", "v"), ObjectName("pronunciation_dictionary", "d"))
    turns = [{"text": "a", "voice_id": voice} for voice in ("x", "y", "x")]
    ask = read("elevenlabs", "dialogue", {"inputs": turns})
    assert ask.uses == (ObjectName("voice", "x"), ObjectName("voice", "y"))


def test_names_of_a_designed_voice() -> None:
    """A voice names the preview that it is made of, and those that were played."""
    document = {"generated_voice_id": "a", "played_not_selected_voice_ids": ["b"]}
    named = previews_of_voice(document)
    assert named == (ObjectName("voice_preview", "a"), ObjectName("voice_preview", "b"))
    for bad in ({}, {"generated_voice_id": "a", "played_not_selected_voice_ids": [7]}):
        with pytest.raises(RefusedRequest):
            previews_of_voice(bad)


@pytest.mark.parametrize("said", ["true", "True", "1", "yes"])
def test_noise(said: str) -> None:
    """However it is said, noise is not removed from what a voice is made of."""
    with pytest.raises(RefusedRequest):
        recordings_of_voice({"remove_background_noise": said})
    assert recordings_of_voice({"remove_background_noise": "false"}) == ()
