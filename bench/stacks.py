"""Collapsed stacks, as py-spy writes them: which parts of the program the time goes to.

A sample belongs to the part of its innermost frame that any part claims: time in the
interpreter or in libc is then of whoever called it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("dialect", ("mintgate_facade/dialects",)),
    ("ledger link", ("mintgate_facade/relay/link", "mintgate_facade/ledger")),
    ("upstream client", ("mintgate_facade/upstream",)),
    ("relay", ("mintgate_facade",)),
    ("ledger", ("mintgate_core/ledger",)),
    ("prices", ("mintgate_core/pricing",)),
    ("driver", ("mintgate_core/stores/postgres/wire", "psycopg", "sqlite3", "libpq", "_sqlite")),
    ("store", ("mintgate_core/stores",)),
    ("service", ("mintgate_core", "mintgate/")),
    ("gRPC", ("grpc", "cygrpc", "google/protobuf", "google/_upb", "_message.abi3")),
    ("HTTP server", ("uvicorn", "httptools", "starlette", "fastapi")),
    ("event loop", ("uvloop", "asyncio", "selectors", "epoll_wait", "libuv")),
)
"""Names of parts and what their frames' files begin with or hold; the first that fits."""

REST = "interpreter and the rest"
SITE = re.compile(r"\(.*?(?:site-packages|src/[a-z_]+)/")
"""What stands before a package's own path."""

Stack = tuple[Sequence[str], int]
"""Frames from the outermost to the innermost, and how many samples had them."""


def stacks(lines: Iterable[str]) -> Iterator[Stack]:
    """Read what `py-spy record -f raw` wrote."""
    for line in lines:
        frames, _, count = line.rstrip().rpartition(" ")
        if frames:
            yield [SITE.sub("(", frame) for frame in frames.split(";")], int(count)


def part_of(frames: Sequence[str]) -> str:
    """The part that a sample belongs to."""
    for frame in reversed(frames):
        for part, marks in PARTS:
            if any(mark in frame for mark in marks):
                return part
    return REST


def by_part(samples: Iterable[Stack]) -> Counter[str]:
    """Samples of every part."""
    found: Counter[str] = Counter()
    for frames, count in samples:
        found[part_of(frames)] += count
    return found


def by_function(samples: Iterable[Stack]) -> tuple[Counter[str], Counter[str]]:
    """Samples that each function was innermost in, and samples that it was in at all."""
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for frames, count in samples:
        names = [function(frame) for frame in frames]
        own[names[-1]] += count
        for name in set(names):
            inclusive[name] += count
    return own, inclusive


def function(frame: str) -> str:
    """A frame without its line: a function is one, wherever in it the time is."""
    return re.sub(r":\d+\)$", ")", frame)
