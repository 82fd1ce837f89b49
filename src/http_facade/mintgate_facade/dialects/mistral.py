"""Mistral's own routes: documents by the page, speech by the character, recordings by time.

Sources: mistralai/client/models/ocrrequest.py, ocrusageinfo.py, speechrequest.py,
audiotranscriptionrequest.py, transcriptionresponse.py.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_INPUT_CHARACTERS, UNIT_INPUT_PAGES

from mintgate_facade.dialects.base import Ask, Meter, ObjectName, Reading, RequestView
from mintgate_facade.dialects.checks import (
    Fields,
    flag,
    forbid,
    mapping,
    model_name,
    refused,
    text,
)
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.media import (
    MS_PER_S,
    ROUNDING_MS,
    bound_of,
    the_audio,
    whole_ms,
)
from mintgate_facade.dialects.openai import Operation
from mintgate_facade.dialects.pieces import ask_for, counted_meter, read_pieces, spoken_text
from mintgate_facade.dialects.split import Units, count, fields
from mintgate_facade.dialects.streams import EVENT_STREAM, Fate, SseMeter
from mintgate_facade.dialects.terms import Terms

PAGES_MAX = 1_000
"""Longer documents are refused by Mistral."""
SPEECH_CHARACTERS_MAX = 100_000
"""No limit is documented; a text of this length is hours of speech."""
ANNOTATED = "pages=annotated"
_ANNOTATIONS = ("bbox_annotation_format", "document_annotation_format")
_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")
_ADDRESS = "Send a public address, the content as a data: URL, or the id of a file of yours."
_STORED = "The length of a stored recording is not known, so it cannot be held. Upload it."
_PUBLIC = ("https://", "http://", "data:")
_BILLS_TEXT_TOO = re.compile(r"voxtral-small(?!-transcribe)")
_BY_REFERENCE = {
    "file_id": _STORED,
    "file_url": "A recording at an address has no length that could be held. Upload it.",
    "speaker_references": "Samples of speakers are not measured. Leave them out.",
}
_FORBIDDEN = {"conversation_history": "What earlier turns cost is not published. Leave them out."}


def read_document(request: RequestView) -> Ask:
    """Bound the reading of a document by its pages."""
    document = request.document
    annotated = any(document.get(name) is not None for name in _ANNOTATIONS)
    ask = ask_for(
        request,
        model_name(document),
        UNIT_INPUT_PAGES,
        _pages_max(document),
        variants=[ANNOTATED] if annotated else [],
    )
    stored = _stored_file(document)
    return ask if stored is None else replace(ask, uses=(ObjectName("file", stored),))


def document_meter(ask: Ask, content_type: str) -> Meter:  # noqa: ARG001 - always JSON
    """Make the reader of what was found in a document."""

    def exact(document: Document) -> Reading | None:
        stated = fields(document.get("usage_info")).get("pages_processed")
        return None if stated is None else read_pieces(ask, {UNIT_INPUT_PAGES: count(stated)})

    # The pages were read before the first byte, and nothing else says how many.
    return JsonMeter(exact, lambda _document, _size_bytes: Reading(basis=SETTLED_BY_HOLD))


def read_speech(request: RequestView) -> Ask:
    """Bound speech by the characters of its text, each of which is billed."""
    document = request.document
    forbid(document, _FORBIDDEN)
    spoken = spoken_text(request, "input", SPEECH_CHARACTERS_MAX)
    return ask_for(
        request,
        model_name(document),
        UNIT_INPUT_CHARACTERS,
        len(spoken),
        stream=flag(document, "stream"),
    )


def read_recording(request: RequestView) -> Ask:
    """Bound a recording that is written down by its own length, decoded from the upload."""
    document = request.document
    model = model_name(document)
    if _BILLS_TEXT_TOO.search(model):
        raise refused(
            f"'{model}' bills its text besides the time. Use a transcribe model.", "model"
        )
    forbid(document, _BY_REFERENCE)
    file = the_audio(request, "file")
    most = whole_seconds_ms(file.duration_max_ms) + ROUNDING_MS
    return Ask(
        model=model,
        bound=bound_of({UNIT_INPUT_AUDIO_MS: most}),
        body=b"",
        stream=document.get("stream") == "true",
        counted_ms=file.duration_ms,
    )


def recording_meter(ask: Ask, content_type: str) -> Meter:
    """Make the reader of a transcript, whole or streamed."""
    if content_type.startswith(EVENT_STREAM):
        return TranscriptStreamMeter(ask)

    def exact(document: Document) -> Reading | None:
        units = _heard(document)
        return None if units is None else read_pieces(ask, units)

    def counted(_document: Document | None, _size_bytes: int) -> Reading:
        return read_pieces(ask, {UNIT_INPUT_AUDIO_MS: ask.counted_ms}, SETTLED_BY_COUNTED)

    return JsonMeter(exact, counted)


class TranscriptStreamMeter(SseMeter):
    """Deltas, then one `transcription.done` with usage."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask)
        self._usage: Units | None = None

    @property
    def final(self) -> bool:
        """The last event was seen with its usage."""
        return self._usage is not None

    def _see(self, event: dict[str, Any]) -> Fate:
        if event.get("type") != "transcription.done":
            return Fate.PASS
        self._complete = True
        self._model = str(event.get("model") or "")
        self._usage = _heard(event)
        return Fate.KEEP

    def _exact(self) -> tuple[Units, int] | None:
        return None if self._usage is None else (self._usage, 0)

    def _counted_units(self) -> Units:
        """It was heard in full before the first word."""
        return {UNIT_INPUT_AUDIO_MS: self._ask.counted_ms}


OPERATIONS = {
    "ocr": Operation(
        read_document,
        document_meter,
        Terms(
            "the number of `pages`, one for a picture, else 1,000; dearer with annotations",
            "`pages_processed`; the whole hold when it states none",
        ),
    ),
    "speech": Operation(
        read_speech,
        lambda ask, _: counted_meter(ask),
        Terms("the characters of the text", "the same characters"),
    ),
    "transcription": Operation(
        read_recording,
        recording_meter,
        Terms(
            "the length of the recording, decoded here before it is forwarded",
            "the answer's `prompt_audio_seconds`",
        ),
    ),
}


def whole_seconds_ms(duration_ms: int) -> int:
    """A length in whole seconds, rounded up, as Mistral states it."""
    return -(-duration_ms // MS_PER_S) * MS_PER_S


def _heard(document: Document) -> Units | None:
    seconds = fields(document.get("usage")).get("prompt_audio_seconds")
    length_ms = whole_ms(seconds)
    return None if length_ms is None else {UNIT_INPUT_AUDIO_MS: length_ms}


def _pages_max(document: Fields) -> int:
    source = mapping(document, "document") or {}
    picture = source.get("image_url")
    address = picture if picture is not None else source.get("document_url")
    if isinstance(address, dict):
        address = address.get("url")
    if _stored_file(document) is not None:
        if address is not None:
            raise refused("Name either a file or an address.", "document")
    elif not isinstance(address, str) or not address.startswith(_PUBLIC):
        raise refused(_ADDRESS, "document", "unsupported_parameter")
    asked = _pages_asked(document.get("pages"))
    most = 1 if picture is not None else PAGES_MAX
    return most if asked is None else min(asked, PAGES_MAX)


def _stored_file(document: Fields) -> str | None:
    """The file of the key's that is read, if the document is one."""
    source = mapping(document, "document") or {}
    file_id = text(source, "file_id", where="document")
    if not file_id and text(source, "type", where="document") == "file":
        raise refused("'document.file_id' must be the id of a file.", "document.file_id")
    return file_id or None


def _pages_asked(pages: object) -> int | None:
    """Count the pages that the request names: a list, or a text like "0,2-4"; None for all."""
    if pages is None:
        return None
    if isinstance(pages, list):
        return len(pages)
    total = 0
    for part in str(pages).split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None:
            raise refused("'pages' must be a list of numbers, or text like '0,2-4'.", "pages")
        first, last = int(found[1]), int(found[2] or found[1])
        total += max(0, last - first) + 1
    return total
