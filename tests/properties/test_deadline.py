"""Settle against expiry at the deadline, a hundred thousand times."""

from __future__ import annotations

import random
from collections import Counter

from mintgate_core.ledger.operations import Expire, Expired, Operation, Reserved, Settled
from mintgate_core.ledger.types import JournalKind
from mintgate_core.stores.conformance import SettableClock, Tenant, expect, findings
from mintgate_core.stores.conformance.builders import settling
from mintgate_core.stores.memory import MemoryStore

RACES = 100_000
BATCH = 500
TTL_MS = 1_000


async def test_exactly_one_of_them_resolves_the_hold(run_seed: int) -> None:
    """At the deadline and a millisecond around it, in either order, one wins and both are told."""
    rng = random.Random(run_seed)  # noqa: S311 - orders and offsets
    clock = SettableClock()
    store = MemoryStore(clock)
    tenant = await Tenant.open(store, balance=RACES * 10)
    outcomes: Counter[str] = Counter()
    for _ in range(0, RACES, BATCH):
        reserves = [tenant.reserving(tenant.master, 10, ttl_ms=TTL_MS) for _ in range(BATCH)]
        tokens = [expect(answer, Reserved).token for answer in await store.apply(reserves)]
        clock.advance(TTL_MS + rng.choice((-1, 0, 1)))
        pairs: list[Operation] = []
        for token in tokens:
            pair: list[Operation] = [settling(token, 7), Expire(token.hold_id, token.wallet_id)]
            rng.shuffle(pair)
            pairs += pair
        answers = await store.apply(pairs)
        for operation, answer in zip(pairs, answers, strict=True):
            if isinstance(answer, Settled):
                outcomes["late" if answer.late else "in time"] += 1
            elif isinstance(answer, Expired):
                outcomes["expired"] += 1
            else:
                assert isinstance(operation, Expire)
        assert not store.hold_by_id
    assert outcomes["late"] + outcomes["in time"] == RACES
    assert outcomes["late"] == outcomes["expired"]
    assert min(outcomes.values()) > RACES // 20
    kinds = Counter(kind for entries in store.entries.values() for kind in entries)
    assert kinds[JournalKind.SETTLE] + kinds[JournalKind.LATE_SETTLE] == RACES
    assert (await tenant.wallet()).spent == RACES * 7
    assert await findings(store) == []
