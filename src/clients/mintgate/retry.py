"""When a call is tried again, and how long it waits. Pure: no sleep, no clock.

A call that changes something carries an id or an Idempotency-Key, so trying it
again cannot do it twice; it is tried with the same bytes. Retries end with the
caller's deadline, with `attempts_max`, or with an answer that another attempt
would not change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import grpc

from . import ids
from .errors import InvalidArgument

RETRY_ATTEMPTS_MAX: Final = 6
"""Attempts of one call, the first included. With the pauses below they span
about three seconds on average, as long as a core takes to restart."""

RETRY_PAUSE_FIRST_S: Final = 0.1
RETRY_PAUSE_MAX_S: Final = 2.0

ATTEMPT_TIMEOUT_S: Final = 4.0
"""One attempt gives up before the caller does, so that a connection that died
in silence costs one attempt and not the call."""

RETRYABLE: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,  # Of the attempt: the caller's is checked apart.
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter; `RetryPolicy(attempts_max=1)` turns it off.

    `random` returns 0 <= x < 1 and is there for tests.
    """

    attempts_max: int = RETRY_ATTEMPTS_MAX
    pause_first_s: float = RETRY_PAUSE_FIRST_S
    pause_max_s: float = RETRY_PAUSE_MAX_S
    attempt_timeout_s: float = ATTEMPT_TIMEOUT_S
    random: Callable[[], float] = field(default=ids.fraction, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.attempts_max <= RETRY_ATTEMPTS_MAX:
            raise InvalidArgument(
                f"attempts_max must be from 1 to {RETRY_ATTEMPTS_MAX}", field="attempts_max"
            )
        if min(self.pause_first_s, self.pause_max_s, self.attempt_timeout_s) <= 0:
            raise InvalidArgument("pauses and timeouts must be above 0 s", field="pause_first_s")

    def attempt_timeout(self, remaining_s: float, *, repeatable: bool) -> float:
        """Return how long the next attempt may take, seconds."""
        if not repeatable or self.attempts_max == 1:
            return remaining_s
        return min(remaining_s, self.attempt_timeout_s)

    def pause(
        self, status: grpc.StatusCode, *, attempts_made: int, remaining_s: float, repeatable: bool
    ) -> float | None:
        """Return how long to wait before the next attempt, seconds; None to give up."""
        if not repeatable or status not in RETRYABLE or attempts_made >= self.attempts_max:
            return None
        ceiling_s = min(self.pause_max_s, self.pause_first_s * 2 ** (attempts_made - 1))
        pause_s = self.random() * ceiling_s
        return pause_s if pause_s < remaining_s else None
