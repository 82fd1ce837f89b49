"""Reserve, extend and progress: what a hold takes, from where, and how often."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

from dataclasses import replace

from mintgate_core.ledger.errors import (
    AlreadyResolved,
    CapExceeded,
    Denied,
    IdReused,
    NotFound,
    WalletEmpty,
)
from mintgate_core.ledger.operations import (
    Answer,
    Extend,
    Extended,
    Progress,
    Progressed,
    Release,
    Released,
    Reserve,
    Reserved,
)
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
    stated,
    used,
)


@audited
class HoldConformance:
    """See the module."""

    async def test_reserve_draws_on_wallet_and_key(self, store: Store) -> None:
        """A hold is on the wallet line and on the key's line, at the worst case."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=600)
        answer = expect(await tenant.apply(tenant.reserving(key, 250)), Reserved)
        assert answer.token.amount_nano_usd == 250
        assert answer.remaining_nano_usd == 350
        assert used(await tenant.wallet()) == (250, 0)
        assert used(await tenant.cap_line(key)) == (250, 0)

    async def test_reserve_twice_holds_once(self, store: Store) -> None:
        """A repeat with the same id gets the same token and takes nothing more."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=600)
        reserve = tenant.reserving(key, 250)
        first = await tenant.apply(reserve)
        assert await tenant.apply(reserve) == first
        assert await store.apply([reserve, reserve]) == [first, first]
        assert used(await tenant.wallet()) == (250, 0)

    async def test_reserve_twice_does_not_renew(self, store: Store, clock: SettableClock) -> None:
        """A repeat later answers the time at which the first one expires."""
        tenant = await Tenant.open(store, balance=1_000)
        reserve = tenant.reserving(tenant.master, 250)
        first = await tenant.apply(reserve)
        clock.advance(10)
        assert await tenant.apply(reserve) == first

    async def test_reused_hold_id_names_the_field(self, store: Store) -> None:
        """The same id with one thing changed is refused by the thing's name, and nothing moves."""
        tenant = await Tenant.open(store, balance=1_000)
        other_key = await tenant.mint()
        reserve = tenant.reserving(tenant.master, 250)
        await tenant.apply(reserve)
        subject = reserve.subject
        altered: dict[str, Reserve] = {
            "key": replace(reserve, subject=replace(subject, key_id=other_key.key_id)),
            "provider": replace(reserve, subject=replace(subject, provider="provider-b")),
            "model": replace(reserve, subject=replace(subject, model="model-b")),
            "bound": replace(reserve, price=stated(251)),
        }
        for field, operation in altered.items():
            assert expect(await tenant.apply(operation), IdReused).field == field
        assert used(await tenant.wallet()) == (250, 0)
        assert used(await tenant.cap_line(other_key)) == (0, 0)

    async def test_hold_id_of_another_tenant_is_refused(self, store: Store) -> None:
        """An id that another account's open hold has gives no access to that hold."""
        tenant = await Tenant.open(store, balance=1_000)
        stranger = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        hold_id, wallet_id = token.hold_id, stranger.account.wallet_id
        reused = stranger.reserving(stranger.master, 100, hold_id=hold_id)
        assert expect(await stranger.apply(reused), IdReused).field == "key"
        expect(await stranger.apply(Extend(hold_id, wallet_id, 500)), NotFound)
        expect(await stranger.apply(Progress(hold_id, wallet_id, measured(5))), NotFound)
        expect(await stranger.release(hold_id), NotFound)
        expect(await stranger.expire(hold_id), NotFound)
        forged = replace(token, wallet_id=wallet_id, line_ids=stranger.master.line_ids)
        expect(await stranger.settle(forged, 10), NotFound)
        assert used(await tenant.wallet()) == (100, 0)
        assert used(await stranger.wallet()) == (0, 0)

    async def test_resolved_hold_is_not_reserved_again(
        self, store: Store, clock: SettableClock
    ) -> None:
        """After settle, release, expiry or tombstone an id never holds again."""
        tenant = await Tenant.open(store, balance=1_000)
        reserves = [tenant.reserving(tenant.master, 100) for _ in range(4)]
        tokens = [expect(a, Reserved).token for a in await store.apply(reserves[:3])]
        await tenant.settle(tokens[0], 10)
        await tenant.release(tokens[1].hold_id)
        clock.advance(TTL_MS)
        await tenant.expire(tokens[2].hold_id)
        await tenant.release(reserves[3].hold_id)
        for reserve in reserves:
            assert expect(await tenant.apply(reserve), AlreadyResolved).field == "hold_id"
        assert used(await tenant.wallet()) == (0, 10)

    async def test_batch_is_decided_in_order(self, store: Store) -> None:
        """Each operation of a batch sees the effect of those before it, to the nano-USD."""
        tenant = await Tenant.open(store, balance=10_000)
        key = await tenant.mint(cap_nano_usd=1_000)
        answers = await store.apply([tenant.reserving(key, 300) for _ in range(5)])
        assert [isinstance(a, Reserved) for a in answers] == [True, True, True, False, False]
        first = expect(answers[0], Reserved).token
        release = Release(first.hold_id, tenant.account.wallet_id)
        answers = await store.apply(
            [tenant.reserving(key, 400), release, tenant.reserving(key, 400)]
        )
        assert [type(a) for a in answers] == [CapExceeded, Released, Reserved]
        assert used(await tenant.cap_line(key)) == (1_000, 0)

    async def test_whole_life_in_one_batch(self, store: Store) -> None:
        """A hold may be made, extended, reported, settled and asked for again in one batch."""
        tenant = await Tenant.open(store, balance=1_000)
        reserve = tenant.reserving(tenant.master, 100)
        (sample,) = await store.apply([reserve])
        token = expect(sample, Reserved).token
        await tenant.release(token.hold_id)
        reserve = replace(reserve, hold_id=new_id())
        token = replace(token, hold_id=reserve.hold_id)
        hold_id, wallet_id = token.hold_id, tenant.account.wallet_id
        answers: list[Answer] = await store.apply(
            [
                reserve,
                Extend(hold_id, wallet_id, 150),
                Progress(hold_id, wallet_id, measured(40)),
                settling(token, 120),
                settling(token, 130),
                reserve,
            ]
        )
        assert [type(a).__name__ for a in answers] == [
            "Reserved",
            "Extended",
            "Progressed",
            "Settled",
            "Settled",
            "AlreadyResolved",
        ]
        assert used(await tenant.wallet()) == (0, 120)
        assert await store.holds(wallet_id, 10) == []

    async def test_denied_by_the_cap(self, store: Store) -> None:
        """What fits the wallet but not the key moves neither line and says what is missing."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=100)
        denial = expect(await tenant.apply(tenant.reserving(key, 101)), CapExceeded)
        assert (denial.required_nano_usd, denial.remaining_nano_usd) == (101, 100)
        assert used(await tenant.wallet()) == (0, 0)
        assert used(await tenant.cap_line(key)) == (0, 0)

    async def test_denied_by_the_wallet(self, store: Store) -> None:
        """What fits the key but not the wallet moves neither line."""
        tenant = await Tenant.open(store, balance=50)
        key = await tenant.mint(cap_nano_usd=100)
        denial = expect(await tenant.apply(tenant.reserving(key, 60)), WalletEmpty)
        assert (denial.required_nano_usd, denial.remaining_nano_usd) == (60, 50)
        assert used(await tenant.wallet()) == (0, 0)
        assert used(await tenant.cap_line(key)) == (0, 0)

    async def test_denials_write_nothing(self, store: Store) -> None:
        """A refused id leaves no trace, and may succeed once there is money."""
        tenant = await Tenant.open(store, balance=50)
        reserve = tenant.reserving(tenant.master, 60)
        expect(await tenant.apply(reserve), Denied)
        assert len(await tenant.journal()) == 1
        assert await store.holds(tenant.account.wallet_id, 10) == []
        assert await store.wallet_of(reserve.hold_id) is None
        await tenant.grant(10)
        expect(await tenant.apply(reserve), Reserved)

    async def test_extend_raises_both_lines(self, store: Store) -> None:
        """An extension holds the difference; a lower or equal total changes nothing."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=500)
        token = await tenant.reserve(key, 100)
        assert await tenant.extend(token.hold_id, 300) == Extended(300)
        assert await tenant.extend(token.hold_id, 300) == Extended(300)
        assert await tenant.extend(token.hold_id, 200) == Extended(300)
        assert used(await tenant.wallet()) == (300, 0)
        assert used(await tenant.cap_line(key)) == (300, 0)

    async def test_extend_is_denied_whole(self, store: Store) -> None:
        """An extension that does not fit leaves the hold as it was, on every line."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=150)
        token = await tenant.reserve(key, 100)
        denial = expect(await tenant.extend(token.hold_id, 151), CapExceeded)
        assert (denial.required_nano_usd, denial.remaining_nano_usd) == (51, 50)
        assert used(await tenant.wallet()) == (100, 0)
        (hold,) = await store.holds(tenant.account.wallet_id, 10)
        assert hold.amount_nano_usd == 100

    async def test_progress_renews_and_only_grows(self, store: Store, clock: SettableClock) -> None:
        """The highest cost so far counts, and the latest end of life."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        clock.advance(1_000)
        later = clock() + TTL_MS
        assert await tenant.progress(token.hold_id, 40) == Progressed(40, later)
        assert await tenant.progress(token.hold_id, 30, ttl_ms=1_000) == Progressed(40, later)
        (hold,) = await store.holds(tenant.account.wallet_id, 10)
        assert (hold.metered, hold.expires_at_ms) == (measured(40), later)
        assert used(await tenant.wallet()) == (100, 0)

    async def test_unknown_and_resolved_holds_are_told_apart(self, store: Store) -> None:
        """Extend, progress and expire of no hold: never seen, or over."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        await tenant.settle(token, 1)
        for hold_id, kind in ((new_id(), NotFound), (token.hold_id, AlreadyResolved)):
            assert expect(await tenant.extend(hold_id, 200), kind).field == "hold_id"
            assert expect(await tenant.progress(hold_id, 200), kind).field == "hold_id"
            assert expect(await tenant.expire(hold_id), kind).field == "hold_id"
        assert used(await tenant.wallet()) == (0, 1)

    async def test_open_holds_are_listed_oldest_first(
        self, store: Store, clock: SettableClock
    ) -> None:
        """A hold is kept with all that it was made with, and lists are bounded."""
        tenant = await Tenant.open(store, balance=1_000)
        stranger = await Tenant.open(store, balance=1_000)
        await stranger.reserve(stranger.master, 5)
        tokens = []
        for amount in (10, 20, 30):
            clock.advance(1)
            tokens.append(await tenant.reserve(tenant.master, amount, model=f"model-{amount}"))
        holds = await store.holds(tenant.account.wallet_id, 2)
        assert [hold.hold_id for hold in holds] == [token.hold_id for token in tokens[:2]]
        hold = holds[1]
        assert hold.subject == tokens[1].subject
        assert (hold.amount_nano_usd, hold.worst_nano_usd) == (20, 20)
        assert (hold.reserved_at_ms, hold.expires_at_ms) == (clock() - 1, clock() - 1 + TTL_MS)
        assert await store.wallet_of(hold.hold_id) == tenant.account.wallet_id

    async def test_open_holds_are_summed(self, store: Store, clock: SettableClock) -> None:
        """The sums are over every wallet's open holds, and tell those whose time is over."""
        before = await store.open_holds()
        one = await Tenant.open(store, balance=1_000)
        other = await Tenant.open(store, balance=1_000)
        gone = one.reserving(one.master, 70)
        await store.apply([gone, one.reserving(one.master, 30), other.reserving(other.master, 5)])
        await one.apply(Release(gone.hold_id, one.account.wallet_id))
        open_now = await store.open_holds()
        clock.advance(TTL_MS)
        assert open_now.count == before.count + 2
        assert open_now.amount_nano_usd == before.amount_nano_usd + 35
        assert open_now.overdue_count == before.overdue_count
        assert (await store.open_holds()).overdue_count == open_now.count
