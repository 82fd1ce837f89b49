"""Accounts and keys: what is written is read back, in order, and never twice."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

import asyncio
from dataclasses import replace

from mintgate_core.ledger.errors import Conflict, Invalid, LedgerError, NotFound
from mintgate_core.ledger.money import UNLIMITED
from mintgate_core.ledger.operations import Grant, Granted
from mintgate_core.ledger.types import (
    Account,
    Key,
    KeyScope,
    KeyStatus,
    OnDisconnect,
    UnboundedOutput,
)
from mintgate_core.stores.base import MINT_REPLAY_MS, KeyChange, MintReplay, Store
from mintgate_core.stores.conformance.builders import (
    SettableClock,
    Tenant,
    audited,
    build_key,
    new_id,
    unique,
    used,
)


@audited
class DirectoryConformance:
    """See the module."""

    async def test_account_opens_with_its_balance(self, store: Store, clock: SettableClock) -> None:
        """The first grant is in the journal and on the wallet as soon as the account is there."""
        account, master, first = _opening(clock())
        await store.add_account(account, master, first=first)
        wallet = (await store.lines([account.wallet_id]))[account.wallet_id]
        assert (wallet.cap, wallet.ceiling, wallet.seq, *used(wallet)) == (500, 500, 1, 0, 0)
        (entry,) = await store.journal(account.wallet_id, 0, 10)
        assert (entry.operation_id, entry.granted, entry.seq) == (first.grant_id, 500, 1)
        assert (entry.at_ms, entry.note) == (clock(), "first")
        # A repeat of the grant is known, and money added later comes on top.
        tenant = Tenant(store, account, master)
        assert await tenant.apply(first) == Granted(500)
        assert await tenant.grant(7) == 507

    async def test_account_that_is_refused_leaves_nothing(
        self, store: Store, clock: SettableClock
    ) -> None:
        """A balance that cannot be, or an id that is taken, makes no part of an account."""
        account, master, first = _opening(clock())
        postpaid = replace(account, postpaid=True)
        for made, grant in (
            (postpaid, first),
            (account, replace(first, amount_nano_usd=UNLIMITED)),
        ):
            try:
                await store.add_account(made, master, first=grant)
            except LedgerError as error:
                refusal: LedgerError | None = error
            else:
                refusal = None
            assert isinstance(refusal, Invalid)
        taken = await Tenant.open(store)
        assert await _conflicts(
            store, account, replace(master, secret_sha256=taken.master.secret_sha256), first
        )
        assert await store.account(account.account_id) is None
        assert await store.lines([account.wallet_id, *master.line_ids]) == {}
        assert await store.wallet_of(first.grant_id) is None
        await store.add_account(account, master, first=first)

    async def test_same_account_at_once_is_made_once(
        self, store: Store, clock: SettableClock
    ) -> None:
        """Of equal requests at the same time one wins; the others make nothing."""
        openings = [_opening(clock()) for _ in range(4)]
        results = await asyncio.gather(
            *(
                store.add_account(
                    account, master, first=first, replay=_replay(openings[0][1], master, clock())
                )
                for account, master, first in openings
            ),
            return_exceptions=True,
        )
        assert [type(result) for result in results if result] == [Conflict] * 3
        (made,) = await store.accounts("", 10)
        found = await store.mint_replay(openings[0][1].key_id, b"idempotency")
        assert found is not None
        (master,) = (m for a, m, _ in openings if a == made)
        assert found.key_id == master.key_id
        assert (await store.lines([a.wallet_id for a, _, _ in openings])).keys() == {made.wallet_id}

    async def test_account_is_read_back(self, store: Store) -> None:
        """An account comes with its wallet line and its master key's line."""
        tenant = await Tenant.open(store)
        assert await store.account(tenant.account.account_id) == tenant.account
        assert await store.account("acc_none") is None
        assert await store.key(tenant.master.key_id) == tenant.master
        assert used(await tenant.wallet()) == used(await tenant.cap_line(tenant.master)) == (0, 0)

    async def test_accounts_are_paged(self, store: Store) -> None:
        """Accounts come in order of their ids, after the last one seen."""
        opened = [await Tenant.open(store) for _ in range(5)]
        expected = sorted((t.account for t in opened), key=lambda a: a.account_id)
        assert await store.accounts("", 10) == expected
        assert await store.accounts(expected[1].account_id, 2) == expected[2:4]
        assert await store.accounts(expected[-1].account_id, 2) == []

    async def test_key_is_read_back_whole(self, store: Store) -> None:
        """Every field of a key survives, found by id, by ids and by secret."""
        tenant = await Tenant.open(store)
        key = await tenant.mint(
            cap_nano_usd=123,
            scope=KeyScope.MASTER,
            status=KeyStatus.PAUSED,
            expires_at_ms=9,
            revoked_at_ms=8,
            external_user_id="user-1",
            metadata={"plan": "größer", "n": "1"},
            allowed_providers=("openai", "anthropic"),
            allowed_models=("gpt-*",),
            allowed_origins=("https://app.example.com", "https://*.example.org"),
            allowed_cidrs=("203.0.113.0/24", "2001:db8::/32"),
            unbounded_output=UnboundedOutput.REJECT,
            on_disconnect=OnDisconnect.DRAIN,
        )
        assert await store.key(key.key_id) == key
        assert await store.key_by_secret(key.secret_sha256) == key
        assert await store.keys_by_id([key.key_id, "key_none"]) == {key.key_id: key}
        assert await store.key("key_none") is None
        assert await store.key_by_secret(bytes(32)) is None
        assert await store.keys_by_id([]) == {}

    async def test_taken_ids_are_refused(self, store: Store) -> None:
        """No account, wallet, key, line or secret is made over another, in whole or in part."""
        tenant = await Tenant.open(store, balance=100)
        stranger = await Tenant.open(store)
        fresh = replace(tenant.account, account_id=f"acc_{unique()}", wallet_id=unique())
        for account in (
            replace(fresh, account_id=tenant.account.account_id),
            replace(fresh, wallet_id=tenant.account.wallet_id),
        ):
            assert await _conflicts(store, account, build_key(fresh))
        taken = stranger.master
        for key in (
            build_key(fresh, key_id=taken.key_id),
            build_key(fresh, line_ids=taken.line_ids),
            build_key(fresh, secret_sha256=taken.secret_sha256),
        ):
            assert await _conflicts(store, fresh, key)
            assert await _conflicts(store, None, key)
            assert await store.account(fresh.account_id) is None
            assert await store.lines([fresh.wallet_id]) == {}
        assert await store.key(taken.key_id) == taken
        assert (await tenant.wallet()).ceiling == 100

    async def test_keys_are_paged_newest_first(self, store: Store) -> None:
        """Pages of an account's keys join without a gap or a repeat."""
        tenant = await Tenant.open(store)
        await Tenant.open(store)
        minted = [await tenant.mint() for _ in range(6)]
        expected = [*reversed(minted), tenant.master]
        seen: list[Key] = []
        while page := await _keys(
            store, tenant, before_id=seen[-1].key_id if seen else "", limit=3
        ):
            seen += page
        assert seen == expected

    async def test_keys_of_one_user(self, store: Store) -> None:
        """The user filter and the page bound hold together."""
        tenant = await Tenant.open(store)
        mine = [await tenant.mint(external_user_id="user-1") for _ in range(3)]
        await tenant.mint(external_user_id="user-2")
        assert await _keys(store, tenant, user="user-1") == mine[::-1]
        assert await _keys(store, tenant, user="user-1", before_id=mine[1].key_id) == mine[:1]
        assert await _keys(store, tenant, user="user-3") == []

    async def test_change_key_writes_what_it_returns(self, store: Store) -> None:
        """A change is applied to the stored key and to no other."""
        tenant = await Tenant.open(store)
        key, other = await tenant.mint(cap_nano_usd=5), await tenant.mint()
        changed = await store.change_key(
            key.key_id, lambda before: replace(before, name="renamed", metadata={"a": "b"})
        )
        assert changed == replace(key, name="renamed", metadata={"a": "b"})
        assert await store.key(key.key_id) == changed
        assert await store.key(other.key_id) == other
        assert (await tenant.cap_line(key)).cap == 5

    async def test_change_of_an_unknown_key(self, store: Store) -> None:
        """There is nothing to change."""
        error = await _refusal(store, "key_none", lambda key: key)
        assert isinstance(error, NotFound)
        assert error.field == "key_id"

    async def test_change_that_fails_changes_nothing(self, store: Store) -> None:
        """A refusal inside the change leaves key and line as they were."""
        tenant = await Tenant.open(store)
        key = await tenant.mint(cap_nano_usd=5)

        def change(_: Key) -> Key:
            raise Conflict("no")

        assert isinstance(await _refusal(store, key.key_id, change), Conflict)
        assert await store.key(key.key_id) == key

    async def test_mint_is_replayed_within_a_day(self, store: Store, clock: SettableClock) -> None:
        """A mint is found again by minter and idempotency key, for 24 hours to the millisecond."""
        tenant = await Tenant.open(store)
        key = build_key(tenant.account)
        replay = _replay(tenant.master, key, clock())
        await store.add_key(key, replay)
        found = (replay.minter_key_id, replay.idempotency_sha256)
        assert await store.mint_replay(*found) == replay
        assert await store.mint_replay("key_other", replay.idempotency_sha256) is None
        assert await store.mint_replay(replay.minter_key_id, b"another") is None
        clock.advance(MINT_REPLAY_MS)
        assert await store.mint_replay(*found) == replay
        clock.advance(1)
        assert await store.mint_replay(*found) is None

    async def test_mint_may_be_made_anew_after_a_day(
        self, store: Store, clock: SettableClock
    ) -> None:
        """An idempotency key that is a day old names a new mint."""
        tenant = await Tenant.open(store)
        first, second = build_key(tenant.account), build_key(tenant.account)
        await store.add_key(first, _replay(tenant.master, first, clock()))
        clock.advance(MINT_REPLAY_MS + 1)
        replay = _replay(tenant.master, second, clock())
        await store.add_key(second, replay)
        found = await store.mint_replay(replay.minter_key_id, replay.idempotency_sha256)
        assert found == replay

    async def test_same_mint_at_once_makes_one_key(
        self, store: Store, clock: SettableClock
    ) -> None:
        """Of two equal mints at the same time one wins; the other's key is never made."""
        tenant = await Tenant.open(store)
        keys = [build_key(tenant.account) for _ in range(2)]
        results = await asyncio.gather(
            *(store.add_key(key, _replay(tenant.master, key, clock())) for key in keys),
            return_exceptions=True,
        )
        assert [type(result) for result in results if result is not None] == [Conflict]
        (made,) = await store.keys_by_id([key.key_id for key in keys])
        replay = _replay(tenant.master, keys[0], clock())
        found = await store.mint_replay(replay.minter_key_id, replay.idempotency_sha256)
        assert found is not None
        assert found.key_id == made
        (lost,) = (key for key in keys if key.key_id != made)
        assert await store.lines(lost.line_ids) == {}


def _opening(now_ms: int) -> tuple[Account, Key, Grant]:
    number = unique()
    account = Account(f"acc_{number:08}", "opened", number, postpaid=False, created_at_ms=now_ms)
    master = build_key(account, scope=KeyScope.MASTER)
    return account, master, Grant(new_id(), account.wallet_id, 500, "first")


def _replay(minter: Key, key: Key, now_ms: int) -> MintReplay:
    return MintReplay(minter.key_id, b"idempotency", '{"name":"x"}', b"salt", key.key_id, now_ms)


async def _keys(
    store: Store, tenant: Tenant, *, user: str = "", before_id: str = "", limit: int = 100
) -> list[Key]:
    return await store.keys(
        tenant.account.account_id, external_user_id=user, before_id=before_id, limit=limit
    )


async def _conflicts(
    store: Store, account: Account | None, key: Key, first: Grant | None = None
) -> bool:
    try:
        await (store.add_account(account, key, first=first) if account else store.add_key(key))
    except Conflict:
        return True
    return False


async def _refusal(store: Store, key_id: str, change: KeyChange) -> LedgerError | None:
    try:
        await store.change_key(key_id, change)
    except LedgerError as error:
        return error
    return None
