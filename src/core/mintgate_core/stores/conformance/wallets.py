"""Wallets: grants, the journal, unknown ids, and a clock that never goes back."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

import asyncio
from dataclasses import replace

from mintgate_core.ledger.errors import (
    AlreadyResolved,
    CapExceeded,
    IdReused,
    Invalid,
    NotFound,
    WalletEmpty,
)
from mintgate_core.ledger.money import UNLIMITED
from mintgate_core.ledger.operations import (
    Answer,
    Expire,
    Extend,
    Grant,
    Granted,
    Operation,
    Progress,
    Release,
    Reserved,
)
from mintgate_core.ledger.types import JournalKind
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance.builders import (
    START_MS,
    TTL_MS,
    SettableClock,
    Tenant,
    audited,
    expect,
    new_id,
    settling,
    used,
)

NOWHERE = 2**40
"""A wallet that no store has."""


@audited
class WalletConformance:
    """See the module."""

    async def test_wallet_begins_empty(self, store: Store) -> None:
        """Before its first grant a prepaid wallet lets nothing through."""
        tenant = await Tenant.open(store)
        assert (await tenant.wallet()).ceiling == 0
        expect(await tenant.apply(tenant.reserving(tenant.master, 1)), WalletEmpty)

    async def test_grant_counts_once(self, store: Store) -> None:
        """A repeated grant answers the balance and adds nothing."""
        tenant = await Tenant.open(store)
        grant = Grant(new_id(), tenant.account.wallet_id, 100, "first")
        assert await store.apply([grant, grant]) == [Granted(100), Granted(100)]
        assert await tenant.apply(grant) == Granted(100)
        assert await tenant.grant(50) == 150
        assert (await tenant.wallet()).ceiling == 150
        first, second = await tenant.journal()
        assert (first.granted, first.note, second.granted) == (100, "first", 50)

    async def test_grant_answers_the_balance(self, store: Store) -> None:
        """A balance is what was granted minus what was spent; holds do not count."""
        tenant = await Tenant.open(store, balance=100)
        await tenant.settle(await tenant.reserve(tenant.master, 50), 30)
        await tenant.reserve(tenant.master, 20)
        assert await tenant.grant(10) == 80

    async def test_reused_grant_id_names_the_field(self, store: Store) -> None:
        """Another amount, another wallet, or the id of anything else is refused."""
        tenant = await Tenant.open(store, balance=1_000)
        stranger = await Tenant.open(store)
        wallet_id = tenant.account.wallet_id
        grant = Grant(new_id(), wallet_id, 100)
        await tenant.apply(grant)
        altered = await tenant.apply(replace(grant, amount_nano_usd=101))
        assert expect(altered, IdReused).field == "amount_nano_usd"
        crossed = await tenant.apply(replace(grant, wallet_id=stranger.account.wallet_id))
        assert expect(crossed, IdReused).field == "grant_id"
        open_hold = await tenant.reserve(tenant.master, 10)
        over_hold = await tenant.reserve(tenant.master, 10)
        await tenant.settle(over_hold, 10)
        for hold in (open_hold, over_hold):
            answer = await tenant.apply(Grant(hold.hold_id, wallet_id, 100))
            assert expect(answer, IdReused).field == "grant_id"
        assert (await tenant.wallet()).ceiling == 1_100
        assert (await stranger.wallet()).ceiling == 0

    async def test_hold_may_not_take_the_id_of_a_grant(self, store: Store) -> None:
        """A grant uses its id up."""
        tenant = await Tenant.open(store)
        grant = Grant(new_id(), tenant.account.wallet_id, 100)
        await tenant.apply(grant)
        reserve = tenant.reserving(tenant.master, 10, hold_id=grant.grant_id)
        expect(await tenant.apply(reserve), AlreadyResolved)
        expect(await tenant.release(grant.grant_id), AlreadyResolved)

    async def test_grant_never_overflows(self, store: Store) -> None:
        """A balance stays below the largest amount, whatever is added."""
        tenant = await Tenant.open(store, balance=UNLIMITED - 2)
        wallet_id = tenant.account.wallet_id
        answer = await tenant.apply(Grant(new_id(), wallet_id, 2))
        assert expect(answer, Invalid).field == "amount_nano_usd"
        assert await tenant.grant(1) == UNLIMITED - 1

    async def test_postpaid_wallet_has_no_limit_of_its_own(self, store: Store) -> None:
        """It takes no grants, spends without balance, and its keys' caps still hold."""
        tenant = await Tenant.open(store, postpaid=True)
        answer = await tenant.apply(Grant(new_id(), tenant.account.wallet_id, 5))
        expect(answer, Invalid)
        key = await tenant.mint(cap_nano_usd=100)
        await tenant.settle(await tenant.reserve(key, 100), 100)
        expect(await tenant.apply(tenant.reserving(key, 1)), CapExceeded)
        await tenant.reserve(tenant.master, 10**15)
        assert used(await tenant.wallet()) == (10**15, 100)

    async def test_journal_is_gapless_and_paged(self, store: Store, clock: SettableClock) -> None:
        """Entries of one wallet are numbered 1, 2, 3 ... and are read in order, by pages."""
        tenant = await Tenant.open(store, balance=1_000)
        stranger = await Tenant.open(store, balance=1_000)
        tokens = [await tenant.reserve(tenant.master, 10) for _ in range(3)]
        await stranger.release(new_id())
        await tenant.progress(tokens[2].hold_id, 4)
        clock.advance(TTL_MS)
        await tenant.settle(tokens[0], 7)
        await tenant.release(tokens[1].hold_id)
        await tenant.expire(tokens[2].hold_id)
        await tenant.settle(tokens[2], 9)
        entries = await tenant.journal()
        assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
        assert [(entry.kind, entry.held, entry.charged) for entry in entries[1:]] == [
            (JournalKind.SETTLE, 10, 7),
            (JournalKind.RELEASE, 10, 0),
            (JournalKind.EXPIRE, 10, 4),
            (JournalKind.LATE_SETTLE, 0, 5),
        ]
        assert all(entry.line_ids == tenant.master.line_ids for entry in entries[1:])
        assert [entry.at_ms for entry in entries] == [START_MS] + [clock()] * 4
        assert await store.journal(tenant.account.wallet_id, 2, 2) == entries[2:4]
        assert await store.journal(tenant.account.wallet_id, 5, 2) == []
        assert (await tenant.wallet()).seq == 5

    async def test_one_batch_over_two_wallets(self, store: Store) -> None:
        """Tenants share batches and nothing else."""
        tenant = await Tenant.open(store, balance=100)
        stranger = await Tenant.open(store, balance=100)
        answers = await store.apply(
            [
                tenant.reserving(tenant.master, 60),
                stranger.reserving(stranger.master, 70),
                tenant.reserving(tenant.master, 60),
                stranger.reserving(stranger.master, 20),
            ]
        )
        assert [type(a) for a in answers] == [Reserved, Reserved, WalletEmpty, Reserved]
        assert used(await tenant.wallet()) == (60, 0)
        assert used(await stranger.wallet()) == (90, 0)

    async def test_refusals_do_not_disturb_their_batch(self, store: Store) -> None:
        """One refused operation leaves the others of its batch as they would be alone."""
        tenant = await Tenant.open(store, balance=100)
        operations: list[Operation] = [
            tenant.reserving(tenant.master, 60),
            tenant.reserving(tenant.master, 1_000),
            Extend(new_id(), tenant.account.wallet_id, 5),
            tenant.reserving(tenant.master, 10, key_id="key_none"),
            tenant.reserving(tenant.master, 40),
        ]
        answers = await store.apply(operations)
        assert [isinstance(a, Reserved) for a in answers] == [True, False, False, False, True]
        assert used(await tenant.wallet()) == (100, 0)

    async def test_unknown_wallet_is_refused(self, store: Store) -> None:
        """No operation makes a wallet; those that name none are refused alone."""
        tenant = await Tenant.open(store, balance=100)
        token = await tenant.reserve(tenant.master, 10)
        lost = replace(token, hold_id=new_id(), wallet_id=NOWHERE, line_ids=())
        answers: list[Answer] = await store.apply(
            [
                Extend(token.hold_id, NOWHERE, 20),
                Progress(token.hold_id, NOWHERE),
                Release(new_id(), NOWHERE),
                Expire(token.hold_id, NOWHERE),
                Grant(new_id(), NOWHERE, 5),
                settling(lost, 5),
            ]
        )
        assert [type(answer) for answer in answers] == [NotFound] * 6
        assert await store.lines([NOWHERE]) == {}

    async def test_empty_batch(self, store: Store) -> None:
        """Nothing asked, nothing answered."""
        assert await store.apply([]) == []

    async def test_parallel_batches_never_pass_a_cap(self, store: Store) -> None:
        """Batches applied at the same time hold exactly what the cap allows."""
        tenant = await Tenant.open(store, balance=10**6)
        key = await tenant.mint(cap_nano_usd=1_000)
        batches = await asyncio.gather(
            *(store.apply([tenant.reserving(key, 30) for _ in range(3)]) for _ in range(20))
        )
        held = [a for answers in batches for a in answers if isinstance(a, Reserved)]
        assert len(held) == 33
        assert used(await tenant.cap_line(key)) == (990, 0)

    async def test_clock_never_goes_back(self, store: Store, clock: SettableClock) -> None:
        """A wall clock that steps back neither reorders the books nor shortens a hold."""
        tenant = await Tenant.open(store, balance=1_000)
        clock.advance(5_000)
        now_ms = await store.now_ms()
        clock.advance(-3_600_000)
        assert await store.now_ms() == now_ms
        token = await tenant.reserve(tenant.master, 10)
        (hold,) = await store.holds(tenant.account.wallet_id, 10)
        assert hold.expires_at_ms == now_ms + TTL_MS
        await tenant.settle(token, 5)
        assert (await tenant.journal())[-1].at_ms == now_ms

    async def test_lines_are_read_as_they_are(self, store: Store) -> None:
        """Only lines that exist are answered, and changing an answer changes nothing."""
        tenant = await Tenant.open(store, balance=1_000)
        line = await tenant.wallet()
        line.spent = 999
        assert used(await tenant.wallet()) == (0, 0)
        assert set(await store.lines([tenant.account.wallet_id, NOWHERE])) == {
            tenant.account.wallet_id
        }
        assert await store.lines([]) == {}

    async def test_wallet_of_an_operation(self, store: Store) -> None:
        """An id is found while its hold is open, after it, and for grants."""
        tenant = await Tenant.open(store)
        wallet_id = tenant.account.wallet_id
        grant = Grant(new_id(), wallet_id, 100)
        await tenant.apply(grant)
        token = await tenant.reserve(tenant.master, 10)
        assert await store.wallet_of(grant.grant_id) == wallet_id
        assert await store.wallet_of(token.hold_id) == wallet_id
        await tenant.settle(token, 1)
        assert await store.wallet_of(token.hold_id) == wallet_id
        assert await store.wallet_of(new_id()) is None
