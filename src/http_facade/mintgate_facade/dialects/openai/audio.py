"""Reads `/audio/speech`, `/audio/transcriptions` and `/audio/translations`.

Sources: openai/types/audio/speech_create_params.py, transcription_create_params.py,
translation_create_params.py.
"""

from __future__ import annotations

from mintgate.v1.ledger_pb2 import Bound
from mintgate.v1.unit_pb2 import (
    UNIT_INPUT_AUDIO_MS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_CHARACTERS,
    UnitCount,
)

from mintgate_facade.dialects.base import Ask, FilePart, RequestView
from mintgate_facade.dialects.checks import choice, forbid, model_name, refused, text
from mintgate_facade.dialects.counted import tokens_in
from mintgate_facade.dialects.media import charge_of
from mintgate_facade.dialects.overheads import input_bound

SPEECH_CHARACTERS_MAX = 4_096
SPEECH_TOKENS_PER_CHARACTER = 6
"""Speech is a token for each 50 ms; six are 300 ms for a character. Slow speech has half of
that (instructions may ask for pauses). More is charged as an overrun."""
SPEECH_TOKENS_MIN = 400
"""However short the text: 20 seconds."""
MS_PER_INPUT_TOKEN = 100
WRITTEN_TOKENS_PER_S = 25
"""What a second of speech is written as, at most. Fast speech has 6 tokens in English and
about 15 in scripts of three bytes a character."""
WRITTEN_TOKENS_MIN = 128
MS_PER_S = 1_000

_BY_CHARACTER = ("tts-1",)
_BY_TIME = ("whisper-", "gpt-transcribe")
_COUNTED_FORMATS = frozenset({"mp3", "wav", "pcm"})
_VOICE_OBJECT = "Custom voices are stored objects, which all users of this gateway would share."
_REFERENCES = {
    "known_speaker_references[]": "Samples of speakers are not measured. Leave them out.",
    "known_speaker_references": "Samples of speakers are not measured. Leave them out.",
}


def is_by_character(model: str) -> bool:
    """Whether a speech model is billed by the characters of its text, not by tokens."""
    return model.startswith(_BY_CHARACTER)


def is_by_time(model: str) -> bool:
    """Whether a transcription model is billed by the length of its audio, not by tokens."""
    return model.startswith(_BY_TIME)


def read_speech(request: RequestView) -> Ask:
    """Bound speech that is made from text."""
    document = request.document
    model = model_name(document)
    spoken = text(document, "input")
    if not spoken:
        raise refused("'input' must be a non-empty string.", "input")
    if len(spoken) > SPEECH_CHARACTERS_MAX:
        raise refused(
            f"'input' has {len(spoken)} characters; at most {SPEECH_CHARACTERS_MAX} are allowed.",
            "input",
        )
    if not isinstance(document.get("voice"), str):
        raise refused(f"'voice' must be the name of a voice. {_VOICE_OBJECT}", "voice")
    if is_by_character(model):
        fee = UnitCount(unit=UNIT_INPUT_CHARACTERS, count=len(spoken))
        # No token is billed: an input of none and an output of none say so.
        bound = Bound(output_tokens=0, fees=[fee])
        counted = charge_of(model, {UNIT_INPUT_CHARACTERS: len(spoken)})
        return Ask(model=model, bound=bound, body=request.body, counted=counted)
    streamed = text(document, "stream_format") == "sse"
    if not streamed:
        choice(document, "response_format", _COUNTED_FORMATS)
    tokens = input_bound(len(request.body), tools=False, hosted=False)
    output = SPEECH_TOKENS_MIN + SPEECH_TOKENS_PER_CHARACTER * len(spoken)
    return Ask(
        model=model,
        bound=Bound(input_tokens=tokens, output_tokens=output),
        body=request.body,
        stream=streamed,
        delivered_input_tokens=tokens_in(len(spoken)),
    )


def read_transcription(request: RequestView) -> Ask:
    """Bound an upload that is written down, or translated."""
    document = request.document
    model = model_name(document)
    forbid(document, _REFERENCES)
    file = _the_file(request)
    if is_by_time(model):
        # Whole seconds, as the answer states them, and one more for what rounding makes of it.
        seconds = -(-file.duration_max_ms // MS_PER_S) + 1
        fee = UnitCount(unit=UNIT_INPUT_AUDIO_MS, count=seconds * MS_PER_S)
        bound = Bound(output_tokens=0, fees=[fee])
        counted = charge_of(model, {UNIT_INPUT_AUDIO_MS: file.duration_ms})
        return Ask(model=model, bound=bound, body=b"", counted_ms=file.duration_ms, counted=counted)
    heard = -(-file.duration_max_ms // MS_PER_INPUT_TOKEN)
    delivered = -(-file.duration_ms // MS_PER_INPUT_TOKEN)
    asked = sum(len(str(value).encode()) for value in document.values())
    written = WRITTEN_TOKENS_MIN + -(-file.duration_max_ms * WRITTEN_TOKENS_PER_S // MS_PER_S)
    return Ask(
        model=model,
        bound=Bound(
            input_tokens=input_bound(heard + asked, tools=False, hosted=False),
            input_units=[UNIT_INPUT_AUDIO_TOKENS],
            output_tokens=written,
        ),
        body=b"",
        stream=document.get("stream") == "true",
        delivered_input_tokens=delivered,
        counted_ms=file.duration_ms,
        counted=charge_of(model, {UNIT_INPUT_AUDIO_TOKENS: delivered}),
    )


def _the_file(request: RequestView) -> FilePart:
    if len(request.files) != 1 or request.files[0].name != "file":
        raise refused("The form must have one file, in the field 'file'.", "file")
    file = request.files[0]
    if file.unreadable:
        raise refused(f"'file' {file.unreadable}.", "file", "invalid_audio")
    return file
