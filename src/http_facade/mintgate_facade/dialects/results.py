"""Files of results, a JSON object a line, read as they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_facade.dialects.base import BrokenAnswer
from mintgate_facade.dialects.batches import LINE_BYTES_MAX
from mintgate_facade.dialects.jobs import object_of

if TYPE_CHECKING:
    from collections.abc import Callable


class ResultLines:
    """Hands on each object of such a file; blank lines are none."""

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `BrokenAnswer` for a line that is no object."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > LINE_BYTES_MAX:
            raise BrokenAnswer(f"a result of more than {LINE_BYTES_MAX} bytes")

    def end(self) -> None:
        """Take what is behind the last line's end. Raises as above."""
        rest, self._rest = self._rest, b""
        self._line(rest)

    def _line(self, line: bytes) -> None:
        if line.strip():
            self._take(object_of(line))
