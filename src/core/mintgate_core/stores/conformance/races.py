"""Many batches at once against one wallet: what races there are, and who may win them."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

from mintgate_core.ledger.errors import AlreadyResolved, CapExceeded, Invalid, KeyRevoked
from mintgate_core.ledger.operations import (
    Answer,
    Expire,
    Expired,
    HoldToken,
    Operation,
    Progress,
    Release,
    Released,
    Reserved,
    Settled,
)
from mintgate_core.ledger.types import JournalKind, KeyStatus, WindowCap, WindowPeriod
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance.builders import (
    SettableClock,
    Tenant,
    audited,
    expect,
    measured,
    settling,
    used,
)

DAY_MS = 86_400_000


async def together(store: Store, operations: list[Operation], size: int = 5) -> list[Answer]:
    """Apply operations in batches that all run at once."""
    batches = [operations[n : n + size] for n in range(0, len(operations), size)]
    answers = await asyncio.gather(*(store.apply(batch) for batch in batches))
    return [answer for batch in answers for answer in batch]


@audited
class RaceConformance:
    """See the module."""

    async def test_a_cap_under_fire(self, store: Store) -> None:
        """Of many reserves at once exactly those are granted that the cap has room for."""
        tenant = await Tenant.open(store, balance=1_000_000)
        key = await tenant.mint(cap_nano_usd=700)
        answers = await together(store, [tenant.reserving(key, 7) for _ in range(300)], 3)
        assert Counter(type(a) for a in answers) == {Reserved: 100, CapExceeded: 200}
        assert used(await tenant.cap_line(key)) == (700, 0)
        assert used(await tenant.wallet()) == (700, 0)

    async def test_settle_against_expiry_at_the_deadline(
        self, store: Store, clock: SettableClock
    ) -> None:
        """One of them resolves the hold, whichever came first, and the charge is recorded."""
        tenant = await Tenant.open(store, balance=100_000)
        for early_ms in (1, 0, -1) * 5:
            tokens = [await tenant.reserve(tenant.master, 100, ttl_ms=1_000) for _ in range(4)]
            for token in tokens:
                await tenant.progress(token.hold_id, 30, 1_000)
            clock.advance(1_000 - early_ms)
            settles: list[Operation] = [settling(token, 60) for token in tokens]
            expiries: list[Operation] = [Expire(token.hold_id, token.wallet_id) for token in tokens]
            answers = await together(store, [*settles, *expiries], 1)
            for settled, expired in zip(answers[:4], answers[4:], strict=True):
                told = expect(settled, Settled)
                if isinstance(expired, Expired):
                    assert early_ms <= 0
                    assert expired.charged_nano_usd + told.charged_nano_usd == 60
                    assert told.late
                else:
                    assert isinstance(expired, AlreadyResolved | Invalid)
                    assert (told.charged_nano_usd, told.late) == (60, False)
        entries = await tenant.journal()
        resolving = {JournalKind.SETTLE, JournalKind.EXPIRE}
        counts = Counter(entry.operation_id for entry in entries if entry.kind in resolving)
        assert set(counts.values()) == {1}
        assert (await tenant.wallet()).spent == 60 * 60

    async def test_duplicates_in_any_order(self, store: Store) -> None:
        """Each message up to five times, from many sides at once, is what it is once."""
        tenant = await Tenant.open(store, balance=10_000)
        tokens = [await tenant.reserve(tenant.master, 100) for _ in range(12)]
        ends: list[Operation] = []
        for number, token in enumerate(tokens):
            end: Operation = settling(token, 10 + number)
            if number % 3 == 0:
                end = Release(token.hold_id, token.wallet_id)
            progress = Progress(token.hold_id, token.wallet_id, measured(5))
            ends += [progress, *[end] * (1 + number % 5), progress]
        # Every third, then the next third: far from the order in which they were made.
        answers = await together(store, [*ends[::3], *ends[1::3], *ends[2::3]], 4)
        assert not [a for a in answers if isinstance(a, CapExceeded)]
        entries = [e for e in await tenant.journal() if e.kind is not JournalKind.GRANT]
        assert len(entries) == len(tokens)
        expected = sum(10 + n for n in range(12) if n % 3)
        assert used(await tenant.wallet()) == (0, expected)

    async def test_caps_change_while_reserves_run(self, store: Store) -> None:
        """A cap that is lowered and raised under load is never passed as it stands then."""
        tenant = await Tenant.open(store, balance=1_000_000)
        key = await tenant.mint(cap_nano_usd=1_000)

        async def change() -> None:
            for cap in (500, 2_000, 100, 1_500, 0, 1_200):
                await tenant.recap(key, cap)
                line = await tenant.cap_line(key)
                assert line.held + line.spent <= line.ceiling

        fire = together(store, [tenant.reserving(key, 5) for _ in range(500)], 5)
        answers, _ = await asyncio.gather(fire, change())
        assert {type(a) for a in answers} <= {Reserved, CapExceeded}
        granted = [a.token for a in answers if isinstance(a, Reserved)]
        assert len(granted) * 5 <= 2_000
        await store.change_key(key.key_id, lambda k: replace(k, status=KeyStatus.REVOKED))
        expect(await tenant.apply(tenant.reserving(key, 0)), KeyRevoked)
        settled = await together(store, [settling(token, 4) for token in granted])
        assert all(isinstance(a, Settled) for a in settled)
        assert used(await tenant.cap_line(key)) == (0, 4 * len(granted))

    async def test_midnight_under_load(self, store: Store, clock: SettableClock) -> None:
        """Each window admits exactly its cap, and holds that straddle midnight end on their own."""
        tenant = await Tenant.open(store, balance=1_000_000)
        key = await tenant.mint(window_cap=WindowCap(WindowPeriod.DAY, "UTC", 100))
        clock.advance(DAY_MS - clock() % DAY_MS - 1)
        days: list[list[HoldToken]] = []
        for _ in range(3):
            answers = await together(store, [tenant.reserving(key, 5) for _ in range(60)], 3)
            days.append([a.token for a in answers if isinstance(a, Reserved)])
            clock.advance(1 if len(days) == 1 else DAY_MS)
        assert [len(day) for day in days] == [20, 20, 20]
        assert len({token.line_ids for day in days for token in day}) == 3
        ends = [settling(token, 5) for day in days for token in day]
        assert all(isinstance(a, Settled) for a in await together(store, [*ends, *ends], 7))
        for day in days:
            window_line = day[0].line_ids[1]
            assert used((await store.lines([window_line]))[window_line]) == (0, 100)

    async def test_releases_and_reserves_cross(self, store: Store) -> None:
        """A release that overtakes its reserve wins: the hold is never left behind."""
        tenant = await Tenant.open(store, balance=10_000)
        reserves = [tenant.reserving(tenant.master, 10) for _ in range(30)]
        releases = [Release(r.hold_id, r.wallet_id) for r in reserves]
        crossed: list[Operation] = [
            op for pair in zip(releases, reserves, strict=True) for op in pair
        ]
        answers = await together(store, [*crossed, *releases], 1)
        assert all(isinstance(a, Released | Reserved | AlreadyResolved) for a in answers)
        assert used(await tenant.wallet()) == (0, 0)
        assert await store.holds(tenant.account.wallet_id, 100) == []
