"""Whose the objects at providers are, as a facade asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from mintgate import (
    AsyncClient,
    IdReused,
    InvalidArgument,
    KeyPaused,
    KeyRevoked,
    Minted,
    NotFound,
    PermissionDenied,
    ProviderNotAllowed,
    TooManyObjects,
    Unauthenticated,
)
from mintgate.v1 import ledger_pb2
from mintgate.v1.objects_pb2 import NewObject, ObjectName, OwnedObject, Record
from mintgate_core import sweeper
from mintgate_core.ledger.limits import RECORD_TTL_MS_MAX, RECORDS_MAX

from tests.core.service.harness import OBJECTS_PER_KEY, PROVIDER, SERVICE, Rig, TurnedClock, sha256

FILE_A, FILE_B = ("file", "file-a"), ("file", "file-b")


@pytest.fixture
def facade(rig: Rig) -> AsyncClient:
    """A facade's client."""
    return rig.client(SERVICE)


def new(
    key: Minted, name: tuple[str, str] = FILE_A, provider: str = "openai", **more: Any
) -> NewObject:
    kind, object_id = name
    wanted = ObjectName(kind=kind, object_id=object_id)
    return NewObject(key_id=key.key.id, provider=provider, name=wanted, **more)


async def found(facade: AsyncClient, key: Minted, *names: tuple[str, str]) -> list[str]:
    answer = await facade.objects.find("openai", names, secret_sha256=sha256(key.secret))
    return [one.name.object_id for one in answer.objects]


async def test_an_object_is_visible_to_its_key_alone(
    rig: Rig, facade: AsyncClient, user: Minted
) -> None:
    """No other key sees what a key recorded: not of its account, not the master, not another's."""
    other = await rig.client().keys.mint("bob")
    stranger = await (await rig.second_account()).keys.mint("eve")
    assert await facade.objects.record([new(user, note="m-1")]) == [None]

    answer = await facade.objects.find("openai", [FILE_B, FILE_A, FILE_A], key_id=user.key.id)
    assert [(one.name.object_id, one.note) for one in answer.objects] == [("file-a", "m-1")]
    assert (answer.key_id, answer.account_id) == (user.key.id, user.key.account_id)
    assert answer.room == OBJECTS_PER_KEY - 1
    for key in (other, stranger):
        assert await found(facade, key, FILE_A) == []
        listed = [one async for one in facade.objects.list("openai", "file", key_id=key.key.id)]
        assert listed == []


async def test_another_keys_object_cannot_be_claimed(
    rig: Rig, facade: AsyncClient, user: Minted
) -> None:
    """To record what another key owns is refused, and the owner keeps it."""
    other = await rig.client().keys.mint("bob")
    await facade.objects.record([new(user)])

    answers = await facade.objects.record([new(other), new(other, FILE_B)])

    assert [type(answer) for answer in answers] == [IdReused, type(None)]
    assert await found(facade, user, FILE_A) == ["file-a"]
    assert await found(facade, other, FILE_A, FILE_B) == ["file-b"]


async def test_rotation_keeps_objects_and_revocation_refuses_them(
    rig: Rig, facade: AsyncClient, user: Minted
) -> None:
    """Objects follow the key over a rotation; a revoked or paused key gets none of them."""
    await facade.objects.record([new(user)])
    rotated = await rig.client().keys.rotate(user.key.id)

    with pytest.raises(Unauthenticated):
        await found(facade, user, FILE_A)
    answer = await facade.objects.find("openai", [FILE_A], secret_sha256=sha256(rotated.secret))
    assert len(answer.objects) == 1

    await rig.client().keys.update(user.key.id, status="paused")
    with pytest.raises(KeyPaused):
        await facade.objects.find("openai", [FILE_A], key_id=user.key.id)
    await rig.client().keys.revoke(user.key.id)
    for named in ({"secret_sha256": sha256(rotated.secret)}, {"key_id": user.key.id}):
        with pytest.raises(KeyRevoked):
            await facade.objects.find("openai", [FILE_A], **named)
        with pytest.raises(KeyRevoked):
            await facade.objects.list_page("openai", "file", **named)


async def test_what_a_revoked_key_created_is_still_its_own(
    rig: Rig, facade: AsyncClient, user: Minted
) -> None:
    """An object that was created before a revocation is recorded after it, so nobody gets it."""
    other = await rig.client().keys.mint("bob")
    await rig.client().keys.revoke(user.key.id)
    assert await facade.objects.record([new(user)]) == [None]
    (refused,) = await facade.objects.record([new(other)])
    assert isinstance(refused, IdReused)


async def test_a_key_may_own_so_many(facade: AsyncClient, user: Minted) -> None:
    """The setting bounds a key's objects; what it forgets makes room."""
    names = [("file", f"file-{number}") for number in range(OBJECTS_PER_KEY + 1)]
    answers = await facade.objects.record([new(user, name) for name in names])

    assert [type(answer) for answer in answers[:-1]] == [type(None)] * OBJECTS_PER_KEY
    assert isinstance(answers[-1], TooManyObjects)
    full = await facade.objects.find("openai", key_id=user.key.id)
    assert full.room == 0
    assert await facade.objects.forget(user.key.id, "openai", names[:2]) == 2
    assert await facade.objects.record([new(user, names[-1])]) == [None]


async def test_lists_go_page_by_page(facade: AsyncClient, user: Minted, clock: TurnedClock) -> None:
    """All of a key's objects of one kind come once, newest or oldest first."""
    for number in range(OBJECTS_PER_KEY):
        await facade.objects.record([new(user, ("file", f"a:{number}"))])
        clock.advance(1)

    for oldest_first, expected in ((False, ["a:2", "a:1", "a:0"]), (True, ["a:0", "a:1", "a:2"])):
        listed = facade.objects.list(
            "openai", "file", key_id=user.key.id, page_size=1, oldest_first=oldest_first
        )
        assert [one.name.object_id async for one in listed] == expected
    listed = facade.objects.list("openai", "batch", key_id=user.key.id)
    assert [one async for one in listed] == []


async def test_objects_end_and_are_swept(
    rig: Rig, facade: AsyncClient, user: Minted, clock: TurnedClock
) -> None:
    """What is over is nobody's at once, and takes no room after the sweep."""
    await facade.objects.record([new(user, ttl_ms=1_000), new(user, FILE_B)])
    clock.advance(1_000)
    assert await found(facade, user, FILE_A, FILE_B) == ["file-b"]
    assert await sweeper.sweep_objects(rig.core.store) == 1
    answer = await facade.objects.find("openai", key_id=user.key.id)
    assert answer.room == OBJECTS_PER_KEY - 1


async def test_providers_are_limited_by_the_key(rig: Rig, facade: AsyncClient) -> None:
    """A key that may use some providers asks for the objects of those only."""
    key = await rig.client().keys.mint("bob", allowed_providers=["openai"])
    with pytest.raises(ProviderNotAllowed):
        await facade.objects.find("mistral", [FILE_A], key_id=key.key.id)
    assert await found(facade, key, FILE_A) == []


async def test_places_are_limited_by_the_key(rig: Rig, facade: AsyncClient) -> None:
    """A key for one browser origin asks for its objects from there only."""
    key = await rig.client().keys.mint("bob", allowed_origins=["https://app.example.com"])
    shown: dict[str, Any] = {"secret_sha256": sha256(key.secret)}
    await facade.objects.find("openai", **shown, origin="https://app.example.com")
    for elsewhere in ("https://evil.example.com", "https://app.example.com.evil.example"):
        with pytest.raises(PermissionDenied):
            await facade.objects.find("openai", **shown, origin=elsewhere)
        with pytest.raises(PermissionDenied):
            await facade.objects.list_page("openai", "file", **shown, origin=elsewhere)


async def test_unknown_keys_own_nothing(facade: AsyncClient, user: Minted) -> None:
    """An unknown key is refused alone in a batch, and as a whole where it asks."""
    unknown = NewObject(
        key_id="key_unknown", provider="openai", name=ObjectName(kind="file", object_id="x")
    )
    refused, recorded = await facade.objects.record([unknown, new(user)])
    assert isinstance(refused, NotFound)
    assert recorded is None
    with pytest.raises(NotFound):
        await facade.objects.find("openai", key_id="key_unknown")
    with pytest.raises(Unauthenticated):
        await facade.objects.find("openai", secret_sha256=b"x" * 32)
    assert await facade.objects.forget("key_unknown", "openai", [FILE_A]) == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"provider": ""}, "provider"),
        ({"name": ("File", "x")}, "kind"),
        ({"name": ("k" * 33, "x")}, "kind"),
        ({"name": ("file", "")}, "object_id"),
        ({"name": ("file", "x" * 513)}, "object_id"),
        ({"name": ("file", "a\nb")}, "object_id"),
        ({"note": "n" * 513}, "note"),
        ({"ttl_ms": -1}, "ttl_ms"),
        ({"ttl_ms": 2**41 + 1}, "ttl_ms"),
    ],
)
async def test_malformed_objects_are_refused(
    facade: AsyncClient, user: Minted, changes: dict[str, Any], field: str
) -> None:
    """Every field of an object has its bound, and the refusal names it."""
    with pytest.raises(InvalidArgument) as caught:
        await facade.objects.record([new(user, **changes)])
    assert caught.value.field == field


async def test_calls_are_bounded(facade: AsyncClient, user: Minted) -> None:
    """How many objects and names a call takes is bounded, and a made-up page is refused."""
    for objects in ([], [new(user)] * 257):
        with pytest.raises(InvalidArgument, match="objects must be"):
            await facade.objects.record(objects)
    with pytest.raises(InvalidArgument, match="names must be"):
        await facade.objects.find("openai", [FILE_A] * 1_001, key_id=user.key.id)
    for token in ("x", "1", ":", "9" * 16 + ":x"):
        with pytest.raises(InvalidArgument, match="page_token"):
            await facade.objects.list_page("openai", "file", key_id=user.key.id, page_token=token)
    with pytest.raises(InvalidArgument):
        await facade.objects.find("openai")


async def test_only_facades_ask(rig: Rig, user: Minted) -> None:
    """Neither a master nor a user's key may say or ask whose an object is."""
    for secret in (rig.master, user.secret):
        client = rig.client(secret)
        for call in (
            client.objects.record([new(user)]),
            client.objects.find("openai", key_id=user.key.id),
            client.objects.forget(user.key.id, "openai", [FILE_A]),
        ):
            with pytest.raises(PermissionDenied):
                await call


async def settled(
    rig: Rig, user: Minted, *records: Record, credential: str = SERVICE
) -> ledger_pb2.Settled:
    """One charge with records, under a credential."""
    reserve = rig.reserve(user.secret, provider=PROVIDER)
    (held,) = await rig.apply(reserve, credential=credential)
    settle = rig.settle(reserve, held, records=records)
    (result,) = await rig.apply(settle, credential=credential)
    assert result.HasField("settled"), result
    return result.settled


async def told(facade: AsyncClient, user: Minted, *object_ids: str) -> list[OwnedObject]:
    names = [("response", object_id) for object_id in object_ids]
    answer = await facade.objects.find(PROVIDER, names, secret_sha256=sha256(user.secret))
    return list(answer.objects)


def record(object_id: str, **more: Any) -> Record:
    return Record(name=ObjectName(kind="response", object_id=object_id), **more)


async def test_a_charge_brings_its_objects(
    rig: Rig, facade: AsyncClient, user: Minted, clock: TurnedClock
) -> None:
    """A settle's objects are its key's, and leave it the room it had; each has an end."""
    records = [record("r1", ttl_ms=1_000, note="n"), record("r2"), record("r3", ttl_ms=2**60)]
    await settled(rig, user, *records)
    found = await told(facade, user, "r1", "r2", "r3")
    lives_ms = [one.expires_at_ms - one.created_at_ms for one in found]
    assert lives_ms == [1_000, RECORD_TTL_MS_MAX, RECORD_TTL_MS_MAX]
    assert found[0].note == "n"
    answer = await facade.objects.find(PROVIDER, key_id=user.key.id)
    assert answer.room == OBJECTS_PER_KEY
    clock.advance(1_000)
    assert [one.name.object_id for one in await told(facade, user, "r1", "r2")] == ["r2"]


async def test_unfit_records_stop_no_charge(rig: Rig, facade: AsyncClient, user: Minted) -> None:
    """What could not be kept is left out, one by one, and the charge is made."""
    unfit = [
        Record(),
        Record(name=ObjectName(kind="No Kind", object_id="x")),
        record("x" * 513),
        record("nul\x00"),
        record("noted", note="n" * 513),
        record("negative", ttl_ms=-1),
    ]
    many = [record(f"r{number}") for number in range(RECORDS_MAX)]
    answer = await settled(rig, user, *unfit, *many)
    assert answer.charged_nano_usd == 20_000
    found = await told(facade, user, "x" * 512, "noted", "negative", *(f"r{n}" for n in range(16)))
    kept = [f"r{number}" for number in range(RECORDS_MAX - len(unfit))]
    assert [one.name.object_id for one in found] == ["negative", *kept]


async def test_only_a_facade_records(rig: Rig, facade: AsyncClient, user: Minted) -> None:
    """An account's own settle takes no object, which could be another's, and is charged."""
    answer = await settled(rig, user, record("r1"), credential=rig.master)
    assert answer.charged_nano_usd == 20_000
    assert await told(facade, user, "r1") == []
