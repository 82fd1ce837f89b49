"""Followers of new charges: in order, without loss, from wherever they start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from mintgate import AsyncClient, Minted
from mintgate.v1 import error_pb2, meter_pb2
from mintgate_core.ledger.operations import Expire, Expired
from mintgate_core.service.tail import Tail

from tests.core.service.harness import Rig, TurnedClock, error_in

WAIT_S = 20.0
"""A bound for what must come, not a pause."""


async def take(follower: AsyncIterator[meter_pb2.Event], count: int) -> list[int]:
    """Sequences of the next events."""
    async with asyncio.timeout(WAIT_S):
        return [(await anext(follower)).sequence for _ in range(count)]


async def test_a_follower_starts_where_it_says(rig: Rig, user: Minted) -> None:
    """From a sequence on it gets every later charge in order, old ones and then new ones."""
    for _ in range(4):
        await rig.charge(user.secret)
    follower = rig.client().meter.tail(after_sequence=3)
    assert await take(follower, 2) == [4, 5]
    for _ in range(3):
        await rig.charge(user.secret)
    assert await take(follower, 3) == [6, 7, 8]
    await follower.aclose()  # type: ignore[attr-defined]  # An async generator.


async def test_a_follower_loses_nothing_under_load(rig: Rig, user: Minted) -> None:
    """Started while charges pour in, it delivers each one exactly once, in order."""
    count = 300
    follower = rig.client().meter.tail(after_sequence=1)

    async def pour() -> None:
        for _ in range(count // 10):
            holds = [rig.reserve(user.secret) for _ in range(10)]
            async with rig.link() as link:
                held = await link.send(*holds)
                await link.send(*map(rig.settle, holds, held))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pour())
        seen = tasks.create_task(take(follower, count))
    assert seen.result() == list(range(2, count + 2))
    await follower.aclose()  # type: ignore[attr-defined]  # An async generator.


async def test_a_follower_from_now_on_has_no_gap(rig: Rig, user: Minted) -> None:
    """Without a position the first event is one made after the call, and none after it is lost."""
    for _ in range(3):
        await rig.charge(user.secret)
    follower = rig.client().meter.tail()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(take(follower, 1))
        while not first.done():
            await rig.charge(user.secret)
    newest = (await rig.client().meter.events_page(page_size=1)).events[0].sequence
    assert first.result()[0] > 4
    rest = await take(follower, newest - first.result()[0])
    assert [*first.result(), *rest] == list(range(first.result()[0], newest + 1))
    await follower.aclose()  # type: ignore[attr-defined]  # An async generator.


async def test_a_follower_of_one_key_sees_that_key(rig: Rig, user: Minted) -> None:
    """Naming a key, or being one, leaves the others' charges out."""
    other = await rig.client().keys.mint("bob")
    for secret in (user.secret, other.secret, user.secret):
        await rig.charge(secret)
    clients: list[tuple[AsyncClient, str]] = [
        (rig.client(), user.key.id),
        (rig.client(user.secret), ""),
        (rig.client(user.secret), user.key.id),
    ]
    for client, key_id in clients:
        follower = client.meter.tail(key_id=key_id, after_sequence=1)
        assert await take(follower, 2) == [2, 4]
        await follower.aclose()  # type: ignore[attr-defined]  # An async generator.


async def test_an_expiry_that_charges_is_followed(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """Not only settles wake a follower."""
    client = rig.client()
    hold = await client.ledger.reserve(
        key_id=user.key.id,
        provider="acme",
        model="small",
        bound=rig.reserve(user.secret).reserve.bound,
    )
    await client.ledger.progress(hold, {"output_tokens": 1})
    follower = client.meter.tail(after_sequence=1)
    async with asyncio.TaskGroup() as tasks:
        seen = tasks.create_task(take(follower, 1))
        clock.advance(10**6)
        assert await rig.sweep() == 1
    assert seen.result() == [2]
    await follower.aclose()  # type: ignore[attr-defined]  # An async generator.


async def test_a_follower_ends_with_its_key(rig: Rig, user: Minted) -> None:
    """A key that is revoked while it follows gets no further event, and is told why."""
    await rig.charge(user.secret)
    call = rig.meter.TailEvents(
        meter_pb2.TailEventsRequest(after_sequence=1), metadata=rig.auth(user.secret)
    )
    assert (await call.read()).event.sequence == 2
    other = await rig.client().keys.mint("bob")
    await rig.client().keys.revoke(user.key.id)
    await rig.charge(other.secret)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call.read(), WAIT_S)
    assert error_in(caught.value).reason == error_pb2.ERROR_REASON_KEY_REVOKED


async def test_a_charge_made_during_the_read_is_not_slept_through() -> None:
    """Who asks for the next charge before reading is woken by one that lands in between."""
    tail = Tail()
    asked = tail.next_charge(7)
    tail.committed([Expire(b"", 7)], [Expired(1)])
    assert asked.is_set()
    await tail.wait(asked)
    assert not tail.next_charge(7).is_set()
