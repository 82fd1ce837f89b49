"""What the meters of streamed answers share: which bytes pass, and when."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import Any

import orjson
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS

from mintgate_facade.dialects.base import Ask, BrokenAnswer, Reading
from mintgate_facade.dialects.counted import tokens_in, within_limit
from mintgate_facade.dialects.split import Units
from mintgate_facade.dialects.sse import EVENT_BYTES_MAX, SseEvent, SseSplitter

EVENT_STREAM = "text/event-stream"


class Fate(enum.Enum):
    """What becomes of an event's bytes."""

    PASS = enum.auto()
    KEEP = enum.auto()
    """It may be the end of the answer: held back."""
    DROP = enum.auto()
    """The client did not ask for it."""
    FOLLOW = enum.auto()
    """No content (a comment, a blank line): it goes the way of what stands before it."""


class StreamMeter(ABC):
    """Holds back the end of a stream and lets everything before it pass.

    A dialect says in `_see` what each event is. Once an event was kept, what
    follows it is kept too: nothing may overtake the end.
    """

    ends_once = True
    """False where a kept event may turn out not to be the last; a later event then
    releases it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._fed = False
        self._complete = False
        self._failed = False
        self._refused = 0
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._text_bytes = 0
        self._opaque_bytes = 0
        self._model = ""
        self._provider_request_id = ""
        self._variants: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """The provider's own end of the stream was seen."""
        return self._complete

    @property
    def failed(self) -> bool:
        """The provider itself said, in the stream, that its answer has failed."""
        return self._failed

    @property
    def refused(self) -> int:
        """The stream is a refusal: the status that it stands for."""
        return self._refused

    @property
    @abstractmethod
    def final(self) -> bool:
        """The exact usage is known and cannot change."""

    @abstractmethod
    def feed(self, chunk: bytes) -> bytes:
        """Take bytes from the provider; return those that may go on now."""

    @abstractmethod
    def close(self) -> bytes:
        """The body has ended cleanly: return what was kept back."""

    @abstractmethod
    def _see(self, event: dict[str, Any]) -> Fate:
        """Read one event and say what becomes of it."""

    def _judge(self, event: dict[str, Any]) -> Fate:
        """Say what becomes of an event; one of another shape than the dialect's breaks off."""
        try:
            return self._see(event)
        except (AttributeError, KeyError, TypeError):
            raise BrokenAnswer("an event is not of the provider's shape") from None

    @abstractmethod
    def _exact(self) -> tuple[Units, int] | None:
        """The provider's final units and its reasoning tokens, or none yet."""

    def _counted_units(self) -> Units:
        """Units counted so far, for a stream without its final usage."""
        output = tokens_in(self._text_bytes) + tokens_in(self._opaque_bytes)
        return {
            UNIT_INPUT_TOKENS: self._ask.delivered_input_tokens,
            UNIT_OUTPUT_TOKENS: within_limit(self._ask, output),
        }

    def reading(self) -> Reading:
        """The provider's usage, or counted from what passed."""
        if not self._fed:
            return Reading()
        exact = self._exact()
        units, reasoning = exact or (self._counted_units(), 0)
        return Reading(
            units={unit: number for unit, number in units.items() if number},
            basis=SETTLED_BY_USAGE if exact else SETTLED_BY_COUNTED,
            variants=self._variants,
            model=self._model,
            provider_request_id=self._provider_request_id,
            reasoning_tokens=reasoning,
        )

    def _sort(self, raw: bytes, fate: Fate, passed: list[bytes]) -> None:
        """Put an event's bytes where its fate says."""
        if fate is Fate.DROP:
            return
        if self._kept and fate is not Fate.FOLLOW and not self.ends_once:
            self._release(passed)
        if fate is Fate.KEEP or self._kept:
            self._kept.append(raw)
            self._kept_bytes += len(raw)
            if self._kept_bytes > EVENT_BYTES_MAX:
                raise BrokenAnswer(f"the answer's end is longer than {EVENT_BYTES_MAX} bytes")
        else:
            passed.append(raw)

    def _release(self, passed: list[bytes]) -> None:
        passed.extend(self._kept)
        self._kept.clear()
        self._kept_bytes = 0

    def _parse(self, data: bytes) -> dict[str, Any] | None:
        """Parse an event; one that is no JSON object passes, and counts by its size."""
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            event = None
        if isinstance(event, dict):
            if event.get("error") or "error" in (event.get("type"), event.get("object")):
                self._failed = True
            return event
        self._opaque_bytes += len(data)
        return None


class SseMeter(StreamMeter):
    """A `StreamMeter` over server-sent events."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask)
        self._events = SseSplitter()

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes from the provider; return the whole events that may go on now."""
        if chunk:
            self._fed = True
        passed: list[bytes] = []
        for event in self._events.feed(chunk):
            fate = self._fate(event)
            if fate is Fate.PASS and not self._kept:
                passed.append(event[0])
            else:
                self._sort(event[0], fate, passed)
        return b"".join(passed)

    def close(self) -> bytes:
        """The body has ended cleanly: return what was kept back."""
        last = self._events.flush()
        passed: list[bytes] = []
        if last is not None and self._is_readable(last):
            self._sort(last[0], self._fate(last), passed)
        self._release(passed)
        return b"".join(passed)

    def _fate(self, event: SseEvent) -> Fate:
        _, _, data = event
        if not data:
            return Fate.FOLLOW
        if data.startswith(b"[DONE]"):
            self._complete = True
            return Fate.KEEP
        document = self._parse(data)
        return Fate.PASS if document is None else self._judge(document)

    @staticmethod
    def _is_readable(event: SseEvent) -> bool:
        """Whether an event without its blank line is whole; half of one is of no use."""
        data = event[2]
        if not data or data.startswith(b"[DONE]"):
            return True
        try:
            orjson.loads(data)
        except orjson.JSONDecodeError:
            return False
        return True
