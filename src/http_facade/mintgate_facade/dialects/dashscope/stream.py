"""Meters of DashScope's events, each of which states the usage of the answer so far.

The text of an event is either the next piece (`incremental_output`) or everything so
far, so that it is never simply added up; the stated usage replaces that of the event
before. An event with a `code` is a failure.
"""

from __future__ import annotations

from typing import Any

from mintgate_facade.dialects.base import Ask
from mintgate_facade.dialects.counted import utf8_bytes
from mintgate_facade.dialects.dashscope.answer import has_thought, read_pieces_used
from mintgate_facade.dialects.dashscope.failed import failed_status
from mintgate_facade.dialects.dashscope.thinking import OFF
from mintgate_facade.dialects.dashscope.usage import read_usage
from mintgate_facade.dialects.pieces import most_of
from mintgate_facade.dialects.split import Units, fields
from mintgate_facade.dialects.sse import SseEvent
from mintgate_facade.dialects.streams import Fate, SseMeter

_UNFINISHED = (None, "", "null")
_FAILED_THERE = 500
_NO_TEXT = frozenset({"role", "finish_reason"})


class EventMeter(SseMeter):
    """What all streams have in common: failures, ends, and usage that is replaced."""

    # Nothing marks the last event: another one may follow the reason of the end.
    ends_once = False

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask)
        self._model = ask.model
        self._usage: tuple[Units, int] | None = None
        self._open: set[int] = set()
        self._ended = False
        self._closed = False
        self._began = False
        self._names_error = False

    @property
    def final(self) -> bool:
        """The body has ended after a finished answer that stated its usage."""
        return self._closed and self._complete and self._usage is not None

    def close(self) -> bytes:
        """The body has ended cleanly: return what was kept back."""
        tail = super().close()
        self._closed = True
        return tail

    def _fate(self, event: SseEvent) -> Fate:
        self._names_error = event[1] == "error"
        return super()._fate(event)

    def _see(self, event: dict[str, Any]) -> Fate:
        status = failed_status(event) or (_FAILED_THERE if self._names_error else 0)
        if status:
            return self._see_failure(status)
        self._provider_request_id = str(event.get("request_id") or self._provider_request_id)
        usage = self._read(event.get("usage"))
        if usage is not None:
            self._usage = usage
        output = fields(event.get("output"))
        self._began = self._began or bool(output)
        if output:
            self._look_at(output)
            self._note_ends(output)
        self._complete = self._ended and not self._open
        return Fate.KEEP if self._complete else Fate.PASS

    def _see_failure(self, status: int) -> Fate:
        """Take a failure: a refusal before anything was made, and the end of it after."""
        self._failed = True
        if self._began:
            self._complete = False
            return Fate.PASS
        self._refused = status
        self._complete = True
        return Fate.KEEP

    def _note_ends(self, output: dict[str, Any]) -> None:
        choices = output.get("choices")
        listed = choices if isinstance(choices, list) else [output]
        for place, each in enumerate(map(fields, listed)):
            index = each.get("index", place)
            if each.get("finish_reason") in _UNFINISHED:
                self._open.add(index)
            else:
                self._open.discard(index)
                self._ended = True

    def _read(self, stated: Any) -> tuple[Units, int] | None:
        """Read the usage so far, and its reasoning tokens."""
        raise NotImplementedError

    def _look_at(self, output: dict[str, Any]) -> None:
        """Count what is in an event, for a stream that states no usage."""

    def _exact(self) -> tuple[Units, int] | None:
        return self._usage if self._closed and self._complete else None


class GenerationStreamMeter(EventMeter):
    """Text, with reasoning and calls."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask)
        self._variants = (OFF,)
        self._seen: dict[tuple[int, str], str] = {}

    def _read(self, stated: Any) -> tuple[Units, int] | None:
        usage = read_usage(stated)
        if usage is not None and usage[1]:
            self._variants = ()
        return usage

    def _look_at(self, output: dict[str, Any]) -> None:
        if has_thought(output):
            self._variants = ()
        choices = output.get("choices")
        listed = choices if isinstance(choices, list) else [{"message": output}]
        for place, choice in enumerate(map(fields, listed)):
            for name, value in fields(choice.get("message")).items():
                if name not in _NO_TEXT:
                    self._count_text((choice.get("index", place), name), _flat(value))

    def _count_text(self, key: tuple[int, str], text: str) -> None:
        before = self._seen.get(key, "")
        self._text_bytes += utf8_bytes(text.removeprefix(before))
        self._seen[key] = text

    def _counted_units(self) -> Units:
        """Take what the last event stated; it bills what was written up to there."""
        return super()._counted_units() if self._usage is None else dict(self._usage[0])


class PieceStreamMeter(EventMeter):
    """Speech or pictures, whose usage states how many in the field `name`."""

    def __init__(self, ask: Ask, name: str) -> None:
        super().__init__(ask)
        self._name = name

    def _read(self, stated: Any) -> tuple[Units, int] | None:
        units = read_pieces_used(self._ask, stated, self._name)
        return None if units is None else (units, 0)

    def _counted_units(self) -> Units:
        """Everything that was asked for is billed once a part of it was made."""
        if not self._began:
            return {}
        counted = self._ask.counted
        return most_of(self._ask) if counted is None else counted.units


def _flat(value: Any) -> str:
    """Put the texts of a message's parts, or the arguments of its calls, into one."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    parts = [fields(part) for part in value]
    texts = (part.get("text") or fields(part.get("function")).get("arguments") for part in parts)
    return "".join(text for text in texts if isinstance(text, str))
