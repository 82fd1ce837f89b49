"""Voices and other stored objects: which ones a request names, and which are everybody's.

Sources: elevenlabs-python 2.78, types/voice.py and voice_sharing_response.py, voices/ivc,
text_to_voice, pronunciation_dictionaries, speech_to_text/transcripts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mintgate_facade.dialects.base import ObjectName, RequestView
from mintgate_facade.dialects.checks import Fields, array, forbid, inside, objects, refused, text
from mintgate_facade.dialects.common import Common, Filter
from mintgate_facade.dialects.media import is_true
from mintgate_facade.dialects.split import fields

VOICE = "voice"
PREVIEW = "voice_preview"
DICTIONARY = "pronunciation_dictionary"
TRANSCRIPT = "transcript"
VOICES_MAX = 10
"""Of one key. All users share the places for voices of the operator's plan, which may have 30."""
DICTIONARIES_MAX = 100
"""Of one key."""

ALL_VOICES = Filter("voices", "voice_id")
FOUND_VOICES = Filter(
    "voices",
    "voice_id",
    cursor="next_page_token",
    next_cursor="next_page_token",
    page_size=10,
    total="total_count",
)
DICTIONARIES = Filter(
    "pronunciation_dictionaries", "id", cursor="cursor", next_cursor="next_cursor", page_size=30
)

_NOISE = (
    "What the removal of noise costs here is not published. Clean the recording with POST "
    "/v1/audio-isolation before."
)
_PLAYED = "played_not_selected_voice_ids"
_LOCATORS = "pronunciation_dictionary_locators"


def is_everybodys(voice: Mapping[str, Any]) -> bool:
    """Whether a voice is the provider's own, or one of its public library.

    A clone or a design of anybody in the operator's account is neither. A copy of the library
    was put into the account by the operator; one that was shared with some people by name is
    left out.
    """
    if voice.get("category") == "premade":
        return True
    sharing = fields(voice.get("sharing"))
    if sharing.get("whitelisted_emails"):
        return False
    if sharing.get("status") == "copied":
        return voice.get("is_owner") is not True
    return sharing.get("status") == "enabled" and sharing.get("enabled_in_library") is True


COMMON = {VOICE: Common("/v1/voices/{id}", "voice_id", is_everybodys)}


def voice_of_path(request: RequestView) -> tuple[ObjectName, ...]:
    """The voice that the path names, if it does."""
    voice = request.path_ids.get("voice_id")
    return () if voice is None else (ObjectName(VOICE, voice),)


def voice_of_turn(turn: Fields, where: str) -> ObjectName:
    """The voice of one turn of a dialogue."""
    voice = text(turn, "voice_id", where=where)
    if not voice:
        param = inside(where, "voice_id")
        raise refused(f"'{param}' must be the id of a voice.", param)
    return ObjectName(VOICE, voice)


def dictionaries_of(document: Fields) -> tuple[ObjectName, ...]:
    """The pronunciation dictionaries that a text is spoken by."""
    named = []
    for index, locator in enumerate(objects(document, _LOCATORS)):
        where = f"{_LOCATORS}[{index}]"
        dictionary = text(locator, "pronunciation_dictionary_id", where=where)
        if not dictionary:
            param = inside(where, "pronunciation_dictionary_id")
            raise refused(f"'{param}' must be the id of a dictionary.", param)
        named.append(ObjectName(DICTIONARY, dictionary))
    return tuple(named)


def recordings_of_voice(document: Fields) -> tuple[ObjectName, ...]:
    """Hold that a voice that is made or changed from recordings costs nothing."""
    if is_true(document.get("remove_background_noise", "")):
        raise refused(_NOISE, "remove_background_noise", "unsupported_parameter")
    return ()


def previews_of_voice(document: Fields) -> tuple[ObjectName, ...]:
    """The previews that a designed voice is made of, and those that were not chosen."""
    forbid(document, {"voice_id": "The new voice gets an id of the provider's. Leave it out."})
    chosen = text(document, "generated_voice_id")
    if not chosen:
        raise refused("'generated_voice_id' must be the id of a preview.", "generated_voice_id")
    named = [chosen]
    for index, played in enumerate(array(document, _PLAYED) or ()):
        if not isinstance(played, str):
            raise refused(f"'{_PLAYED}[{index}]' must be a string.", f"{_PLAYED}[{index}]")
        named.append(played)
    return tuple(ObjectName(PREVIEW, each) for each in named)


def previews_in(document: dict[str, Any]) -> Sequence[str]:
    """Ids of the previews of a design."""
    previews = document.get("previews")
    ids = (fields(each).get("generated_voice_id") for each in previews or ())
    return [each for each in ids if isinstance(each, str)]


def transcript_in(document: dict[str, Any]) -> Sequence[str]:
    """The id under which a transcript is kept."""
    named = document.get("transcription_id")
    return [named] if isinstance(named, str) else []
