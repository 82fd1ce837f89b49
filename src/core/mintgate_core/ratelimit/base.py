"""What a limiter promises, whatever counts behind it.

Guarantees, pinned by tests/core/ratelimit/suite.py:

- A request is admitted whole or refused whole: a refusal takes nothing.
- A hold's id is counted once, however often its reserve is repeated while it is open.
- In any stretch of `w` milliseconds a key starts at most `limit + limit * w / 60,000` requests,
  and likewise for tokens by their worst case: a bucket that holds one minute's amount and
  refills evenly. What is given back never makes more than one minute's amount.
- At most `open_requests` leases of a key live at a time. A lease ends with its request, or by
  itself when nobody renews it.
- A request larger than a whole minute's tokens starts when the bucket is full, and then takes
  all of it; otherwise it could never run.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mintgate_core.ledger.errors import RateLimited
from mintgate_core.ledger.types import RateLimits

MINUTE_MS = 60_000
RETRY_AFTER_MS_MAX = MINUTE_MS
"""A bucket in debt may need longer; the caller is told to ask again after a minute."""

OPEN_RETRY_MS = 1_000
"""Nobody knows when a running request ends; a second is how often it is worth asking."""

LEASES_PER_KEY_MAX = 100_000
"""The largest limit of open requests. Keys without that limit forget their oldest lease beyond
it, which at worst counts a repeated reserve twice."""

REQUESTS, TOKENS, OPEN = "requests_per_minute", "tokens_per_minute", "open_requests"
FIELDS = (REQUESTS, TOKENS, OPEN)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that wants to start."""

    key_id: str
    hold_id: bytes
    limits: RateLimits
    tokens: int
    """The worst case, input and output."""
    lease_ms: int
    """How long it counts as open unless it is renewed: the hold's own time to live."""

    @property
    def cost_tokens(self) -> int:
        """What it takes out of the bucket of tokens."""
        return min(self.tokens, self.limits.tokens_per_minute)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A request that goes on."""

    key_id: str
    hold_id: bytes
    lease_ms: int


@dataclass(frozen=True, slots=True)
class End:
    """A request that is over. Only the first end of a hold counts."""

    key_id: str
    hold_id: bytes
    used_tokens: int | None = None
    """What it really used; the difference to what it took goes back, or is taken on top. None:
    unknown, and nothing goes back."""
    undone: bool = False
    """It never started, so that everything goes back, the request itself too."""


Note = Renewal | End


class Taken(enum.Enum):
    """How an ask was admitted."""

    NEW = 1
    KNOWN = 2
    """This hold's id is counted already; nothing was taken."""


Verdict = Taken | RateLimited


class Limiter(Protocol):
    """Counts requests. The module's text says what every method guarantees."""

    @property
    def degraded(self) -> bool:
        """Whether it counts in this process alone although it was meant to share."""

    @property
    def unshared_count(self) -> int:
        """Asks that it decided alone although it was meant to share, since it was made."""

    async def admit(self, asks: Sequence[Ask]) -> list[Verdict]:
        """Decide each ask in order; each sees the effect of those before it."""

    def note(self, notes: Sequence[Note]) -> None:
        """Hear what became of requests. Counted before any later ask."""

    async def run(self) -> None:
        """Do what happens in the background, until cancelled."""


def refused(limits: RateLimits, field: str, wait_ms: int) -> RateLimited:
    """The refusal of a request that waits for `field`."""
    limit = getattr(limits, field)
    texts = {
        REQUESTS: f"this key may start {limit:,} requests a minute",
        TOKENS: f"this key may use {limit:,} tokens a minute, by the worst case of its requests",
        OPEN: f"this key may have {limit:,} requests open at once",
    }
    wait_ms = min(max(wait_ms, 1), RETRY_AFTER_MS_MAX)
    return RateLimited(texts[field], field=field, retry_after_ms=wait_ms)
