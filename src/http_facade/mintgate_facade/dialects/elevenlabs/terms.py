"""How ElevenLabs' operations are bounded and metered, in words; see `Terms`."""

from __future__ import annotations

from collections.abc import Mapping

from mintgate_facade.dialects.terms import Terms

_SPOKEN = Terms(
    "the characters of the text, twice", "the credits in `character-cost`, else the characters"
)
_RECORDING = Terms(
    "the decoded length of the recording and a second more", "the decoded length of the recording"
)

TERMS: Mapping[str, Terms] = {
    "speech": _SPOKEN,
    "speech_timed": _SPOKEN,
    "dialogue": _SPOKEN._replace(bounded_by="the characters of all turns, twice"),
    "dialogue_timed": _SPOKEN._replace(bounded_by="the characters of all turns, twice"),
    "voice_design": _SPOKEN._replace(
        bounded_by="the characters of the text, twice; 1,000 where the provider writes it itself"
    ),
    "transcription": Terms(
        "the decoded length of the recording and a second more, times its channels up to five "
        "where they are written apart, with the surcharges of what is asked for",
        "the length that the transcript states, else the decoded length, with the same surcharges",
    ),
    "conversion": _RECORDING,
    "isolation": _RECORDING,
    "alignment": _RECORDING,
    "effect": Terms("one effect", "one effect"),
    "music": Terms(
        "`music_length_ms` or the sections' lengths, else ten minutes",
        "the stated length, else that of the MP3 frames that pass",
    ),
    "music_events": Terms(
        "`music_length_ms` or the sections' lengths, one of which is required",
        "the stated length",
    ),
}
