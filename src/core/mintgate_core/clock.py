"""The only place that reads a clock; everything else is given one."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Milliseconds since 1970."""


def wall_clock_ms() -> int:
    """Milliseconds since 1970, by this machine."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Milliseconds since some moment; never set back, so waits and caches may rest on it."""
    return time.monotonic_ns() // 1_000_000


class MonotoneClock:
    """A clock that never goes back, even when the one under it does.

    TTLs and the order of the journal follow it, so a step of the wall clock can
    delay an expiry but never resurrect or reorder anything.
    """

    def __init__(self, clock: Clock, last_ms: int = 0) -> None:
        self._clock = clock
        self._last_ms = last_ms

    def __call__(self) -> int:  # noqa: D102 - the class says it
        self._last_ms = max(self._last_ms, self._clock())
        return self._last_ms
