"""Events, usage and price cards: the meter says what the journal charged, no more, no less."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

import random

from mintgate_core.ledger.operations import Reserved
from mintgate_core.ledger.types import ChargeDetail, Key
from mintgate_core.stores.base import DAY_MS, HOUR_MS, Store, StoredPrice, Usage, UsageRow
from mintgate_core.stores.conformance.builders import (
    START_MS,
    TTL_MS,
    SettableClock,
    Tenant,
    audited,
    findings,
    totals,
)
from mintgate_core.stores.conformance.objects import made

CHARGES = 60
WINDOWS = 40


@audited
class MeterConformance:
    """See the module."""

    async def test_usage_sums_by_key_and_model(self, store: Store, clock: SettableClock) -> None:
        """One row for each key, provider and model that was charged."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint()
        for by, model, cost in (
            (key, "a", 10),
            (key, "a", 20),
            (key, "b", 5),
            (tenant.master, "a", 7),
        ):
            await tenant.settle(await tenant.reserve(by, 50, model=model), cost)
        rows = await _usage(store, tenant, 0, clock() + 1)
        assert rows == {
            (key.key_id, "a"): Usage(2, 15, 15, charged=30, latency_ms=14),
            (key.key_id, "b"): Usage(1, 3, 2, charged=5, latency_ms=7),
            (tenant.master.key_id, "a"): Usage(1, 4, 3, charged=7, latency_ms=7),
        }
        one = await store.usage(
            tenant.account.wallet_id, key_id=tenant.master.key_id, from_ms=0, to_ms=clock() + 1
        )
        assert one == [
            UsageRow(
                tenant.master.key_id, "provider-a", "a", Usage(1, 4, 3, charged=7, latency_ms=7)
            )
        ]

    async def test_usage_goes_by_the_model_that_was_priced(
        self, store: Store, clock: SettableClock
    ) -> None:
        """The model that answered counts, not the one that was asked for."""
        tenant = await Tenant.open(store, balance=1_000)
        await tenant.settle(await tenant.reserve(tenant.master, 50), 10, model="model-b")
        assert list(await _usage(store, tenant, 0, clock() + 1)) == [
            (tenant.master.key_id, "model-b")
        ]

    async def test_usage_windows_are_half_open(self, store: Store, clock: SettableClock) -> None:
        """A charge at the first millisecond is in, one at the last is out; edges of hours too."""
        tenant = await Tenant.open(store, balance=1_000)
        at = (START_MS + HOUR_MS - 1, START_MS + HOUR_MS, START_MS + 2 * HOUR_MS)
        for number, at_ms in enumerate(at):
            clock.now_ms = at_ms
            await tenant.settle(await tenant.reserve(tenant.master, 50), 10**number)
        expected = {
            (at[0], at[0] + 1): 1,
            (at[0] + 1, at[1]): 0,
            (at[1], at[1] + 1): 10,
            (at[0], at[2]): 11,
            (at[0], at[2] + 1): 111,
            (at[1], at[2]): 10,
            (START_MS, START_MS + HOUR_MS): 1,
            (START_MS, START_MS + 3 * HOUR_MS): 111,
            (at[1] + 1, at[2] + 1): 100,
            (at[2], at[1]): 0,
        }
        for (from_ms, to_ms), charged in expected.items():
            rows = await _usage(store, tenant, from_ms, to_ms)
            assert sum(u.charged for u in rows.values()) == charged, (from_ms, to_ms)

    async def test_usage_equals_the_events_over_any_window(
        self, store: Store, clock: SettableClock
    ) -> None:
        """Over random windows and after random folds, usage is the sum of the events.

        For a wallet and for one key; folds move hours that are over and the one that goes on.
        """
        dice = random.Random(20_270_101)  # noqa: S311 - a fixed course of events, not a secret.
        tenant = await Tenant.open(store, balance=10**6)
        stranger = await Tenant.open(store, balance=10**6)
        keys = [tenant.master, await tenant.mint(cap_nano_usd=300), await tenant.mint()]
        start_ms = clock()
        await _spend_at_random(tenant, keys, clock, dice)
        await stranger.settle(await stranger.reserve(stranger.master, 50), 10)
        end_ms = clock() + 1
        for _ in range(WINDOWS):
            from_ms, to_ms = sorted(dice.randrange(START_MS, end_ms + 1) for _ in range(2))
            if dice.random() < 0.5:
                unit_ms = dice.choice([HOUR_MS, DAY_MS])
                from_ms, to_ms = (ms // unit_ms * unit_ms for ms in (from_ms, to_ms))
            if dice.random() < 0.3:
                await _fold_at_random(store, start_ms, end_ms, dice)
            key_id = dice.choice(["", keys[1].key_id])
            events = await tenant.events(key_id=key_id, from_ms=from_ms, to_ms=to_ms, limit=1_000)
            rows = await store.usage(
                tenant.account.wallet_id, key_id=key_id, from_ms=from_ms, to_ms=to_ms
            )
            summed = {(r.key_id, r.provider, r.model): r.usage for r in rows}
            # A window that ends at 0 has no upper end for events, and is empty for usage.
            assert summed == (totals(events) if from_ms < to_ms else {})

    async def test_events_are_paged_both_ways(self, store: Store, clock: SettableClock) -> None:
        """Cursors by number join without a gap or a repeat, newest or oldest first."""
        tenant = await Tenant.open(store, balance=1_000)
        for cost in range(7):
            clock.advance(1)
            await tenant.settle(await tenant.reserve(tenant.master, 10), cost)
            await tenant.release((await tenant.reserve(tenant.master, 10)).hold_id)
        newest = await tenant.events()
        assert [event.actual for event in newest] == [6, 5, 4, 3, 2, 1, 0]
        back: list[ChargeDetail] = []
        while page := await tenant.events(before_seq=back[-1].seq if back else 0, limit=3):
            back += page
        assert back == newest
        onward: list[ChargeDetail] = []
        while page := await tenant.events(
            after_seq=onward[-1].seq if onward else 0, ascending=True, limit=3
        ):
            onward += page
        assert onward == newest[::-1]
        assert await tenant.events(after_seq=newest[2].seq) == newest[1::-1]
        between = await tenant.events(after_seq=newest[5].seq, before_seq=newest[2].seq)
        assert between == newest[4:2:-1]

    async def test_events_are_filtered(self, store: Store, clock: SettableClock) -> None:
        """By key, by time [from, to), and never another wallet's."""
        tenant = await Tenant.open(store, balance=1_000)
        stranger = await Tenant.open(store, balance=1_000)
        key = await tenant.mint()
        for by in (tenant.master, key, tenant.master):
            clock.advance(10)
            await tenant.settle(await tenant.reserve(by, 10), 1)
        await stranger.settle(await stranger.reserve(stranger.master, 10), 1)
        third, second, first = await tenant.events()
        assert await tenant.events(key_id=key.key_id) == [second]
        assert await tenant.events(key_id=stranger.master.key_id) == []
        assert await tenant.events(from_ms=second.at_ms) == [third, second]
        assert await tenant.events(to_ms=second.at_ms) == [first]
        assert await tenant.events(from_ms=first.at_ms, to_ms=third.at_ms, limit=1) == [second]

    async def test_last_use_is_the_newest_charge(self, store: Store, clock: SettableClock) -> None:
        """Keys without a charge are left out."""
        tenant = await Tenant.open(store, balance=1_000)
        idle = await tenant.mint()
        for _ in range(2):
            clock.advance(1_000)
            await tenant.settle(await tenant.reserve(tenant.master, 10), 1)
        used_at_ms = clock()
        clock.advance(1_000)
        ids = [idle.key_id, tenant.master.key_id, "key_none"]
        assert await store.last_used_ms(ids) == {tenant.master.key_id: used_at_ms}

    async def test_cards_are_kept_for_good(self, store: Store) -> None:
        """The first text under a version stays."""
        assert await store.card("v1") is None
        await store.keep_card("v1", '{"a":1}')
        await store.keep_card("v1", '{"a":2}')
        assert await store.card("v1") == '{"a":1}'

    async def test_overrides_keep_their_order(self, store: Store) -> None:
        """Prices set at run time come back oldest first, whatever their times say."""
        assert await store.overrides() == []
        prices = [
            StoredPrice("", "{}", 5),
            StoredPrice("acc_1", '{"a":1}', 5),
            StoredPrice("", "{}", 1),
        ]
        await store.add_overrides(prices[:2])
        await store.add_overrides(prices[2:])
        assert await store.overrides() == prices
        positions = [price.position for price in await store.overrides()]
        for seen, position in enumerate(positions, start=1):
            assert await store.overrides(position) == prices[seen:]

    async def test_audit_counts_what_it_checked(self, store: Store) -> None:
        """Checks are numbered from one and have looked at rows."""
        tenant = await Tenant.open(store, balance=1_000)
        await tenant.settle(await tenant.reserve(tenant.master, 10), 1)
        await tenant.start_job(await tenant.reserve(tenant.master, 10))
        await store.objects.record([made(tenant.master, "f1")], 1)
        checks = await store.audit()
        assert [check.number for check in checks] == list(range(1, len(checks) + 1))
        assert all(check.title for check in checks)
        assert all(check.rows > 0 for check in checks)

    async def test_audit_of_everything_is_noted(self, store: Store, clock: SettableClock) -> None:
        """The time of the last clean audit of everything is kept; others leave it alone."""
        tenant = await Tenant.open(store, balance=1_000)
        await tenant.settle(await tenant.reserve(tenant.master, 10), 1)
        await store.audit()
        assert await store.clean_full_audit_ms() == 0
        for _ in range(2):
            clock.advance(1_000)
            assert not any(check.findings for check in await store.audit(full=True))
            assert await store.clean_full_audit_ms() == clock()
        clock.advance(1_000)
        await store.audit()
        assert await store.clean_full_audit_ms() == clock() - 1_000

    async def test_audits_follow_the_books(self, store: Store, clock: SettableClock) -> None:
        """Audits after every step, of money that comes, goes, expires and is late, find nothing."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=100)
        for round_number in range(4):
            tokens = [await tenant.reserve(key, 20) for _ in range(2)]
            assert await findings(store) == []
            await tenant.settle(tokens[0], 10 * round_number)
            assert await findings(store) == []
            clock.advance(HOUR_MS)
            await tenant.expire(tokens[1].hold_id)
            await tenant.grant(10)
            key = await tenant.recap(key, 200 - round_number)
            assert await findings(store) == []
            await tenant.settle(tokens[1], 5)
            key = await tenant.mint(cap_nano_usd=100)


async def _usage(
    store: Store, tenant: Tenant, from_ms: int, to_ms: int
) -> dict[tuple[str, str], Usage]:
    rows = await store.usage(tenant.account.wallet_id, key_id="", from_ms=from_ms, to_ms=to_ms)
    found = {(row.key_id, row.model): row.usage for row in rows}
    assert len(found) == len(rows)
    return found


async def _spend_at_random(
    tenant: Tenant, keys: list[Key], clock: SettableClock, dice: random.Random
) -> None:
    """Charges over some days: exact, absorbed, expired, late after an expiry; folded meanwhile."""
    start_ms = clock()
    for _ in range(CHARGES):
        clock.advance(dice.choice([1, 60_000, HOUR_MS // 2, HOUR_MS, DAY_MS // 4]))
        if dice.random() < 0.2:
            await _fold_at_random(tenant.store, start_ms, clock() + 1, dice)
        if dice.random() < 0.2:
            clock.now_ms = clock.now_ms // HOUR_MS * HOUR_MS + HOUR_MS
        key = dice.choice(keys)
        answer = await tenant.apply(tenant.reserving(key, 20, model=dice.choice("ab")))
        if not isinstance(answer, Reserved):
            continue
        token = answer.token
        if dice.random() < 0.3:
            await tenant.progress(token.hold_id, dice.randrange(15))
            clock.advance(TTL_MS)
            await tenant.expire(token.hold_id)
        if dice.random() < 0.8:
            await tenant.settle(token, dice.randrange(40))


async def _fold_at_random(store: Store, start_ms: int, end_ms: int, dice: random.Random) -> None:
    """A few rows or all, of hours before some time, which may be the hour that goes on."""
    await store.fold_usage(dice.randrange(start_ms, end_ms + HOUR_MS), dice.choice([1, 3, 1_000]))
