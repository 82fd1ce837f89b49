"""Settle, release and expire: how an open hold ends, once."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

from dataclasses import replace

from mintgate_core.ledger.errors import AlreadyResolved, Invalid
from mintgate_core.ledger.operations import Expired, Released, Settled
from mintgate_core.ledger.types import EventStatus, JournalKind, Measured, SettledBy
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


@audited
class SettleConformance:
    """See the module."""

    async def test_settle_charges_the_cost_and_frees_the_rest(self, store: Store) -> None:
        """Below the hold, at it, and at nothing: the charge is the cost."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=500)
        for cost, spent in ((40, 40), (100, 140), (0, 140)):
            token = await tenant.reserve(key, 100)
            answer = await tenant.settle(token, cost)
            assert answer == Settled(cost, cost, 0, late=False, remaining_nano_usd=500 - spent)
            assert used(await tenant.wallet()) == (0, spent)
            assert used(await tenant.cap_line(key)) == (0, spent)

    async def test_first_settle_wins(self, store: Store) -> None:
        """A second settle, the same or another, gets the first one's numbers and charges none."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        first = await tenant.settle(token, 40)
        assert await tenant.settle(token, 40) == first
        assert await tenant.settle(token, 90) == first
        assert await tenant.settle(token, 0, SettledBy.HOLD) == first
        assert used(await tenant.wallet()) == (0, 40)
        assert len(await tenant.events()) == 1

    async def test_two_settles_in_one_batch(self, store: Store) -> None:
        """Within a batch too the first of two different settles wins."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        answers = await store.apply([settling(token, 30), settling(token, 70)])
        assert [expect(a, Settled).charged_nano_usd for a in answers] == [30, 30]
        assert used(await tenant.wallet()) == (0, 30)

    async def test_settle_by_hold_charges_all_of_it(self, store: Store) -> None:
        """Where nothing could be read the whole hold is charged, extensions included."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        await tenant.extend(token.hold_id, 180)
        answer = expect(await tenant.settle(token, 3, SettledBy.HOLD), Settled)
        assert (answer.actual_nano_usd, answer.charged_nano_usd) == (180, 180)
        (event,) = await tenant.events()
        assert (event.held, event.settled_by, event.measured) == (180, SettledBy.HOLD, Measured())

    async def test_overrun_with_room_is_charged(self, store: Store) -> None:
        """A cost above the hold is charged where every line has room, and flagged."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=500)
        token = await tenant.reserve(key, 100)
        answer = expect(await tenant.settle(token, 130), Settled)
        assert (answer.charged_nano_usd, answer.absorbed_nano_usd) == (130, 0)
        (event,) = await tenant.events()
        assert event.overrun
        assert not event.late

    async def test_overrun_takes_what_the_tightest_line_has(self, store: Store) -> None:
        """With partial room the rest is absorbed, and the cap is exactly reached."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=110)
        token = await tenant.reserve(key, 100)
        answer = expect(await tenant.settle(token, 130), Settled)
        assert (answer.charged_nano_usd, answer.absorbed_nano_usd) == (110, 20)
        assert answer.remaining_nano_usd == 0
        assert used(await tenant.wallet()) == used(await tenant.cap_line(key)) == (0, 110)

    async def test_overrun_without_room_is_absorbed(self, store: Store) -> None:
        """With no room the hold is charged and never a nano-USD more."""
        tenant = await Tenant.open(store, balance=100)
        token = await tenant.reserve(tenant.master, 100)
        answer = expect(await tenant.settle(token, 130), Settled)
        assert (answer.charged_nano_usd, answer.absorbed_nano_usd) == (100, 30)
        (event,) = await tenant.events()
        assert (event.actual, event.charged, event.absorbed) == (130, 100, 30)

    async def test_overrun_leaves_other_holds_alone(self, store: Store) -> None:
        """An overrun takes free room only, never what another request holds."""
        tenant = await Tenant.open(store, balance=200)
        over = await tenant.reserve(tenant.master, 100)
        other = await tenant.reserve(tenant.master, 90)
        assert expect(await tenant.settle(over, 150), Settled).charged_nano_usd == 110
        answer = expect(await tenant.settle(other, 90), Settled)
        assert (answer.charged_nano_usd, answer.absorbed_nano_usd) == (90, 0)

    async def test_release_gives_everything_back(self, store: Store) -> None:
        """A release frees the hold, makes no event, and may be repeated."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        assert await tenant.release(token.hold_id) == Released(100)
        assert await tenant.release(token.hold_id) == Released(100)
        assert used(await tenant.wallet()) == (0, 0)
        assert await tenant.events() == []

    async def test_release_after_settle_is_refused(self, store: Store) -> None:
        """A charge is not undone by a release."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        await tenant.settle(token, 60)
        assert expect(await tenant.release(token.hold_id), AlreadyResolved).field == "hold_id"
        assert used(await tenant.wallet()) == (0, 60)

    async def test_release_before_reserve_leaves_a_tombstone(self, store: Store) -> None:
        """A reserve that arrives after its own release holds nothing."""
        tenant = await Tenant.open(store, balance=1_000)
        reserve = tenant.reserving(tenant.master, 100)
        assert await tenant.release(reserve.hold_id) == Released(0)
        assert await tenant.release(reserve.hold_id) == Released(0)
        expect(await tenant.apply(reserve), AlreadyResolved)
        assert used(await tenant.wallet()) == (0, 0)
        assert await store.wallet_of(reserve.hold_id) == tenant.account.wallet_id
        (entry,) = (await tenant.journal())[1:]
        assert (entry.kind, entry.held, entry.actual) == (JournalKind.RELEASE, 0, 0)

    async def test_nothing_expires_before_its_time(
        self, store: Store, clock: SettableClock
    ) -> None:
        """Whoever asks, a hold expires at its millisecond by the store's clock and not before."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        clock.advance(TTL_MS - 1)
        assert await store.due_holds(10) == []
        assert expect(await tenant.expire(token.hold_id), Invalid).field == "hold_id"
        clock.advance(1)
        assert await store.due_holds(10) == [(token.hold_id, tenant.account.wallet_id)]
        assert await tenant.expire(token.hold_id) == Expired(0)
        assert used(await tenant.wallet()) == (0, 0)
        assert await store.due_holds(10) == []

    async def test_progress_puts_an_expiry_off(self, store: Store, clock: SettableClock) -> None:
        """A hold that reports lives on, even past the time it was made for."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        clock.advance(TTL_MS - 1)
        await tenant.progress(token.hold_id, 10)
        clock.advance(TTL_MS - 1)
        expect(await tenant.expire(token.hold_id), Invalid)

    async def test_due_holds_come_oldest_first(self, store: Store, clock: SettableClock) -> None:
        """The sweeper's list is bounded and begins with the longest overdue."""
        tenant = await Tenant.open(store, balance=1_000)
        tokens = [
            await tenant.reserve(tenant.master, 1, ttl_ms=ttl_ms)
            for ttl_ms in (3_000, 1_000, 2_000)
        ]
        clock.advance(2_999)
        due = [hold_id for hold_id, _ in await store.due_holds(10)]
        assert due == [tokens[1].hold_id, tokens[2].hold_id]
        clock.advance(1)
        assert [hold_id for hold_id, _ in await store.due_holds(1)] == due[:1]

    async def test_expiry_charges_what_was_reported(
        self, store: Store, clock: SettableClock
    ) -> None:
        """Work that was reported is not free because its reporter died."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        await tenant.progress(token.hold_id, 30)
        clock.advance(TTL_MS)
        assert await tenant.expire(token.hold_id) == Expired(30)
        expect(await tenant.expire(token.hold_id), AlreadyResolved)
        assert await tenant.release(token.hold_id) == Released(0)
        assert used(await tenant.wallet()) == (0, 30)
        (event,) = await tenant.events()
        assert (event.settled_by, event.status) == (SettledBy.EXPIRY, EventStatus.EXPIRED)
        assert (event.measured, event.latency_ms) == (measured(30), TTL_MS)

    async def test_expiry_beyond_the_hold_obeys_the_lines(
        self, store: Store, clock: SettableClock
    ) -> None:
        """A reported cost above hold and room is absorbed like any overrun."""
        tenant = await Tenant.open(store, balance=110)
        token = await tenant.reserve(tenant.master, 100)
        await tenant.progress(token.hold_id, 150)
        clock.advance(TTL_MS)
        assert await tenant.expire(token.hold_id) == Expired(110)
        (event,) = await tenant.events()
        assert (event.actual, event.absorbed, event.overrun) == (150, 40, True)

    async def test_settle_carries_its_details_to_the_event(self, store: Store) -> None:
        """What is told with a settle is read back with the event, unit for unit."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        exact = replace(
            measured(41),
            variants=("service_tier=flex",),
            cache_read_tokens=3,
            cache_write_tokens=4,
        )
        settle = replace(
            settling(token, 41, SettledBy.COUNTED),
            measured=exact,
            model="model-a-2027",
            status=EventStatus.CLIENT_GONE,
            price_version="card-2",
            http_status=206,
            latency_ms=321,
            first_byte_ms=123,
            reasoning_tokens=5,
            provider_request_id="resp_1",
        )
        await tenant.apply(settle)
        (event,) = await tenant.events()
        for field in (
            "model",
            "measured",
            "status",
            "settled_by",
            "price_version",
            "http_status",
            "latency_ms",
            "first_byte_ms",
            "reasoning_tokens",
            "provider_request_id",
        ):
            assert getattr(event, field) == getattr(settle, field), field
        assert (event.subject, event.held) == (token.subject, 100)
        assert (event.input_tokens, event.output_tokens) == (21, 20)
        assert (event.cache_read_tokens, event.cache_write_tokens) == (3, 4)

    async def test_cost_of_part_of_a_nano_dollar_is_rounded_up_once(self, store: Store) -> None:
        """The audit recomputes each charge from its row, rounded up over the whole sum."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        exact = Measured(
            units=((1, 3), (2, 1)), unit_prices=((1, 100), (2, 701)), amount_nano_usd=2
        )
        settled = await tenant.apply(replace(settling(token, 0), measured=exact))
        assert expect(settled, Settled).charged_nano_usd == 2

    async def test_settle_before_reserve_is_recorded(self, store: Store) -> None:
        """A charge whose hold the store never saw is made late, and its id is used up."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=500)
        reserve = tenant.reserving(key, 100, hold_id=new_id())
        token = replace(await tenant.reserve(key, 100), hold_id=reserve.hold_id)
        answer = expect(await tenant.settle(token, 70), Settled)
        assert (answer.charged_nano_usd, answer.late) == (70, True)
        expect(await tenant.apply(reserve), AlreadyResolved)
        assert await tenant.settle(token, 70) == answer
        assert used(await tenant.cap_line(key)) == (100, 70)
