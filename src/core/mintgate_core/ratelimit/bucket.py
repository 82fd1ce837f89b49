"""A token bucket in whole numbers: what one minute allows, refilled evenly.

`scripts.py` does the same arithmetic in Lua, whose numbers are exact up to 2^53; that is why a
limit is split into what a millisecond brings whole and a rest, rather than scaled up.
"""

from __future__ import annotations

from dataclasses import dataclass

from mintgate_core.ratelimit.base import MINUTE_MS

REFILL_MS_MAX = 2 * MINUTE_MS
"""From the deepest debt, one minute's amount, to full."""


@dataclass(slots=True)
class Bucket:
    """What is left. Below zero it is a debt, never deeper than one minute's amount."""

    limit: int
    available: int
    at_ms: int
    rest: int = 0
    """What was gained beyond `available`, in 1/60,000."""

    @classmethod
    def full(cls, limit: int, now_ms: int) -> Bucket:
        """A bucket that nothing was taken from yet."""
        return cls(limit, limit, now_ms)

    def refill(self, limit: int, now_ms: int) -> None:
        """Let time pass, at the limit that is in force now. A clock set back brings nothing."""
        elapsed_ms = min(max(0, now_ms - self.at_ms), REFILL_MS_MAX)
        whole, part = divmod(limit, MINUTE_MS)
        gained, self.rest = divmod(part * elapsed_ms + self.rest, MINUTE_MS)
        self.available += whole * elapsed_ms + gained
        self.limit, self.at_ms = limit, now_ms
        self._bound()

    def wait_ms(self, cost: int) -> int:
        """How long until `cost`, at most the limit, can be taken; 0: now."""
        missing = cost - self.available
        if missing <= 0:
            return 0
        return -(-(missing * MINUTE_MS - self.rest) // self.limit)

    def give(self, count: int) -> None:
        """Put back, or take with a negative count."""
        self.available += count
        self._bound()

    def _bound(self) -> None:
        if self.available >= self.limit:
            self.available, self.rest = self.limit, 0
        self.available = max(self.available, -self.limit)
