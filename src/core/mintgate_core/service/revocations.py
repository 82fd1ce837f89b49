"""Tells facades which keys were revoked, wherever that was done.

The store is asked, not a message bus: what it says survives a lost message, and
every core sees what any core wrote.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from mintgate_core.stores.base import Store

POLL_S = 0.5
"""A quarter of the two seconds within which running requests must end."""

LOOK_BACK_MS = 60_000
"""A revocation carries the time before its commit, which a slow transaction delays."""

KEYS_MAX = 10_000
"""Keys in one answer, the newest; more were never revoked in a minute."""


async def follow(store: Store, since_ms: int) -> AsyncIterator[list[str]]:
    """Yield ids of revoked keys as they come, first at once what was revoked since then.

    Raises `Unavailable` when the store is away: the caller asks again.
    """
    told: dict[str, int] = {}
    from_ms = since_ms or await store.now_ms() - LOOK_BACK_MS
    first = True
    while True:
        found = await store.revoked_since(from_ms, KEYS_MAX)
        fresh = [key_id for key_id, _ in found if key_id not in told]
        if fresh or first:
            yield fresh
        first = False
        from_ms = max(from_ms, await store.now_ms() - LOOK_BACK_MS)
        told = {key_id: at_ms for key_id, at_ms in found if at_ms >= from_ms}
        await asyncio.sleep(POLL_S)
