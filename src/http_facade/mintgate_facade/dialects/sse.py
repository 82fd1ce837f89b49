"""Splits a server-sent event stream into events, keeping each event's raw bytes.

Follows the HTML standard, section "Interpreting an event stream": lines end in
LF, CRLF or CR; a blank line ends an event; a field's one leading space is cut;
lines that start with a colon are comments.
"""

from __future__ import annotations

import re

from mintgate_facade.dialects.base import BrokenAnswer

EVENT_BYTES_MAX = 32 * 1024 * 1024
"""Largest event kept in memory; a generated image in one event stays under it."""

SseEvent = tuple[bytes, str, bytes]
"""The event's exact bytes, its `event:` name, and its data lines joined by LF."""

# A blank line. After a bare CR the end is taken at once, so that a stream with
# CR line ends does not wait for its next event; elsewhere a CR waits for the LF
# that may belong to it. Every alternative decides on bytes that are there, so
# the split never depends on how the stream was cut into chunks.
_BLANK_LINE = re.compile(rb"\n\n|\r\n\r\n|\r\r|\r\n\n|\n\r\n|\r\n\r(?=[^\n])|\n\r(?=[^\n])")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_LOOK_BACK = 3
_BOM = b"\xef\xbb\xbf"


class SseSplitter:
    """Feed it bytes in any pieces; it returns the events that are complete."""

    __slots__ = ("_has_cr", "_rest", "_scanned", "_started")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._scanned = 0
        self._has_cr = False
        self._started = False

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Take the next bytes. Raises `BrokenAnswer` past `EVENT_BYTES_MAX` in one event."""
        if not self._has_cr and b"\r" in chunk:
            self._has_cr = True
        events: list[SseEvent] = []
        if self._rest:
            self._rest += chunk
            end = self._next_end(self._rest, self._scanned)
            if end < 0:
                self._keep_scanned()
                return events
            events.append(self._event(bytes(self._rest[:end])))
            chunk = bytes(self._rest[end:])
            self._rest = bytearray()
        start = 0
        while (end := self._next_end(chunk, start)) >= 0:
            events.append(self._event(chunk[start:end]))
            start = end
        if start < len(chunk):
            self._rest = bytearray(chunk[start:])
            self._keep_scanned()
        return events

    def flush(self) -> SseEvent | None:
        """The stream has ended: return what stood there without a blank line after it."""
        if not self._rest:
            return None
        raw = bytes(self._rest)
        self._rest = bytearray()
        return self._event(raw)

    def _next_end(self, data: bytes | bytearray, start: int) -> int:
        if not self._has_cr:
            at = data.find(b"\n\n", start)
            return at + 2 if at >= 0 else -1
        match = _BLANK_LINE.search(data, start)
        return match.end() if match else -1

    def _keep_scanned(self) -> None:
        """Remember how far the open event was searched: it may come in thousands of pieces."""
        self._scanned = max(0, len(self._rest) - _LOOK_BACK)
        if len(self._rest) > EVENT_BYTES_MAX:
            raise BrokenAnswer(f"an event is longer than {EVENT_BYTES_MAX} bytes")

    def _event(self, raw: bytes) -> SseEvent:
        text = raw
        if not self._started:
            self._started = True
            text = raw.removeprefix(_BOM)
        return raw, *(_fields(text) if self._has_cr else _usual_fields(text))


def _usual_fields(text: bytes) -> tuple[str, bytes]:
    """Read the two shapes nearly every event has; leave all others to `_fields`."""
    last = len(text) - 2
    first = text.find(b"\n")
    if first == last and text.startswith(b"data: "):
        return "", text[6:last]
    if (
        text.startswith(b"event: ")
        and text.startswith(b"data: ", first + 1)
        and text.find(b"\n", first + 1) == last
    ):
        return text[7:first].decode("utf-8", "replace"), text[first + 7 : last]
    return _fields(text)


def _fields(text: bytes) -> tuple[str, bytes]:
    name = ""
    data: list[bytes] = []
    for line in _LINE_END.split(text):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return name, b"\n".join(data)
