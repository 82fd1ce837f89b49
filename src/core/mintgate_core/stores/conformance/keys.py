"""Admission: which key may reserve, how much, and what a fitted limit is."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

import hashlib
from dataclasses import replace

from mintgate_core.ledger.errors import (
    AddressNotAllowed,
    CapExceeded,
    KeyExpired,
    KeyPaused,
    KeyRevoked,
    ModelNotAllowed,
    OriginNotAllowed,
    ProviderNotAllowed,
    Unauthenticated,
    WalletEmpty,
)
from mintgate_core.ledger.operations import Extended, Price, Progressed, Reserved, Settled
from mintgate_core.ledger.places import Place
from mintgate_core.ledger.types import Key, KeyStatus, OnDisconnect, UnboundedOutput
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance.builders import (
    SettableClock,
    Tenant,
    audited,
    expect,
    stated,
    used,
)


@audited
class KeyConformance:
    """See the module."""

    async def test_status_decides_at_once(self, store: Store) -> None:
        """A paused key may come back, a revoked one is refused on its very next reserve."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=500)
        await tenant.reserve(key, 10)
        await _set_status(store, key, KeyStatus.PAUSED)
        expect(await tenant.apply(tenant.reserving(key, 10)), KeyPaused)
        await _set_status(store, key, KeyStatus.ACTIVE)
        await tenant.reserve(key, 10)
        await _set_status(store, key, KeyStatus.REVOKED)
        expect(await tenant.apply(tenant.reserving(key, 10)), KeyRevoked)
        assert used(await tenant.cap_line(key)) == (20, 0)

    async def test_revoked_key_finishes_what_runs(self, store: Store) -> None:
        """Holds made before a revocation are still extended, reported and settled."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=500)
        token = await tenant.reserve(key, 10)
        await _set_status(store, key, KeyStatus.REVOKED)
        expect(await tenant.extend(token.hold_id, 20), Extended)
        expect(await tenant.progress(token.hold_id, 5), Progressed)
        assert expect(await tenant.settle(token, 15), Settled).charged_nano_usd == 15

    async def test_key_expires_by_the_store_clock(self, store: Store, clock: SettableClock) -> None:
        """A key works until the millisecond before its end."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(expires_at_ms=clock() + 100)
        clock.advance(99)
        await tenant.reserve(key, 10)
        clock.advance(1)
        expect(await tenant.apply(tenant.reserving(key, 10)), KeyExpired)

    async def test_rotated_secret_is_refused(self, store: Store) -> None:
        """The old secret fails even for a caller that looked it up before the rotation."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint()
        fresh = hashlib.sha256(b"another secret").digest()
        shown = replace(tenant.reserving(key, 10), secret_sha256=key.secret_sha256)
        await store.change_key(key.key_id, lambda k: replace(k, secret_sha256=fresh))
        expect(await tenant.apply(shown), Unauthenticated)
        expect(await tenant.apply(replace(shown, secret_sha256=fresh)), Reserved)
        assert await store.key_by_secret(key.secret_sha256) is None
        found = await store.key_by_secret(fresh)
        assert found is not None
        assert found.key_id == key.key_id

    async def test_foreign_and_unknown_keys_do_not_exist(self, store: Store) -> None:
        """A key draws on its own wallet only; another's is as unknown as none at all."""
        tenant = await Tenant.open(store, balance=1_000)
        stranger = await Tenant.open(store, balance=1_000)
        crossed = replace(tenant.reserving(tenant.master, 10), wallet_id=stranger.account.wallet_id)
        unknown = tenant.reserving(tenant.master, 10, key_id="key_none")
        nowhere = replace(tenant.reserving(tenant.master, 10), wallet_id=2**40)
        texts = {
            expect(await tenant.apply(operation), Unauthenticated).message
            for operation in (crossed, unknown, nowhere)
        }
        assert len(texts) == 1
        assert used(await tenant.wallet()) == used(await stranger.wallet()) == (0, 0)

    async def test_allowed_providers_and_models(self, store: Store) -> None:
        """A limited key is refused by provider first, then by model pattern."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(allowed_providers=("openai",), allowed_models=("gpt-*",))
        elsewhere = tenant.reserving(key, 10, provider="other", model="gpt-5")
        dearer = tenant.reserving(key, 10, provider="openai", model="o9")
        fine = tenant.reserving(key, 10, provider="openai", model="gpt-5-mini")
        expect(await tenant.apply(elsewhere), ProviderNotAllowed)
        expect(await tenant.apply(dearer), ModelNotAllowed)
        expect(await tenant.apply(fine), Reserved)

    async def test_allowed_places(self, store: Store) -> None:
        """A key that is limited to places is refused elsewhere, from its next request on."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint()
        here = Place("https://app.example.com", "203.0.113.7")
        there = Place("https://example.org", "198.51.100.7")
        at = [replace(tenant.reserving(key, 10), place=place) for place in (here, there) * 3]
        expect(await tenant.apply(at[1]), Reserved)
        await store.change_key(
            key.key_id, lambda k: replace(k, allowed_origins=("https://*.example.com",))
        )
        expect(await tenant.apply(at[0]), Reserved)
        expect(await tenant.apply(at[3]), OriginNotAllowed)
        await store.change_key(
            key.key_id,
            lambda k: replace(k, allowed_origins=(), allowed_cidrs=("203.0.113.0/24",)),
        )
        expect(await tenant.apply(at[2]), Reserved)
        expect(await tenant.apply(at[5]), AddressNotAllowed)
        # Named by its owner: nobody showed a secret anywhere.
        expect(await tenant.apply(tenant.reserving(key, 10)), Reserved)

    async def test_lowered_cap_stops_new_holds_only(self, store: Store) -> None:
        """Under a cap lowered below what is used, holds resolve and no new one is made."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=500)
        first = await tenant.reserve(key, 200)
        second = await tenant.reserve(key, 200)
        await tenant.settle(first, 150)
        await tenant.recap(key, 100)
        line = await tenant.cap_line(key)
        assert (line.cap, line.ceiling, line.held, line.spent) == (100, 350, 200, 150)
        denial = expect(await tenant.apply(tenant.reserving(key, 1)), CapExceeded)
        assert denial.remaining_nano_usd == 0
        expect(await tenant.extend(second.hold_id, 201), CapExceeded)
        # What the hold covered is charged, what goes beyond is not.
        settled = expect(await tenant.settle(second, 260), Settled)
        assert (settled.charged_nano_usd, settled.absorbed_nano_usd) == (200, 60)
        line = await tenant.cap_line(key)
        assert (line.ceiling, line.held, line.spent) == (350, 0, 350)

    async def test_ceiling_follows_a_lowered_cap_down(self, store: Store) -> None:
        """As holds are given back the ceiling ratchets down to the cap and stays there."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=500)
        tokens = [await tenant.reserve(key, 100) for _ in range(3)]
        await tenant.recap(key, 150)
        ceilings = []
        for token in tokens:
            await tenant.release(token.hold_id)
            ceilings.append((await tenant.cap_line(key)).ceiling)
        assert ceilings == [200, 150, 150]
        await tenant.reserve(key, 150)

    async def test_raised_and_removed_caps(self, store: Store) -> None:
        """A raised cap gives room at once; without a cap only the wallet limits."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=100)
        await tenant.reserve(key, 100)
        await tenant.recap(key, 150)
        await tenant.reserve(key, 50)
        assert (await tenant.recap(key, None)).cap_nano_usd is None
        await tenant.reserve(key, 850)
        await tenant.recap(key, 0)
        denial = expect(await tenant.apply(tenant.reserving(key, 1)), CapExceeded)
        assert denial.remaining_nano_usd == 0

    async def test_cap_of_zero_allows_only_what_is_free(self, store: Store) -> None:
        """A cap of zero is a cap, not the absence of one."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint(cap_nano_usd=0)
        expect(await tenant.apply(tenant.reserving(key, 1)), CapExceeded)
        await tenant.reserve(key, 0)

    async def test_unstated_output_is_fitted(self, store: Store) -> None:
        """A request without a limit gets an eighth of the room, and the hold remembers it."""
        tenant = await Tenant.open(store, balance=10_000_000)
        key = await tenant.mint(cap_nano_usd=800_000, on_disconnect=OnDisconnect.DRAIN)
        price = Price(0, 10_000, 64_000, stated=False)
        answer = expect(await tenant.apply(tenant.reserving(key, price)), Reserved)
        assert (answer.output_tokens, answer.fitted) == (10_000, True)
        assert answer.token.amount_nano_usd == 100_000
        assert answer.on_disconnect is OnDisconnect.DRAIN
        (hold,) = await store.holds(tenant.account.wallet_id, 10)
        assert (hold.worst_nano_usd, hold.output_tokens, hold.fitted) == (640_000, 10_000, True)

    async def test_fitted_reserve_twice_is_the_same(self, store: Store) -> None:
        """A repeat answers the limit that was fitted then, though there is less room now."""
        tenant = await Tenant.open(store, balance=8_000_000)
        reserve = tenant.reserving(tenant.master, Price(0, 10_000, 640_000, stated=False))
        first = expect(await tenant.apply(reserve), Reserved)
        again = expect(await tenant.apply(reserve), Reserved)
        assert first == again
        assert first.output_tokens == 100_000

    async def test_reject_policy_holds_the_maximum(self, store: Store) -> None:
        """A key that must not be fitted holds the model's maximum, or nothing."""
        tenant = await Tenant.open(store, balance=1_000_000)
        key = await tenant.mint(unbounded_output=UnboundedOutput.REJECT)
        price = Price(0, 10_000, 64_000, stated=False)
        answer = expect(await tenant.apply(tenant.reserving(key, price)), Reserved)
        assert (answer.output_tokens, answer.fitted) == (64_000, False)
        assert answer.token.amount_nano_usd == 640_000
        await tenant.release(answer.token.hold_id)
        await tenant.recap(key, 639_999)
        denial = expect(await tenant.apply(tenant.reserving(key, price)), CapExceeded)
        assert denial.affordable_output_tokens == 63_999

    async def test_stated_limit_is_never_fitted(self, store: Store) -> None:
        """A stated limit that does not fit is refused, with the limit that would."""
        tenant = await Tenant.open(store, balance=1_000)
        price = Price(100_000, 10_000, 500, stated=True)
        denial = expect(await tenant.apply(tenant.reserving(tenant.master, price)), WalletEmpty)
        assert (denial.required_nano_usd, denial.remaining_nano_usd) == (5_100, 1_000)
        assert denial.affordable_output_tokens == 90
        smaller = tenant.reserving(tenant.master, replace(price, output_tokens=90))
        answer = await tenant.apply(smaller)
        assert expect(answer, Reserved).token.amount_nano_usd == 1_000

    async def test_part_of_a_nano_dollar_is_rounded_up(self, store: Store) -> None:
        """A hold never rounds down."""
        tenant = await Tenant.open(store, balance=10)
        price = Price(1, 0, 0, stated=True)
        answer = expect(await tenant.apply(tenant.reserving(tenant.master, price)), Reserved)
        assert answer.token.amount_nano_usd == 1
        expect(await tenant.apply(tenant.reserving(tenant.master, stated(9))), Reserved)


async def _set_status(store: Store, key: Key, status: KeyStatus) -> None:
    await store.change_key(key.key_id, lambda before: replace(before, status=status))
