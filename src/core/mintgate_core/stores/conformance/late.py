"""Late settles: a hold that was gone is charged all the same, and never twice."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

from dataclasses import replace

from mintgate_core.ledger.errors import AlreadyResolved
from mintgate_core.ledger.operations import Expire, Expired, HoldToken, Settled, StartedJob
from mintgate_core.ledger.types import JournalKind, Key, SettledBy
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance.builders import (
    TTL_MS,
    SettableClock,
    Tenant,
    audited,
    expect,
    new_id,
    settling,
    unique,
    used,
)


@audited
class LateConformance:
    """See the module."""

    async def test_late_settle_after_an_expiry_that_charged_nothing(
        self, store: Store, clock: SettableClock
    ) -> None:
        """The whole cost is charged, on both lines, once."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await _expired(tenant, clock, hold=100, reported=0)
        answer = expect(await tenant.settle(token, 80), Settled)
        assert (answer.actual_nano_usd, answer.charged_nano_usd, answer.late) == (80, 80, True)
        assert await tenant.settle(token, 95) == answer
        assert used(await tenant.wallet()) == (0, 80)
        (event,) = await tenant.events()
        assert (event.late, event.prior_nano_usd, event.held) == (True, 0, 100)

    async def test_late_settle_without_a_line(self, store: Store) -> None:
        """A failover may lose a line with the hold: what is left of the lines is charged, once.

        A job that was lost so holds and ends on those as well.
        """
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=500)
        whole = await tenant.reserve(key, 100)
        lost = replace(whole, hold_id=new_id(), line_ids=(*whole.line_ids, unique()))
        answer = expect(await tenant.settle(lost, 80), Settled)
        assert (answer.charged_nano_usd, answer.late) == (80, True)
        assert await tenant.settle(lost, 80) == answer
        assert used(await tenant.wallet()) == used(await tenant.cap_line(key)) == (100, 80)
        job = replace(lost, hold_id=new_id())
        expect(await tenant.start_job(job, token=job), StartedJob)
        assert used(await tenant.cap_line(key)) == (200, 80)
        assert expect(await tenant.settle(job, 30), Settled).charged_nano_usd == 30
        assert used(await tenant.wallet()) == used(await tenant.cap_line(key)) == (100, 110)

    async def test_late_settle_charges_only_the_difference(
        self, store: Store, clock: SettableClock
    ) -> None:
        """What the expiry charged is taken off; together they are the cost."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await _expired(tenant, clock, hold=100, reported=30)
        answer = expect(await tenant.settle(token, 80), Settled)
        assert (answer.actual_nano_usd, answer.charged_nano_usd) == (50, 50)
        assert await tenant.settle(token, 80) == answer
        assert used(await tenant.wallet()) == (0, 80)
        late, expiry = await tenant.events()
        assert (late.prior_nano_usd, late.actual, expiry.actual) == (30, 50, 30)

    async def test_late_settle_below_the_expiry_charges_nothing(
        self, store: Store, clock: SettableClock
    ) -> None:
        """A cost below what was reported takes nothing back, and is the same request."""
        tenant = await Tenant.open(store, balance=1_000)
        for cost in (20, 0):
            token = await _expired(tenant, clock, hold=100, reported=30)
            answer = expect(await tenant.settle(token, cost), Settled)
            assert (answer.actual_nano_usd, answer.charged_nano_usd) == (0, 0)
        assert used(await tenant.wallet()) == (0, 60)
        (row,) = await store.usage(
            tenant.account.wallet_id, key_id="", from_ms=0, to_ms=clock() + 1
        )
        assert (row.usage.request_count, row.usage.charged) == (2, 60)

    async def test_late_settle_counts_absorbed_costs_as_paid(
        self, store: Store, clock: SettableClock
    ) -> None:
        """What the house absorbed at the expiry is not charged to the tenant later."""
        tenant = await Tenant.open(store, balance=100)
        token = await _expired(tenant, clock, hold=100, reported=150)
        assert used(await tenant.wallet()) == (0, 100)
        await tenant.grant(1_000)
        answer = expect(await tenant.settle(token, 170), Settled)
        assert (answer.actual_nano_usd, answer.charged_nano_usd) == (20, 20)
        assert used(await tenant.wallet()) == (0, 120)

    async def test_late_settle_by_hold_charges_the_token(
        self, store: Store, clock: SettableClock
    ) -> None:
        """Without usage the token's amount is the cost, less what was charged."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await _expired(tenant, clock, hold=100, reported=30)
        answer = expect(await tenant.settle(token, 0, SettledBy.HOLD), Settled)
        assert (answer.actual_nano_usd, answer.charged_nano_usd) == (70, 70)

    async def test_settle_by_hold_of_a_job_that_was_opened_with_less(self, store: Store) -> None:
        """Without usage a job costs what its token held, not what was left to hold again."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=150)
        job = replace(await tenant.reserve(key, 100), hold_id=new_id())
        expect(await tenant.start_job(job, token=job), StartedJob)
        assert used(await tenant.cap_line(key)) == (150, 0)
        assert await tenant.settle(job, 0, SettledBy.HOLD) == Settled(100, 50, 50, False, 0)
        (event,) = await tenant.events()
        assert (event.actual, event.held, event.overrun) == (100, 100, True)

    async def test_late_settle_is_never_refused(self, store: Store, clock: SettableClock) -> None:
        """What no line can pay any more is absorbed; the caps hold to the nano-USD."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=100)
        token = await _expired(tenant, clock, hold=60, reported=0, key=key)
        await tenant.reserve(key, 90)
        answer = expect(await tenant.settle(token, 60), Settled)
        assert (answer.charged_nano_usd, answer.absorbed_nano_usd) == (10, 50)
        assert used(await tenant.cap_line(key)) == (90, 10)
        assert used(await tenant.wallet()) == (90, 10)

    async def test_late_settle_under_a_lowered_cap_is_absorbed(
        self, store: Store, clock: SettableClock
    ) -> None:
        """Room below zero charges nothing rather than something negative."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=200)
        token = await _expired(tenant, clock, hold=60, reported=0, key=key)
        await tenant.reserve(key, 150)
        await tenant.recap(key, 50)
        answer = expect(await tenant.settle(token, 60), Settled)
        assert (answer.charged_nano_usd, answer.absorbed_nano_usd) == (0, 60)
        assert answer.remaining_nano_usd == 0

    async def test_late_settle_after_release(self, store: Store) -> None:
        """Work that was done after all is charged, and the release still answers the same."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        released = await tenant.release(token.hold_id)
        answer = expect(await tenant.settle(token, 70), Settled)
        assert (answer.charged_nano_usd, answer.late) == (70, True)
        assert await tenant.release(token.hold_id) == released
        assert used(await tenant.wallet()) == (0, 70)

    async def test_release_after_a_lone_late_settle_is_refused(self, store: Store) -> None:
        """A charge without a hold is a charge: a release does not undo it."""
        tenant = await Tenant.open(store, balance=1_000)
        sample = await tenant.reserve(tenant.master, 100)
        lost = replace(sample, hold_id=new_id())
        await tenant.settle(lost, 10)
        expect(await tenant.release(lost.hold_id), AlreadyResolved)
        assert used(await tenant.wallet()) == (100, 10)

    async def test_expiry_and_settle_race_in_one_batch(
        self, store: Store, clock: SettableClock
    ) -> None:
        """Whichever comes first, a due hold is resolved once and its cost charged once."""
        tenant = await Tenant.open(store, balance=1_000)
        first, second = [await tenant.reserve(tenant.master, 100) for _ in range(2)]
        await tenant.progress(first.hold_id, 20)
        await tenant.progress(second.hold_id, 20)
        clock.advance(TTL_MS)
        expire_then_settle = await store.apply([_expire(first), settling(first, 50)])
        settle_then_expire = await store.apply([settling(second, 50), _expire(second)])
        assert expect(expire_then_settle[1], Settled).charged_nano_usd == 30
        assert expect(settle_then_expire[0], Settled).charged_nano_usd == 50
        expect(settle_then_expire[1], AlreadyResolved)
        assert used(await tenant.wallet()) == (0, 100)
        kinds = [entry.kind for entry in (await tenant.journal())[1:]]
        assert kinds == [JournalKind.EXPIRE, JournalKind.LATE_SETTLE, JournalKind.SETTLE]


async def _expired(
    tenant: Tenant, clock: SettableClock, *, hold: int, reported: int, key: Key | None = None
) -> HoldToken:
    """The token of a hold that expired after this cost was reported."""
    token = await tenant.reserve(key or tenant.master, hold)
    if reported:
        await tenant.progress(token.hold_id, reported)
    clock.advance(TTL_MS)
    expect(await tenant.expire(token.hold_id), Expired)
    return token


def _expire(token: HoldToken) -> Expire:
    return Expire(token.hold_id, token.wallet_id)
