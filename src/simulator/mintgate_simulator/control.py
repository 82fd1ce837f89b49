"""The ``x-simulate`` request header: what the next answer shall look like.

``x-simulate: output=200; cached=50; break=reset; break_after=3; gzip``. Names are case-insensitive;
an unknown name, a bad value or a missing one is refused, so that a test with a typing error in its
header fails instead of passing by accident. The same header always gives the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from .refusal import Refusal

HEADER = b"x-simulate"

OUTPUT_TOKENS_MAX = 1_000_000
"""Tokens of text one answer may produce: 4 MB, beyond any model's output limit."""
CLAIMED_TOKENS_MAX = 1_000_000_000
"""Tokens an answer may claim in its usage without producing them."""
CLAIMED_TICKS_MAX = 10**12
"""A hundred dollars."""
DELAY_MS_MAX = 600_000
"""Ten minutes: the longest an SDK waits by default."""
CHUNKS_MAX = 100_000
POLLS_MAX = 1_000
SEARCHES_MAX = 1_000
SPLIT_BYTES_MAX = 1_048_576
PARSED_HEADERS_MAX = 1_024
"""Distinct header texts whose parsed form is kept."""


class Fault(Enum):
    """How an answer breaks off."""

    RESET = "reset"
    """The connection is aborted, without the chunk terminator."""
    EOF = "eof"
    """The body ends cleanly, without the stream's terminal event."""
    ERROR = "error"
    """The provider's own in-stream error event, then a clean end."""
    HANG = "hang"
    """Nothing more is sent until the client leaves."""


@dataclass(frozen=True, slots=True)
class Controls:
    """One parsed header. ``None`` and ``False`` mean "as the provider would by default"."""

    output: int | None = None
    reasoning: int | None = None
    input: int | None = None
    cached: int = 0
    cache_write: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    audio_input: int = 0
    image_input: int = 0
    audio_output: int = 0
    tool: bool = False
    searches: int = 0
    tier: str | None = None
    speed: str | None = None
    geo: str | None = None
    model: str | None = None
    delay_ms: int = 0
    chunk_delay_ms: int | None = None
    chunks: int | None = None
    split: int | None = None
    crlf: bool = False
    pings: bool = False
    status: int | None = None
    retry_after: int | None = None
    fault: Fault | None = None
    break_after: int = 1
    ticks: int | None = None
    """What the answer says that it costs, where the provider says so."""
    base_resp: int = 0
    """A failure with status 200: MiniMax's code, or the status that DashScope's stands for."""
    polls: int = 0
    """How many looks at a background answer find it unfinished."""
    fails: bool = False
    """What goes on after the answer ends as a failure."""
    usage: bool = True
    gzip: bool = False


DEFAULT_CONTROLS = Controls()

_FLAGS = frozenset({"fails", "tool", "crlf", "pings", "gzip"})
_WORDS = frozenset({"tier", "speed", "geo", "model"})
# Name -> smallest and largest value. The bounds keep one header from costing the process its
# memory; a status is an error, because success is what an answer without this control means.
_COUNTS = {
    "output": (0, OUTPUT_TOKENS_MAX),
    "reasoning": (0, CLAIMED_TOKENS_MAX),
    "input": (0, CLAIMED_TOKENS_MAX),
    "cached": (0, CLAIMED_TOKENS_MAX),
    "cache_write": (0, CLAIMED_TOKENS_MAX),
    "cache_write_5m": (0, CLAIMED_TOKENS_MAX),
    "cache_write_1h": (0, CLAIMED_TOKENS_MAX),
    "audio_input": (0, CLAIMED_TOKENS_MAX),
    "image_input": (0, CLAIMED_TOKENS_MAX),
    "audio_output": (0, CLAIMED_TOKENS_MAX),
    "searches": (0, SEARCHES_MAX),
    "delay_ms": (0, DELAY_MS_MAX),
    "chunk_delay_ms": (0, DELAY_MS_MAX),
    "chunks": (1, CHUNKS_MAX),
    "split": (1, SPLIT_BYTES_MAX),
    "status": (400, 599),
    "retry_after": (0, 86_400),
    "break_after": (0, CHUNKS_MAX),
    "ticks": (0, CLAIMED_TICKS_MAX),
    "base_resp": (1, 9_999),
    "polls": (0, POLLS_MAX),
}


@lru_cache(maxsize=PARSED_HEADERS_MAX)
def parse(header: str) -> Controls:
    """The controls a header states.

    Raises ``Refusal`` (400) naming the part that is not understood.
    """
    values: dict[str, object] = {}
    for part in header.split(";"):
        entry = part.strip()
        if not entry:
            continue
        name, separator, value = entry.partition("=")
        field, parsed = _entry(name.strip().lower(), value.strip() if separator else None)
        values[field] = parsed
    return Controls(**values)  # type: ignore[arg-type]  # _entry gives each field its own type.


def _entry(name: str, value: str | None) -> tuple[str, object]:
    """The field of ``Controls`` and its value for one ``name`` or ``name=value``."""
    if name in _FLAGS:
        if value is not None:
            raise Refusal(400, f"x-simulate: {name} is a flag and takes no value")
        return name, True
    if name in _COUNTS:
        return name, _count(name, value)
    if name in _WORDS:
        if not value:
            raise Refusal(400, f"x-simulate: {name} needs a value")
        return name, value
    if name == "break":
        try:
            return "fault", Fault(value)
        except ValueError:
            known = ", ".join(fault.value for fault in Fault)
            raise Refusal(400, f"x-simulate: break must be one of {known}") from None
    if name == "usage":
        if value != "none":
            raise Refusal(400, "x-simulate: usage can only be none")
        return name, False
    raise Refusal(400, f"x-simulate: unknown control {name!r}")


def _count(name: str, value: str | None) -> int:
    """A decimal whole number inside the bounds of its control."""
    smallest, largest = _COUNTS[name]
    if value is None or not (value.isascii() and value.isdigit()) or len(value) > len(str(largest)):
        raise Refusal(400, f"x-simulate: {name} must be a whole number")
    count = int(value)
    if not smallest <= count <= largest:
        raise Refusal(400, f"x-simulate: {name} must be within {smallest} and {largest}")
    return count
