"""Objects at providers: whose they are, how many a key may own, and when they end."""
# ruff: noqa: PLR2004, S101 - a suite asserts, and literal sums are its point.

from __future__ import annotations

import asyncio
from typing import Any

from mintgate_core.ledger.errors import IdReused, TooManyObjects
from mintgate_core.ledger.types import Key
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance.builders import (
    SettableClock,
    Tenant,
    audited,
)
from mintgate_core.stores.objects import EARLIEST, LATEST, NewObject, OwnedObject

MOST = 1_000
PROVIDER = "provider-a"


def made(key: Key, object_id: str, **fields: Any) -> NewObject:
    """A file that a key created."""
    values: dict[str, Any] = {
        "provider": PROVIDER,
        "kind": "file",
        "object_id": object_id,
        "account_id": key.account_id,
        "key_id": key.key_id,
    }
    return NewObject(**(values | fields))


async def owned(store: Store, key: Key, *object_ids: str) -> set[str]:
    """Which of these files are the key's."""
    names = [("file", object_id) for object_id in object_ids]
    found = await store.objects.owned(key.key_id, PROVIDER, names)
    return {one.object_id for one in found}


async def listed(
    store: Store,
    key: Key,
    after: tuple[int, str] = LATEST,
    *,
    oldest_first: bool = False,
    limit: int = 100,
) -> list[OwnedObject]:
    """A page of the key's files."""
    return await store.objects.of_key(
        key.key_id, PROVIDER, "file", after=after, oldest_first=oldest_first, limit=limit
    )


@audited
class ObjectConformance:
    """See the module."""

    async def test_object_is_its_keys_alone(self, store: Store, clock: SettableClock) -> None:
        """A recorded object is found by its own key, whole, and by no other of any account."""
        tenant = await Tenant.open(store)
        stranger = await Tenant.open(store)
        key, other = await tenant.mint(), await tenant.mint()
        assert await store.objects.record([made(key, "f1", note="a note")], MOST) == [None]
        (found,) = await store.objects.owned(key.key_id, PROVIDER, [("file", "f1")])
        assert found == made(key, "f1", note="a note").at(clock())
        for one in (other, tenant.master, stranger.master):
            assert await owned(store, one, "f1") == set()
            assert await listed(store, one) == []

    async def test_name_is_provider_kind_and_id(self, store: Store) -> None:
        """The same id of another kind or provider is another object."""
        tenant = await Tenant.open(store)
        key, other = await tenant.mint(), await tenant.mint()
        mine = made(key, "x")
        others = [made(other, "x", kind="batch"), made(other, "x", provider="provider-b")]
        assert await store.objects.record([mine, *others], MOST) == [None, None, None]
        assert await owned(store, key, "x") == {"x"}
        assert await owned(store, other, "x") == set()
        found = await store.objects.owned(other.key_id, "provider-b", [("file", "x")])
        assert [one.provider for one in found] == ["provider-b"]

    async def test_many_are_looked_up_at_once(self, store: Store) -> None:
        """Of many ids exactly the key's own come back, each once, unknown ones left out."""
        tenant = await Tenant.open(store)
        key, other = await tenant.mint(), await tenant.mint()
        objects = [made((key, other)[number % 2], f"f{number:03}") for number in range(256)]
        assert await store.objects.record(objects, MOST) == [None] * 256
        names = [f"f{number:03}" for number in range(300)]
        names += names[:10]
        assert await owned(store, key, *names) == {f"f{number:03}" for number in range(0, 256, 2)}
        assert await owned(store, key) == set()
        assert await store.objects.count(key.key_id) == 128

    async def test_another_keys_object_is_never_taken(self, store: Store) -> None:
        """A record of what somebody else owns is a conflict and changes nothing."""
        tenant = await Tenant.open(store)
        key, other = await tenant.mint(), await tenant.mint()
        await store.objects.record([made(key, "f1", note="mine", ttl_ms=500)], MOST)
        answers = await store.objects.record(
            [made(other, "f1", note="stolen"), made(other, "f2")], MOST
        )
        assert [type(answer) for answer in answers] == [IdReused, type(None)]
        (found,) = await store.objects.owned(key.key_id, PROVIDER, [("file", "f1")])
        assert found.note == "mine"
        assert await store.objects.count(other.key_id) == 1

    async def test_earlier_of_two_in_a_batch_wins(self, store: Store) -> None:
        """Two keys in one batch and one object: the first has it."""
        tenant = await Tenant.open(store)
        key, other = await tenant.mint(), await tenant.mint()
        answers = await store.objects.record(
            [made(key, "f1"), made(other, "f1"), made(key, "f1", note="again")], MOST
        )
        assert [type(answer) for answer in answers] == [type(None), IdReused, type(None)]
        assert [one.note for one in await listed(store, key)] == ["again"]
        assert await store.objects.count(key.key_id) == 1
        assert await store.objects.count(other.key_id) == 0

    async def test_race_for_an_object_has_one_winner(self, store: Store) -> None:
        """Keys that record the same objects at once: each has one owner, and counts are right."""
        tenant = await Tenant.open(store)
        keys = [await tenant.mint() for _ in range(4)]
        names = [f"f{number}" for number in range(8)]
        orders = [names, names[::-1], names[4:] + names[:4], names]
        answers = await asyncio.gather(
            *(
                store.objects.record([made(key, name) for name in order], MOST)
                for key, order in zip(keys, orders, strict=True)
            )
        )
        for key, order, answer in zip(keys, orders, answers, strict=True):
            won = {name for name, refusal in zip(order, answer, strict=True) if refusal is None}
            assert await owned(store, key, *names) == won
        owners = [await owned(store, key, *names) for key in keys]
        assert sorted(name for each in owners for name in each) == names

    async def test_repeat_sets_note_and_end_anew(self, store: Store, clock: SettableClock) -> None:
        """A repeat by the owner keeps one object at its place, with the newer note and end."""
        tenant = await Tenant.open(store)
        key = await tenant.mint()
        created_ms = clock()
        for note, ttl_ms in (("one", 1_000), ("one", 1_000), ("two", 5_000)):
            clock.advance(10)
            assert await store.objects.record([made(key, "f1", note=note, ttl_ms=ttl_ms)], 1) == [
                None
            ]
        (found,) = await listed(store, key)
        assert (found.note, found.expires_at_ms) == ("two", clock() + 5_000)
        assert found.created_at_ms == created_ms + 10
        assert await store.objects.count(key.key_id) == 1

    async def test_key_owns_no_more_than_it_may(self, store: Store) -> None:
        """What would be too many is refused, each object alone; forgetting makes room."""
        tenant = await Tenant.open(store)
        key, other = await tenant.mint(), await tenant.mint()
        wanted = [made(key, "f1"), made(key, "f2"), made(key, "f1"), made(key, "f3")]
        answers = await store.objects.record([*wanted, made(other, "g1")], 2)
        assert [type(answer) for answer in answers] == [
            *(type(None), type(None), type(None), TooManyObjects),
            type(None),
        ]
        assert await store.objects.forget(key.key_id, PROVIDER, [("file", "f1")]) == 1
        assert await store.objects.record([made(key, "f3")], 2) == [None]
        assert await owned(store, key, "f1", "f2", "f3") == {"f2", "f3"}

    async def test_racing_records_stay_within_the_bound(self, store: Store) -> None:
        """However many records of one key race, it never owns more than it may."""
        tenant = await Tenant.open(store)
        key = await tenant.mint()
        answers = await asyncio.gather(
            *(store.objects.record([made(key, f"f{number}")], 5) for number in range(12))
        )
        assert sum(answer == [None] for answer in answers) == 5
        assert await store.objects.count(key.key_id) == 5

    async def test_lists_are_by_creation(self, store: Store, clock: SettableClock) -> None:
        """Pages of either order have every object once, equal times told apart by the id."""
        tenant = await Tenant.open(store)
        key = await tenant.mint()
        for batch in (["b", "a"], ["d"], ["c", "e"]):
            await store.objects.record([made(key, name) for name in batch], MOST)
            clock.advance(1)
        await store.objects.record([made(key, "z", kind="batch")], MOST)
        oldest = ["a", "b", "d", "c", "e"]
        assert await self._paged(store, key, EARLIEST) == oldest
        assert await self._paged(store, key, LATEST) == oldest[::-1]

    async def _paged(self, store: Store, key: Key, start: tuple[int, str]) -> list[str]:
        place, names = start, []
        while page := await listed(store, key, place, oldest_first=start == EARLIEST, limit=2):
            names += [one.object_id for one in page]
            place = page[-1].place
        return names

    async def test_object_ends_at_its_time(self, store: Store, clock: SettableClock) -> None:
        """From its end on an object is nobody's; swept, its id is free and its place too."""
        tenant = await Tenant.open(store)
        key, other = await tenant.mint(), await tenant.mint()
        ends = [made(key, f"f{number}", ttl_ms=100 + number) for number in range(3)]
        await store.objects.record([*ends, made(key, "stays")], MOST)
        clock.advance(101)
        assert await owned(store, key, "f0", "f1", "f2", "stays") == {"f2", "stays"}
        assert {one.object_id for one in await listed(store, key)} == {"f2", "stays"}
        assert await store.objects.sweep(1) == 1
        assert await store.objects.count(key.key_id) == 3
        answers = await store.objects.record([made(other, "f0"), made(other, "f1")], MOST)
        assert [type(answer) for answer in answers] == [type(None), IdReused]
        assert await store.objects.sweep(10) == 1
        assert await store.objects.sweep(10) == 0
        assert await store.objects.count(key.key_id) == 2

    async def test_renewed_object_is_not_swept(self, store: Store, clock: SettableClock) -> None:
        """Whoever records an object again before it is swept keeps it."""
        tenant = await Tenant.open(store)
        key = await tenant.mint()
        await store.objects.record([made(key, "f1", ttl_ms=100)], MOST)
        clock.advance(100)
        await store.objects.record([made(key, "f1", ttl_ms=100)], MOST)
        assert await store.objects.sweep(10) == 0
        assert await owned(store, key, "f1") == {"f1"}

    async def test_only_the_owner_forgets(self, store: Store) -> None:
        """To forget takes the key's own objects, counts them, and leaves others' alone."""
        tenant = await Tenant.open(store)
        key, other = await tenant.mint(), await tenant.mint()
        await store.objects.record([made(key, "f1"), made(key, "f2"), made(other, "g1")], MOST)
        names = [("file", "f1"), ("file", "f1"), ("file", "g1"), ("file", "unknown")]
        assert await store.objects.forget(key.key_id, PROVIDER, names) == 1
        assert await store.objects.forget(key.key_id, PROVIDER, names) == 0
        assert await owned(store, key, "f1", "f2") == {"f2"}
        assert await owned(store, other, "g1") == {"g1"}
        assert await store.objects.record([made(other, "f1")], MOST) == [None]
