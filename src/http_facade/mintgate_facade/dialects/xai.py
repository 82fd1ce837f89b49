"""xAI's own routes: pictures, speech, recordings and videos (docs.x.ai, REST API)."""

from __future__ import annotations

from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_BILLED_TICKS,
    UNIT_INPUT_AUDIO_MS,
    UNIT_INPUT_CHARACTERS,
    UNIT_OUTPUT_IMAGES,
)

from mintgate_facade.dialects.base import Ask, Meter, Reading, RequestView
from mintgate_facade.dialects.checks import choice, forbid, integer, model_name, refused, text
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.media import (
    MS_PER_S,
    ROUNDING_MS,
    bound_of,
    charge_of,
    is_true,
    media_meter,
    the_audio,
    whole_ms,
)
from mintgate_facade.dialects.openai import Operation
from mintgate_facade.dialects.pieces import (
    ask_for,
    counted_meter,
    most_of,
    read_pieces,
    spoken_text,
)
from mintgate_facade.dialects.split import Units, count, fields
from mintgate_facade.dialects.terms import Terms
from mintgate_facade.dialects.xai_video import OPERATION, VIDEO

IMAGES_MAX = 10
SPEECH_CHARACTERS_MAX = 15_000
SPEECH_MODEL = "tts"
"""The route names no model; its price is under the product's name."""
RECORDING_MODEL = "stt"
"""Where the form names none; all models cost the same."""
_RESOLUTIONS = frozenset({"1k"})
"""What larger pictures cost is not known for every model."""
_BY_ADDRESS = "What is at an address has no length that could be held beforehand. Upload a file."
_CHANNELS = "What several channels cost is not known to this gateway. Leave it out."
_FORBIDDEN = {
    "image": "Pictures to be changed are billed besides. Leave them out.",
    "images": "Pictures to be changed are billed besides. Leave them out.",
}


def read_picture(request: RequestView) -> Ask:
    """Bound pictures by their number."""
    document = request.document
    model = model_name(document)
    forbid(document, _FORBIDDEN)
    choice(document, "resolution", _RESOLUTIONS)
    text(document, "prompt")
    pictures = integer(document, "n", 1, IMAGES_MAX) or 1
    return ask_for(request, model, UNIT_OUTPUT_IMAGES, pictures)


def picture_meter(ask: Ask, content_type: str) -> Meter:  # noqa: ARG001 - always JSON
    """Make the reader of pictures, whose answer states what they cost."""

    def exact(document: Document) -> Reading | None:
        ticks = count(fields(document.get("usage")).get("cost_in_usd_ticks"))
        if not ticks:
            return None
        return read_pieces(ask, {UNIT_OUTPUT_IMAGES: _made(document), UNIT_BILLED_TICKS: ticks})

    def counted(document: Document | None, _size_bytes: int) -> Reading:
        made: Units = most_of(ask) if document is None else {UNIT_OUTPUT_IMAGES: _made(document)}
        return read_pieces(ask, made, SETTLED_BY_COUNTED)

    return JsonMeter(exact, counted)


def read_speech(request: RequestView) -> Ask:
    """Bound speech by the characters of its text, each of which is billed."""
    spoken = spoken_text(request, "text", SPEECH_CHARACTERS_MAX)
    return ask_for(request, SPEECH_MODEL, UNIT_INPUT_CHARACTERS, len(spoken))


def read_recording(request: RequestView) -> Ask:
    """Bound a recording that is written down by its own length, decoded from the upload."""
    document = request.document
    if document.get("url") is not None:
        raise refused(_BY_ADDRESS, "url", "unsupported_parameter")
    if is_true(document.get("multichannel", "")):
        raise refused(_CHANNELS, "multichannel", "unsupported_parameter")
    model = model_name(document) if document.get("model") is not None else RECORDING_MODEL
    file = the_audio(request, "file")
    whole_seconds_ms = -(-file.duration_max_ms // MS_PER_S) * MS_PER_S

    def exact(answer: Document) -> Reading | None:
        heard_ms = whole_ms(answer.get("duration"))
        if heard_ms is None:
            return None
        return charge_of(model, {UNIT_INPUT_AUDIO_MS: heard_ms}, basis=SETTLED_BY_USAGE)

    return Ask(
        model=model,
        bound=bound_of({UNIT_INPUT_AUDIO_MS: whole_seconds_ms + ROUNDING_MS}),
        body=b"",
        counted=charge_of(model, {UNIT_INPUT_AUDIO_MS: file.duration_ms}),
        in_document=exact,
    )


OPERATIONS = {
    "images": Operation(
        read_picture,
        picture_meter,
        Terms(
            "pictures: `n` at the model's price; one size", "the cost that it states, else by count"
        ),
    ),
    "speech": Operation(
        read_speech,
        lambda ask, _: counted_meter(ask),
        Terms("the characters of the text", "the same characters"),
    ),
    "recording": Operation(
        read_recording,
        lambda ask, _: media_meter(ask, one_document=True),
        Terms(
            "the length of the recording, decoded here before it is forwarded",
            "the `duration` that the answer states; the decoded length when it states none",
        ),
    ),
    OPERATION: VIDEO,
}


def _made(document: Document) -> int:
    pictures = document.get("data")
    return len(pictures) if isinstance(pictures, list) else 0
