"""Objects that come with a charge or a job: recorded in its transaction, never in its way."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

import asyncio

from mintgate_core.ledger.errors import TooManyObjects
from mintgate_core.ledger.operations import HoldToken, Settled, StartedJob
from mintgate_core.ledger.types import Record
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance.builders import (
    TTL_MS,
    SettableClock,
    Tenant,
    audited,
    expect,
    settling,
    used,
)
from mintgate_core.stores.conformance.objects import PROVIDER, made, owned
from mintgate_core.stores.objects import OwnedObject

DAY_MS = 24 * 3_600_000


def record(object_id: str, ttl_ms: int = DAY_MS, note: str = "") -> Record:
    """A file that a charge brings with it."""
    return Record("file", object_id, ttl_ms, note)


async def settled(
    tenant: Tenant, token: HoldToken, *records: Record, cost_nano_usd: int = 40
) -> Settled:
    """Settle with records."""
    answer = await tenant.apply(settling(token, cost_nano_usd, records=records))
    return expect(answer, Settled)


@audited
class RecordConformance:
    """See the module."""

    async def test_settle_records_for_its_key(self, store: Store, clock: SettableClock) -> None:
        """What a charge brings is its key's alone, at the hold's provider, whole, until its end."""
        tenant = await Tenant.open(store, balance=1_000)
        key, other = await tenant.mint(), await tenant.mint()
        token = await tenant.reserve(key, 100)
        clock.advance(5)
        await settled(tenant, token, record("f1", 500, "a note"), record("f2"))
        (found,) = await store.objects.owned(key.key_id, PROVIDER, [("file", "f1")])
        assert found == OwnedObject(
            *(PROVIDER, "file", "f1", key.account_id, key.key_id, "a note", clock(), clock() + 500),
            counted=False,
        )
        assert await owned(store, other, "f1", "f2") == set()
        clock.advance(500)
        assert await owned(store, key, "f1", "f2") == {"f2"}
        assert await store.objects.sweep(10) == 1

    async def test_records_are_not_counted(self, store: Store) -> None:
        """A key at its limit still gets what its charges bring, and that takes no room."""
        tenant = await Tenant.open(store, balance=1_000)
        key = await tenant.mint()
        assert await store.objects.record([made(key, "f1")], 1) == [None]
        token = await tenant.reserve(key, 100)
        await settled(tenant, token, record("r1"), record("r2"))
        assert await owned(store, key, "f1", "r1", "r2") == {"f1", "r1", "r2"}
        assert await store.objects.count(key.key_id) == 1
        assert await store.objects.record([made(key, "r1", note="mine")], 1) == [None]
        (refusal,) = await store.objects.record([made(key, "f2")], 1)
        expect(refusal, TooManyObjects)
        for name in ("r1", "r2", "f1"):
            assert await store.objects.forget(key.key_id, PROVIDER, [("file", name)]) == 1
        assert await store.objects.count(key.key_id) == 0

    async def test_repeat_records_nothing(self, store: Store) -> None:
        """A settle that comes again changes nothing, not even after its object was deleted."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        first = await settled(tenant, token, record("f1", note="one"))
        assert await settled(tenant, token, record("f1", note="two"), record("f2")) == first
        (found,) = await store.objects.owned(
            tenant.master.key_id, PROVIDER, [("file", "f1"), ("file", "f2")]
        )
        assert (found.object_id, found.note) == ("f1", "one")
        await store.objects.forget(tenant.master.key_id, PROVIDER, [("file", "f1")])
        assert await settled(tenant, token, record("f1")) == first
        assert await owned(store, tenant.master, "f1", "f2") == set()

    async def test_what_is_taken_stays_and_the_settle_stands(self, store: Store) -> None:
        """Another key's object, counted or not, is not taken, and the charge is made all the same.

        Nor is a key's own object changed: neither its note nor its end.
        """
        tenant = await Tenant.open(store, balance=1_000)
        key, other = await tenant.mint(), await tenant.mint()
        await store.objects.record([made(key, "f1", note="mine")], 10)
        await settled(tenant, await tenant.reserve(key, 100), record("f2"))
        token = await tenant.reserve(other, 100)
        names = [record(name, note="stolen") for name in ("f1", "f2", "f3")]
        answer = await settled(tenant, token, *names, cost_nano_usd=60)
        assert answer.charged_nano_usd == 60
        assert await owned(store, other, "f1", "f2", "f3") == {"f3"}
        await settled(tenant, await tenant.reserve(key, 100), record("f1", note="again"))
        (found,) = await store.objects.owned(key.key_id, PROVIDER, [("file", "f1")])
        assert (found.note, found.expires_at_ms, found.counted) == ("mine", 0, True)
        assert used(await tenant.wallet()) == (0, 140)

    async def test_late_settle_records(self, store: Store, clock: SettableClock) -> None:
        """Also a charge that comes after its hold has expired brings its object."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        clock.advance(TTL_MS)
        await tenant.expire(token.hold_id)
        assert (await settled(tenant, token, record("f1"))).late
        assert await owned(store, tenant.master, "f1") == {"f1"}

    async def test_first_in_a_batch_has_it(self, store: Store) -> None:
        """Two charges of one batch and one object: the earlier one's key has it."""
        tenant = await Tenant.open(store, balance=1_000)
        key, other = await tenant.mint(), await tenant.mint()
        tokens = [await tenant.reserve(one, 100) for one in (key, other)]
        answers = await store.apply(
            [settling(token, 10, records=(record("f2"), record("f1"))) for token in tokens]
        )
        assert [expect(answer, Settled).charged_nano_usd for answer in answers] == [10, 10]
        assert await owned(store, key, "f1", "f2") == {"f1", "f2"}
        assert await owned(store, other, "f1", "f2") == set()

    async def test_race_for_a_name_stops_no_charge(self, store: Store) -> None:
        """Charges of many wallets, and records, for the same names at once: one owner each."""
        tenants = [await Tenant.open(store, balance=1_000) for _ in range(4)]
        names = [f"f{number}" for number in range(6)]
        tokens = [await tenant.reserve(tenant.master, 100) for tenant in tenants]
        orders = [names, names[::-1], names[3:] + names[:3], names]
        stranger = await tenants[0].mint()
        answers = await asyncio.gather(
            *(
                settled(tenant, token, *map(record, order))
                for tenant, token, order in zip(tenants, tokens, orders, strict=True)
            ),
            store.objects.record([made(stranger, name) for name in names[::-1]], 10),
        )
        assert [expect(answer, Settled).charged_nano_usd for answer in answers[:4]] == [40] * 4
        keys = [stranger, *(tenant.master for tenant in tenants)]
        owners = [await owned(store, key, *names) for key in keys]
        assert sorted(name for each in owners for name in each) == names

    async def test_job_brings_its_object(self, store: Store) -> None:
        """The start of a job records what it is about; a repeat of the start does not."""
        tenant = await Tenant.open(store, balance=1_000)
        token = await tenant.reserve(tenant.master, 100)
        expect(await tenant.start_job(token, records=(record("f1", note="job"),)), StartedJob)
        (found,) = await store.objects.owned(tenant.master.key_id, PROVIDER, [("file", "f1")])
        assert found.note == "job"
        await store.objects.forget(tenant.master.key_id, PROVIDER, [("file", "f1")])
        expect(await tenant.start_job(token, records=(record("f1"),)), StartedJob)
        assert await owned(store, tenant.master, "f1") == set()
