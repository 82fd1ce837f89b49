"""The limiter of one process. Also what counts while Redis is away."""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from mintgate_core.clock import Clock
from mintgate_core.ratelimit.base import (
    LEASES_PER_KEY_MAX,
    OPEN,
    OPEN_RETRY_MS,
    REQUESTS,
    TOKENS,
    Ask,
    End,
    Note,
    Taken,
    Verdict,
    refused,
)
from mintgate_core.ratelimit.bucket import Bucket

KEYS_MAX = 65_536
"""Keys with limits that are remembered; beyond it the one that was idle longest starts anew."""


@dataclass(slots=True)
class _Lease:
    expires_at_ms: int
    cost_tokens: int


@dataclass(slots=True)
class _Counts:
    """All that is known of one key."""

    requests: Bucket | None = None
    tokens: Bucket | None = None
    leases: dict[bytes, _Lease] = field(default_factory=dict)
    expiries: list[tuple[int, bytes]] = field(default_factory=list)
    """A heap; an entry may be older than its lease's real expiry, never younger."""

    def purge(self, now_ms: int) -> None:
        """Forget leases that nobody renewed."""
        while self.expiries and self.expiries[0][0] <= now_ms:
            _, hold_id = heapq.heappop(self.expiries)
            lease = self.leases.get(hold_id)
            if lease is None:
                continue
            if lease.expires_at_ms > now_ms:
                heapq.heappush(self.expiries, (lease.expires_at_ms, hold_id))
            else:
                del self.leases[hold_id]

    def lease(self, hold_id: bytes, expires_at_ms: int, cost_tokens: int) -> None:
        """Count a request as open."""
        self.leases[hold_id] = _Lease(expires_at_ms, cost_tokens)
        heapq.heappush(self.expiries, (expires_at_ms, hold_id))


class MemoryLimiter:
    """See `base.Limiter`. Its clock must only ever go forward."""

    degraded = False
    unshared_count = 0
    """It was never meant to share."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: OrderedDict[str, _Counts] = OrderedDict()

    async def admit(self, asks: Sequence[Ask]) -> list[Verdict]:
        now_ms = self._clock()
        return [self._admit(ask, now_ms) for ask in asks]

    def _admit(self, ask: Ask, now_ms: int) -> Verdict:
        counts = self._of(ask.key_id)
        counts.purge(now_ms)
        if ask.hold_id in counts.leases:
            return Taken.KNOWN
        limits = ask.limits
        counts.requests = _filled(counts.requests, limits.requests_per_minute, now_ms)
        counts.tokens = _filled(counts.tokens, limits.tokens_per_minute, now_ms)
        waits = {
            REQUESTS: counts.requests.wait_ms(1) if counts.requests else 0,
            TOKENS: counts.tokens.wait_ms(ask.cost_tokens) if counts.tokens else 0,
            OPEN: OPEN_RETRY_MS if 0 < limits.open_requests <= len(counts.leases) else 0,
        }
        longest = max(waits, key=lambda name: waits[name])
        if waits[longest]:
            return refused(limits, longest, waits[longest])
        if counts.requests:
            counts.requests.give(-1)
        if counts.tokens:
            counts.tokens.give(-ask.cost_tokens)
        if len(counts.leases) >= LEASES_PER_KEY_MAX:
            del counts.leases[next(iter(counts.leases))]
        counts.lease(ask.hold_id, now_ms + ask.lease_ms, ask.cost_tokens)
        return Taken.NEW

    def _of(self, key_id: str) -> _Counts:
        counts = self._counts.get(key_id)
        if counts is None:
            counts = self._counts[key_id] = _Counts()
            if len(self._counts) > KEYS_MAX:
                self._counts.popitem(last=False)
        else:
            self._counts.move_to_end(key_id)
        return counts

    def note(self, notes: Sequence[Note]) -> None:
        now_ms = self._clock()
        for note in notes:
            counts = self._counts.get(note.key_id)
            if counts is None:
                continue
            counts.purge(now_ms)
            if isinstance(note, End):
                _end(counts, note, now_ms)
                continue
            expires_at_ms = now_ms + note.lease_ms
            lease = counts.leases.get(note.hold_id)
            if lease is not None:
                lease.expires_at_ms = max(lease.expires_at_ms, expires_at_ms)
            else:
                # Admitted by another process, or before the limits were forgotten.
                counts.lease(note.hold_id, expires_at_ms, 0)

    async def run(self) -> None:
        """Nothing happens in the background."""
        await asyncio.Event().wait()


def _filled(bucket: Bucket | None, limit: int, now_ms: int) -> Bucket | None:
    if not limit:
        return None
    if bucket is None:
        return Bucket.full(limit, now_ms)
    bucket.refill(limit, now_ms)
    return bucket


def _end(counts: _Counts, end: End, now_ms: int) -> None:
    lease = counts.leases.pop(end.hold_id, None)
    if lease is None:
        return
    if end.undone and counts.requests:
        counts.requests.refill(counts.requests.limit, now_ms)
        counts.requests.give(1)
    used = 0 if end.undone else end.used_tokens
    if counts.tokens and lease.cost_tokens and used is not None:
        counts.tokens.refill(counts.tokens.limit, now_ms)
        counts.tokens.give(lease.cost_tokens - used)
