"""Caps by calendar: one line a window, hard beside the cap over the key's life."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from mintgate_core.ledger.errors import CapExceeded, Unauthenticated, WalletEmpty
from mintgate_core.ledger.operations import Expired, Reserved, Settled
from mintgate_core.ledger.types import (
    JournalKind,
    Key,
    KeyStatus,
    Line,
    LineKind,
    WindowCap,
    WindowPeriod,
)
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance.builders import (
    SettableClock,
    Tenant,
    audited,
    expect,
    used,
)

DAY_MS = 86_400_000


def daily(cap_nano_usd: int, zone: str = "UTC") -> WindowCap:
    """A cap by day."""
    return WindowCap(WindowPeriod.DAY, zone, cap_nano_usd)


def moment(*parts: int) -> int:
    """A moment in UTC, milliseconds since 1970."""
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000  # type: ignore[arg-type, misc]


async def window_line(store: Store, key: Key) -> Line:
    """The line of the window that a key is in."""
    kept = await store.key(key.key_id)
    assert kept is not None
    assert kept.window is not None
    return (await store.lines([kept.window.line_id]))[kept.window.line_id]


@audited
class WindowConformance:
    """See the module."""

    async def test_both_caps_hold(self, store: Store) -> None:
        """Whichever of life cap, window cap and wallet is tightest refuses; none moves then."""
        tenant = await Tenant.open(store, balance=1_000)
        by_day = await tenant.mint(cap_nano_usd=500, window_cap=daily(100))
        by_life = await tenant.mint(cap_nano_usd=100, window_cap=daily(500))
        for key in (by_day, by_life):
            await tenant.reserve(key, 100)
            denial = expect(await tenant.apply(tenant.reserving(key, 1)), CapExceeded)
            assert denial.remaining_nano_usd == 0
            assert used(await tenant.cap_line(key)) == (100, 0)
            assert used(await window_line(store, key)) == (100, 0)
        rich = await tenant.mint(window_cap=daily(5_000))
        expect(await tenant.apply(tenant.reserving(rich, 801)), WalletEmpty)
        assert used(await tenant.wallet()) == (200, 0)

    async def test_a_refusal_opens_no_window(self, store: Store) -> None:
        """A reserve that does not fit a window that is not open yet writes nothing."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(window_cap=daily(100))
        expect(await tenant.apply(tenant.reserving(key, 101)), CapExceeded)
        kept = await store.key(key.key_id)
        assert kept is not None
        assert kept.window is None
        await tenant.reserve(key, 100)
        line = await window_line(store, key)
        assert (line.kind, line.key_id, line.cap) == (LineKind.KEY_WINDOW, key.key_id, 100)

    async def test_a_new_window_is_a_new_line(self, store: Store, clock: SettableClock) -> None:
        """At midnight the cap begins anew, and what was spent before stays on its own line."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=250, window_cap=daily(100))
        clock.now_ms = moment(2027, 3, 1, 23, 59, 59)
        token = await tenant.reserve(key, 100)
        await tenant.settle(token, 100)
        old = await window_line(store, key)
        expect(await tenant.apply(tenant.reserving(key, 1)), CapExceeded)
        clock.advance(999)
        expect(await tenant.apply(tenant.reserving(key, 1)), CapExceeded)
        clock.advance(1)
        await tenant.settle(await tenant.reserve(key, 100), 100)
        fresh = await window_line(store, key)
        assert fresh.line_id != old.line_id
        assert fresh.window_start_ms == moment(2027, 3, 2)
        assert used(fresh) == (0, 100)
        assert used((await store.lines([old.line_id]))[old.line_id]) == (0, 100)
        # The cap over its life goes on counting.
        clock.advance(DAY_MS)
        denial = expect(await tenant.apply(tenant.reserving(key, 51)), CapExceeded)
        assert denial.remaining_nano_usd == 50

    async def test_a_late_end_hits_the_window_that_admitted(
        self, store: Store, clock: SettableClock
    ) -> None:
        """Holds that straddle midnight settle, expire and settle late on the old window."""
        tenant = await Tenant.open(store, balance=10_000)
        key = await tenant.mint(window_cap=daily(1_000))
        tokens = [await tenant.reserve(key, 100) for _ in range(4)]
        old = await window_line(store, key)
        clock.advance(DAY_MS)
        await tenant.reserve(key, 7)
        expect(await tenant.settle(tokens[0], 80), Settled)
        expect(await tenant.expire(tokens[1].hold_id), Expired)
        await tenant.release(tokens[2].hold_id)
        # More than its hold: as far as the old window goes, whatever the new one has.
        more = expect(await tenant.settle(tokens[3], 1_200), Settled)
        assert (more.charged_nano_usd, more.absorbed_nano_usd) == (920, 280)
        late = expect(await tenant.settle(tokens[1], 30), Settled)
        assert (late.late, late.charged_nano_usd) == (True, 0)
        assert used((await store.lines([old.line_id]))[old.line_id]) == (0, 1_000)
        assert used(await window_line(store, key)) == (7, 0)
        late_entry = (await tenant.journal())[-1]
        assert late_entry.kind is JournalKind.LATE_SETTLE
        assert old.line_id in late_entry.line_ids

    async def test_a_repeat_across_midnight_is_the_same(
        self, store: Store, clock: SettableClock
    ) -> None:
        """The repeat of a reserve answers the hold that was made, and opens no window."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(window_cap=daily(100))
        reserve = tenant.reserving(key, 60, ttl_ms=2 * DAY_MS)
        first = expect(await tenant.apply(reserve), Reserved)
        before = await window_line(store, key)
        clock.advance(DAY_MS)
        assert expect(await tenant.apply(reserve), Reserved) == first
        assert (await window_line(store, key)).line_id == before.line_id

    async def test_a_clock_that_goes_back_opens_nothing_again(
        self, store: Store, clock: SettableClock
    ) -> None:
        """A window that was closed is not drawn on again when the clock steps back over it."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(window_cap=daily(100))
        clock.now_ms = moment(2027, 5, 2)
        await tenant.reserve(key, 100)
        clock.advance(-3_600_000)
        expect(await tenant.apply(tenant.reserving(key, 1)), CapExceeded)

    async def test_a_batch_at_midnight(self, store: Store, clock: SettableClock) -> None:
        """Many keys enter their windows in one batch, each on a line of its own."""
        tenant = await Tenant.open(store, balance=10_000)
        keys = [await tenant.mint(window_cap=daily(100)) for _ in range(20)]
        clock.now_ms = moment(2027, 6, 1)
        batch = [tenant.reserving(key, 60) for key in (*keys, *keys)]
        answers = await store.apply(batch)
        assert [type(a) for a in answers] == [Reserved] * 20 + [CapExceeded] * 20
        lines = {(await window_line(store, key)).line_id for key in keys}
        assert len(lines) == 20

    async def test_changed_window_caps(self, store: Store) -> None:
        """A raised or lowered window cap holds at once, within the window that is open."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(window_cap=daily(100))
        first = await tenant.reserve(key, 100)
        opened = await window_line(store, key)
        await _set_window(store, key, daily(150))
        await tenant.reserve(key, 50)
        await _set_window(store, key, daily(20))
        line = await window_line(store, key)
        assert (line.line_id, line.cap, line.ceiling) == (opened.line_id, 20, 150)
        expect(await tenant.apply(tenant.reserving(key, 1)), CapExceeded)
        expect(await tenant.settle(first, 40), Settled)
        assert (await window_line(store, key)).ceiling == 90
        await _set_window(store, key, None)
        await tenant.reserve(key, 900)

    async def test_another_period_is_another_window(self, store: Store) -> None:
        """With another period or zone the next reserve opens a window of that kind."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(window_cap=daily(100))
        token = await tenant.reserve(key, 100)
        day = await window_line(store, key)
        await _set_window(store, key, WindowCap(WindowPeriod.MONTH, "UTC", 300))
        await tenant.reserve(key, 300)
        month = await window_line(store, key)
        assert month.line_id != day.line_id
        expect(await tenant.apply(tenant.reserving(key, 1)), CapExceeded)
        expect(await tenant.settle(token, 100), Settled)
        assert used((await store.lines([day.line_id]))[day.line_id]) == (0, 100)
        assert used(await window_line(store, key)) == (300, 0)

    async def test_windows_follow_the_zone(self, store: Store, clock: SettableClock) -> None:
        """Midnight is the zone's own, also on the day on which its clock changes."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(window_cap=daily(100, "Europe/Berlin"))
        # The clock goes forward on 28 March 2027, a day of 23 hours.
        clock.now_ms = moment(2027, 3, 27, 23)
        await tenant.reserve(key, 100)
        kept = await store.key(key.key_id)
        assert kept is not None
        assert kept.window is not None
        assert kept.window.start_ms == moment(2027, 3, 27, 23)
        assert kept.window.end_ms == moment(2027, 3, 28, 22)
        clock.now_ms = kept.window.end_ms - 1
        expect(await tenant.apply(tenant.reserving(key, 1)), CapExceeded)
        clock.advance(1)
        await tenant.reserve(key, 100)

    async def test_rotated_secret_in_its_grace(self, store: Store, clock: SettableClock) -> None:
        """The old secret opens the key until its grace is over, by the store's clock."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint()
        until_ms = clock() + 100
        await store.change_key(
            key.key_id,
            lambda k: replace(
                k,
                secret_sha256=b"n" * 32,
                previous_secret_sha256=k.secret_sha256,
                previous_secret_until_ms=until_ms,
            ),
        )
        found = await store.key_by_secret(key.secret_sha256)
        assert found is not None
        assert found.key_id == key.key_id
        old = replace(tenant.reserving(key, 10), secret_sha256=key.secret_sha256)
        expect(await tenant.apply(old), Reserved)
        clock.advance(100)
        late = replace(tenant.reserving(key, 10), secret_sha256=key.secret_sha256)
        expect(await tenant.apply(late), Unauthenticated)
        expect(await tenant.apply(replace(late, secret_sha256=b"n" * 32)), Reserved)

    async def test_revocations_are_listed(self, store: Store, clock: SettableClock) -> None:
        """Keys revoked since a moment are told, newest first, and others are not."""
        tenant = await Tenant.open(store)
        keys = [await tenant.mint() for _ in range(4)]
        since_ms = clock() + 1
        for key in keys[:3]:
            clock.advance(1)
            await _revoke(store, key, clock())
        listed = await store.revoked_since(since_ms, 100)
        assert listed == [(key.key_id, since_ms + n) for n, key in reversed([*enumerate(keys[:3])])]
        assert await store.revoked_since(since_ms + 1, 1) == listed[:1]
        assert await store.revoked_since(since_ms + 3, 100) == []

    async def test_holds_of_every_wallet(self, store: Store, clock: SettableClock) -> None:
        """Open holds can be listed over all wallets, oldest first."""
        tenants = [await Tenant.open(store, balance=100) for _ in range(2)]
        made = []
        for tenant in (*tenants, *tenants):
            clock.advance(1)
            made.append((await tenant.reserve(tenant.master, 10)).hold_id)
        assert [hold.hold_id for hold in await store.holds(None, 3)] == made[:3]


async def _set_window(store: Store, key: Key, cap: WindowCap | None) -> None:
    await store.change_key(key.key_id, lambda before: replace(before, window_cap=cap))


async def _revoke(store: Store, key: Key, at_ms: int) -> None:
    await store.change_key(
        key.key_id, lambda k: replace(k, status=KeyStatus.REVOKED, revoked_at_ms=at_ms)
    )
