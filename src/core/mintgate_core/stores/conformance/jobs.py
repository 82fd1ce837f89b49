"""Jobs: holds that stay open while the provider works on, and who may poll them."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

import asyncio
from dataclasses import replace

from mintgate_core.ledger.errors import AlreadyResolved, IdReused, LeaseLost, NotFound
from mintgate_core.ledger.limits import JOB_LAST_LOOK_MS, JOB_TTL_MS_MAX
from mintgate_core.ledger.operations import (
    Expired,
    Postponed,
    Progressed,
    Released,
    RenewedJob,
    RenewJob,
    Reserved,
    Settled,
    StartedJob,
    StartJob,
)
from mintgate_core.ledger.types import HoldJob
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance.builders import (
    TTL_MS,
    SettableClock,
    Tenant,
    audited,
    expect,
    measured,
    new_id,
    settling,
    used,
)

DAY_MS = 86_400_000
LEASE_MS = 30_000


@audited
class JobConformance:
    """See the module."""

    async def test_job_keeps_its_hold_open(self, store: Store, clock: SettableClock) -> None:
        """The hold of a job lives to the job's deadline, past every time to live of its own."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        deadline_ms = clock() + DAY_MS
        assert await tenant.start_job(token, ttl_ms=DAY_MS) == StartedJob(deadline_ms)
        clock.advance(DAY_MS - 1)
        assert await store.due_holds(10) == []
        (hold,) = await store.holds(tenant.account.wallet_id, 10)
        assert (hold.expires_at_ms, hold.job) == (deadline_ms, HoldJob.ALIVE)
        assert used(await tenant.wallet()) == (100, 0)

    async def test_open_jobs_are_summed(self, store: Store, clock: SettableClock) -> None:
        """They are counted among the open holds, and the oldest tells its age."""
        tenant = await Tenant.open(store, balance=1_000)
        before = await store.open_holds()
        first = await tenant.reserve(tenant.master, 100)
        await tenant.start_job(first, ttl_ms=DAY_MS)
        await tenant.reserve(tenant.master, 100)
        clock.advance(TTL_MS)
        now = await store.open_holds()
        assert (now.count, now.job_count) == (before.count + 2, before.job_count + 1)
        assert now.oldest_job_age_ms >= TTL_MS
        assert before.job_count or now.oldest_job_age_ms == TTL_MS

    async def test_nobody_moves_the_deadline_by_reporting(
        self, store: Store, clock: SettableClock
    ) -> None:
        """Progress reports a cost on a job's hold, and leaves its end where it is."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        await tenant.start_job(token, ttl_ms=TTL_MS)
        deadline_ms = clock() + TTL_MS
        clock.advance(TTL_MS - 1)
        answer = await tenant.progress(token.hold_id, 40, ttl_ms=3_600_000)
        assert answer == Progressed(40, deadline_ms)

    async def test_started_twice_is_started_once(self, store: Store, clock: SettableClock) -> None:
        """A repeat answers the same deadline; another job for the hold is refused by the field."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        first = await tenant.start_job(token, ttl_ms=DAY_MS)
        clock.advance(5)
        assert await tenant.start_job(token, ttl_ms=TTL_MS) == first
        for field in ("surface", "operation", "object_id"):
            refused = expect(await tenant.start_job(token, **{field: "another"}), IdReused)
            assert refused.field == field
        assert len(await store.claim_jobs(10, LEASE_MS)) == 1

    async def test_job_needs_an_open_hold(self, store: Store) -> None:
        """No job without a hold, on one that is over, or on another tenant's."""
        tenant = await Tenant.open(store, balance=1_000)
        stranger = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        wallet_id = stranger.account.wallet_id
        others = StartJob(token.hold_id, wallet_id, "surface-a", "batch", "batch-1")
        expect(await stranger.apply(others), NotFound)
        await tenant.settle(token, 10)
        expect(await tenant.start_job(token), AlreadyResolved)
        unknown = StartJob(new_id(), wallet_id, "surface-a", "batch", "batch-1")
        expect(await stranger.apply(unknown), NotFound)
        expect(await stranger.apply(RenewJob(new_id(), wallet_id, 1, 0)), NotFound)
        assert await store.claim_jobs(10, LEASE_MS) == []

    async def test_lost_hold_is_made_again(self, store: Store, clock: SettableClock) -> None:
        """A job that a failover lost with its hold starts again from the hold's token, once.

        It holds what it held, is polled, and is charged as if nothing had been lost.
        """
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=300)
        token = replace(await tenant.reserve(key, 100), hold_id=new_id())
        first = expect(await tenant.start_job(token, token=token, ttl_ms=DAY_MS), StartedJob)
        assert first.deadline_ms == clock() + DAY_MS
        assert used(await tenant.cap_line(key)) == used(await tenant.wallet()) == (200, 0)
        assert await tenant.start_job(token, token=token, ttl_ms=DAY_MS) == first
        assert used(await tenant.wallet()) == (200, 0)
        (claimed,) = await store.claim_jobs(10, LEASE_MS)
        assert (claimed.job.hold_id, claimed.hold.subject) == (token.hold_id, token.subject)
        assert expect(await tenant.settle(token, 70), Settled).charged_nano_usd == 70
        expect(await tenant.start_job(token, token=token), AlreadyResolved)

    async def test_lost_hold_never_passes_a_cap(self, store: Store) -> None:
        """Where the money is gone meanwhile, what is left is held, and the rest absorbed."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=150)
        token = replace(await tenant.reserve(key, 100), hold_id=new_id())
        expect(await tenant.start_job(token, token=token), StartedJob)
        assert used(await tenant.cap_line(key)) == (150, 0)
        assert await tenant.settle(token, 80) == Settled(80, 50, 30, False, 0)
        none_left = replace(token, hold_id=new_id())
        await tenant.recap(key, 0)
        expect(await tenant.start_job(none_left, token=none_left), StartedJob)
        assert used(await tenant.cap_line(key)) == (100, 50)

    async def test_job_ends_with_its_hold(self, store: Store) -> None:
        """A settle or a release takes the job away in the same transaction."""
        tenant = await Tenant.open(store, balance=1_000)
        settled, released = [await tenant.reserve(tenant.master, 100) for _ in range(2)]
        for token in (settled, released):
            await tenant.start_job(token)
        assert expect(await tenant.settle(settled, 70), Settled).charged_nano_usd == 70
        assert await tenant.release(released.hold_id) == Released(100)
        assert await store.claim_jobs(10, LEASE_MS) == []
        renewal = RenewJob(settled.hold_id, tenant.account.wallet_id, 0, 0)
        expect(await tenant.apply(renewal), AlreadyResolved)
        assert used(await tenant.wallet()) == (0, 70)

    async def test_whole_life_in_one_batch(self, store: Store) -> None:
        """A job may be started, started again and settled in the batch of its reserve."""
        tenant = await Tenant.open(store, balance=1_000)
        sample = await tenant.reserve(tenant.master, 100)
        await tenant.release(sample.hold_id)
        reserve = tenant.reserving(tenant.master, 100)
        start = StartJob(reserve.hold_id, reserve.wallet_id, "surface-a", "batch", "batch-1")
        answers = await store.apply([reserve, start, start])
        token = expect(answers[0], Reserved).token
        assert answers[1] == answers[2]
        again = tenant.reserving(tenant.master, 100)
        start = StartJob(again.hold_id, again.wallet_id, "surface-a", "batch", "batch-2")
        forged = settling(token, 30)
        answers = await store.apply([again, start, forged])
        assert [type(answer) for answer in answers] == [Reserved, StartedJob, Settled]
        (left,) = await store.claim_jobs(10, LEASE_MS)
        assert left.job.object_id == "batch-2"

    async def test_claim_has_all_that_a_poller_needs(
        self, store: Store, clock: SettableClock
    ) -> None:
        """A claimed job comes as it was started, byte by byte, with its hold."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        state = bytes(range(256)) * 64
        await tenant.start_job(token, state=state, ttl_ms=DAY_MS, measured=measured(5))
        ((claimed),) = await store.claim_jobs(10, LEASE_MS)
        job, hold = claimed.job, claimed.hold
        assert (job.surface, job.operation, job.object_id) == ("surface-a", "batch", "batch-1")
        assert (job.state, job.attempt) == (state, 1)
        assert (job.created_at_ms, job.deadline_ms) == (clock(), clock() + DAY_MS)
        assert job.due_at_ms == clock() + LEASE_MS
        assert (hold.hold_id, hold.subject, hold.metered) == (
            token.hold_id,
            token.subject,
            measured(5),
        )

    async def test_claims_are_by_time_and_bounded(self, store: Store, clock: SettableClock) -> None:
        """Only what is due is given out, the longest due first, and no more than asked for."""
        tenant = await Tenant.open(store, balance=1_000)
        for first_poll_ms in (30, 10, 20, 40):
            token = await tenant.reserve(tenant.master, 10)
            await tenant.start_job(token, first_poll_ms=first_poll_ms, object_id=str(first_poll_ms))
        clock.advance(9)
        assert await store.claim_jobs(10, LEASE_MS) == []
        clock.advance(22)
        first = await store.claim_jobs(2, LEASE_MS)
        rest = await store.claim_jobs(10, LEASE_MS)
        assert [one.job.object_id for one in first] == ["10", "20"]
        assert [one.job.object_id for one in rest] == ["30"]

    async def test_nobody_shares_a_claim(self, store: Store, clock: SettableClock) -> None:
        """Claims that race get different jobs; after the lease, and not before, it is due again."""
        tenant = await Tenant.open(store, balance=1_000)
        for number in range(12):
            token = await tenant.reserve(tenant.master, 10)
            await tenant.start_job(token, object_id=str(number))
        taken = await asyncio.gather(*(store.claim_jobs(4, LEASE_MS) for _ in range(6)))
        ids = [one.job.object_id for claim in taken for one in claim]
        # One that passes over what another has just locked may come back with less.
        while rest := await store.claim_jobs(4, LEASE_MS):
            ids += [one.job.object_id for one in rest]
        assert sorted(ids) == sorted(str(number) for number in range(12))
        clock.advance(LEASE_MS - 1)
        assert await store.claim_jobs(20, LEASE_MS) == []
        clock.advance(1)
        again = await store.claim_jobs(20, LEASE_MS)
        assert {one.job.attempt for one in again} == {2}
        assert len(again) == 12

    async def test_claims_race_with_ends(self, store: Store) -> None:
        """Claims, renewals and settles of the same jobs at once: no job stays without its hold."""
        tenant = await Tenant.open(store, balance=10_000)
        wallet_id = tenant.account.wallet_id
        tokens = [await tenant.reserve(tenant.master, 10) for _ in range(12)]
        for token in tokens:
            await tenant.start_job(token)
        await store.claim_jobs(6, LEASE_MS)
        settles = [settling(token, 5) for token in tokens]
        renewals = [RenewJob(token.hold_id, wallet_id, 1, 0) for token in reversed(tokens)]
        await asyncio.gather(
            store.apply(renewals),
            store.claim_jobs(12, LEASE_MS),
            store.apply(settles[:6]),
            store.claim_jobs(12, LEASE_MS),
            store.apply(settles[6:]),
        )
        assert await store.claim_jobs(20, LEASE_MS) == []
        assert used(await tenant.wallet()) == (0, 60)

    async def test_only_the_newest_claim_renews(self, store: Store, clock: SettableClock) -> None:
        """Who lost the lease cannot take the job from who has it; to settle it is always right."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        wallet_id = tenant.account.wallet_id
        await tenant.start_job(token, ttl_ms=DAY_MS)
        await store.claim_jobs(1, LEASE_MS)
        clock.advance(LEASE_MS)
        await store.claim_jobs(1, LEASE_MS)
        stale = RenewJob(token.hold_id, wallet_id, 1, 0, measured=measured(9))
        assert expect(await tenant.apply(stale), LeaseLost).field == "attempt"
        assert await store.claim_jobs(1, LEASE_MS) == []
        renewal = RenewJob(token.hold_id, wallet_id, 2, 500, measured=measured(7), state=b"next")
        due_ms = clock() + 500
        started_ms = clock() - LEASE_MS
        assert await tenant.apply(renewal) == RenewedJob(7, started_ms + DAY_MS, due_ms)
        clock.advance(500)
        ((claimed),) = await store.claim_jobs(1, LEASE_MS)
        assert (claimed.job.attempt, claimed.job.state) == (3, b"next")
        expect(await tenant.settle(token, 60), Settled)

    async def test_deadline_is_renewed_within_its_bound(
        self, store: Store, clock: SettableClock
    ) -> None:
        """A renewal moves the deadline on, never back, and never past two days from the start."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        wallet_id, started_ms = tenant.account.wallet_id, clock()
        await tenant.start_job(token, ttl_ms=TTL_MS)
        await store.claim_jobs(1, LEASE_MS)
        for ttl_ms, lasts_ms in (
            (2 * TTL_MS, 2 * TTL_MS),
            (TTL_MS, 2 * TTL_MS),
            (0, 2 * TTL_MS),
            (JOB_TTL_MS_MAX + 1, JOB_TTL_MS_MAX),
        ):
            renewal = RenewJob(token.hold_id, wallet_id, 1, DAY_MS, ttl_ms)
            answer = expect(await tenant.apply(renewal), RenewedJob)
            assert answer.deadline_ms == started_ms + lasts_ms
            assert answer.due_at_ms == min(clock() + DAY_MS, answer.deadline_ms)
        (hold,) = await store.holds(wallet_id, 10)
        assert hold.expires_at_ms == started_ms + JOB_TTL_MS_MAX

    async def test_job_is_given_out_a_last_time(self, store: Store, clock: SettableClock) -> None:
        """At its deadline a job is due once more, then its hold expires at the last estimate."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        wallet_id = tenant.account.wallet_id
        await tenant.start_job(
            token, ttl_ms=TTL_MS, first_poll_ms=10 * TTL_MS, measured=measured(30)
        )
        clock.advance(TTL_MS)
        assert await tenant.expire(token.hold_id) == Postponed(clock() + JOB_LAST_LOOK_MS)
        ((claimed),) = await store.claim_jobs(1, LEASE_MS)
        assert claimed.hold.job is HoldJob.LAST_LOOK
        renewal = RenewJob(token.hold_id, wallet_id, 1, 0, ttl_ms=DAY_MS, measured=measured(40))
        expired_ms = clock() + JOB_LAST_LOOK_MS
        assert await tenant.apply(renewal) == RenewedJob(40, expired_ms, expired_ms)
        clock.advance(JOB_LAST_LOOK_MS - 1)
        assert await store.claim_jobs(1, LEASE_MS) == []
        clock.advance(1)
        assert await tenant.expire(token.hold_id) == Expired(40)
        assert await store.claim_jobs(1, LEASE_MS) == []
        late = expect(await tenant.settle(token, 55), Settled)
        assert (late.late, late.charged_nano_usd) == (True, 15)
        assert used(await tenant.wallet()) == (0, 55)

    async def test_last_look_leaves_a_lease_alone(self, store: Store, clock: SettableClock) -> None:
        """A deadline that passes during a claim gives the job to nobody else before its end."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        await tenant.start_job(token, ttl_ms=TTL_MS)
        clock.advance(TTL_MS - 1)
        await store.claim_jobs(1, LEASE_MS)
        clock.advance(1)
        expect(await tenant.expire(token.hold_id), Postponed)
        assert await store.claim_jobs(1, LEASE_MS) == []
        clock.advance(LEASE_MS)
        assert len(await store.claim_jobs(1, LEASE_MS)) == 1

    async def test_renewal_after_the_deadline_asks_for_the_last_look(
        self, store: Store, clock: SettableClock
    ) -> None:
        """Who gives a job back after its deadline does not keep it from being looked at again."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        await tenant.start_job(token, ttl_ms=TTL_MS)
        await store.claim_jobs(1, 2 * TTL_MS)
        clock.advance(TTL_MS)
        renewal = RenewJob(token.hold_id, tenant.account.wallet_id, 1, 3_600_000)
        answer = expect(await tenant.apply(renewal), RenewedJob)
        assert answer.deadline_ms == clock() + JOB_LAST_LOOK_MS
        ((claimed),) = await store.claim_jobs(1, LEASE_MS)
        assert claimed.hold.job is HoldJob.LAST_LOOK
