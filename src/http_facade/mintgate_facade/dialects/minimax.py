"""MiniMax's speech, `POST /v1/t2a_v2`: by the characters that it counts itself.

A Chinese character counts as two there. UTF-8 has three bytes for one, so that the
bytes of the text bound its characters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED
from mintgate.v1.unit_pb2 import UNIT_INPUT_CHARACTERS

from mintgate_facade.dialects.base import Ask, Meter, Reading, RequestView
from mintgate_facade.dialects.base_resp import refused_status
from mintgate_facade.dialects.checks import flag, forbid, model_name
from mintgate_facade.dialects.counted import utf8_bytes
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.openai import Operation
from mintgate_facade.dialects.pieces import ask_for, most_of, read_pieces, spoken_text
from mintgate_facade.dialects.split import Units, count, fields
from mintgate_facade.dialects.streams import EVENT_STREAM, Fate, SseMeter
from mintgate_facade.dialects.terms import Terms

CHARACTERS_MAX = 10_000
TASK_CHARACTERS_MAX = 50_000
"""Of a text that is spoken later; longer ones would have to be stored files."""
SPEECH = "speech"
"""Tasks and the files that they make, as objects of the key."""
KEPT_MS = 30 * 24 * 3_600_000
"""How long their owner is known; MiniMax does not say how long it keeps them."""
_STORED = "The length of a stored text is not known. Send it in 'text'."
_LAST = 2
"""`data.status` of the event that ends a stream; those before it have 1."""


def read_speech(request: RequestView) -> Ask:
    """Bound speech by the bytes of its text."""
    document = request.document
    spoken = spoken_text(request, "text", CHARACTERS_MAX)
    return ask_for(
        request,
        model_name(document),
        UNIT_INPUT_CHARACTERS,
        utf8_bytes(spoken),
        stream=flag(document, "stream"),
    )


def speech_meter(ask: Ask, content_type: str) -> Meter:
    """Make the reader of speech, whole or streamed."""
    if content_type.startswith(EVENT_STREAM):
        return SpeechStreamMeter(ask)

    def exact(document: Document) -> Reading | None:
        units = _stated(document)
        return None if units is None else read_pieces(ask, units)

    return JsonMeter(exact, lambda _document, _size_bytes: _unstated(ask), refused_status)


class SpeechStreamMeter(SseMeter):
    """Events with hexadecimal audio; the last one states the characters."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask)
        self._usage: Units | None = None
        self._spoke = False

    @property
    def final(self) -> bool:
        """The last event was seen with its count."""
        return self._usage is not None

    def _see(self, event: dict[str, Any]) -> Fate:
        if status := refused_status(event):
            self._failed = True
            if self._spoke:
                return Fate.PASS
            self._refused = status
            self._complete = True
            return Fate.KEEP
        part = fields(event.get("data"))
        self._spoke = self._spoke or bool(part.get("audio"))
        if part.get("status") != _LAST:
            return Fate.PASS
        self._complete = True
        self._usage = _stated(event)
        return Fate.KEEP

    def _exact(self) -> tuple[Units, int] | None:
        return None if self._usage is None else (self._usage, 0)

    def _counted_units(self) -> Units:
        """The whole text is billed once a part of it was spoken."""
        return most_of(self._ask) if self._spoke else {}


def read_task(request: RequestView) -> Ask:
    """Bound a text that is spoken later: its characters are known, and billed, at once."""
    document = request.document
    forbid(document, {"text_file_id": _STORED})
    spoken = spoken_text(request, "text", TASK_CHARACTERS_MAX)
    ask = ask_for(request, model_name(document), UNIT_INPUT_CHARACTERS, utf8_bytes(spoken))
    return replace(ask, creates=SPEECH, made=_ids, creates_for_ms=KEPT_MS)


def task_meter(ask: Ask, content_type: str) -> Meter:  # noqa: ARG001 - always JSON
    """Make the reader of the answer that names a task, its file, and its characters."""

    def exact(document: Document) -> Reading | None:
        stated = document.get("usage_characters")
        if stated is None:
            return None
        reading = read_pieces(ask, {UNIT_INPUT_CHARACTERS: count(stated)})
        return replace(reading, made=_ids(document))

    def counted(document: Document | None, _size_bytes: int) -> Reading:
        made = () if document is None else _ids(document)
        return replace(_unstated(ask), made=made)

    return JsonMeter(exact, counted, refused_status)


OPERATIONS = {
    "speech_task": Operation(
        read_task,
        task_meter,
        Terms(
            "the bytes of the text",
            "`usage_characters` of the answer that names the task; else the whole bound",
        ),
    ),
    "speech": Operation(
        read_speech,
        speech_meter,
        Terms("the bytes of the text", "`usage_characters`; the whole bound when it states none"),
    ),
}


def _ids(document: Document) -> tuple[str, ...]:
    """The names of a task and of its file: whole numbers, which a file's and a task's differ in."""
    named = (document.get(field) for field in ("task_id", "file_id"))
    return tuple(str(each) for each in named if each and isinstance(each, int | str))


def _stated(document: Document) -> Units | None:
    stated = fields(document.get("extra_info")).get("usage_characters")
    return None if stated is None else {UNIT_INPUT_CHARACTERS: count(stated)}


def _unstated(ask: Ask) -> Reading:
    return read_pieces(ask, most_of(ask), SETTLED_BY_COUNTED)
