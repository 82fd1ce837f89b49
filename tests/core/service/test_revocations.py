"""Revocations reach whoever watches, through any core; nobody watches, nobody polls."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from mintgate.v1 import error_pb2, ledger_pb2
from mintgate_core.ledger.errors import Unavailable
from mintgate_core.ledger.types import KeyStatus
from mintgate_core.service.revocations import HEARTBEAT_ROUNDS, MARGIN_MS, Revocations
from mintgate_core.stores.conformance.builders import Tenant
from mintgate_core.stores.memory import MemoryStore

from tests.core.service.harness import OPERATOR, SERVICE, Rig, TurnedClock, error_in

if TYPE_CHECKING:
    from mintgate import Minted
    from mintgate_core.ledger.types import Key

WAIT_S = 2.0
"""Within which running requests of a revoked key must end."""
START_MS = 1_795_442_400_000


class CountedStore(MemoryStore):
    """A store that counts the polls and can be away."""

    polls = 0
    away = False

    def __init__(self, clock: TurnedClock) -> None:
        super().__init__(clock)
        self.polled = asyncio.Event()
        """Set by a poll that fails."""

    async def revoked_since(self, from_ms: int, limit: int) -> list[tuple[str, int]]:
        self.polls += 1
        if self.away:
            self.polled.set()
            raise Unavailable("the store is away")
        return await super().revoked_since(from_ms, limit)


class Rounds:
    """Lets the poller sleep until a test says that the interval has passed."""

    def __init__(self) -> None:
        self._due = asyncio.Semaphore(0)

    async def sleep(self, _seconds: float) -> None:
        await self._due.acquire()

    def pass_(self, count: int = 1) -> None:
        for _ in range(count):
            self._due.release()


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


@pytest.fixture
def store() -> CountedStore:
    return CountedStore(TurnedClock(START_MS))


@pytest.fixture
def revocations(store: CountedStore, rounds: Rounds) -> Revocations:
    return Revocations(store, rounds.sleep)


async def revoked(store: MemoryStore, at_ms: int = START_MS) -> str:
    """A key that was revoked at a moment."""
    key = await (await Tenant.open(store)).mint()

    def revoke(key: Key) -> Key:
        return replace(key, status=KeyStatus.REVOKED, revoked_at_ms=at_ms)

    return (await store.change_key(key.key_id, revoke)).key_id


async def test_the_first_message_tells_what_came_before(
    store: CountedStore, revocations: Revocations
) -> None:
    """A watcher hears at once of earlier revocations, a margin before its moment included."""
    inside = await revoked(store, START_MS - MARGIN_MS)
    await revoked(store, START_MS - MARGIN_MS - 1)
    watch = revocations.watch(START_MS)

    assert (await anext(watch)).key_ids == (inside,)
    await watch.aclose()


async def test_news_reaches_every_watcher_once(
    store: CountedStore, revocations: Revocations, rounds: Rounds
) -> None:
    """One poll serves all watchers, and no key is told twice while it stays in the margin."""
    watches = [revocations.watch(0) for _ in range(3)]
    assert [(await anext(watch)).key_ids for watch in watches] == [(), (), ()]
    first = await revoked(store)
    polls = store.polls
    rounds.pass_()
    assert [(await anext(watch)).key_ids for watch in watches] == [(first,)] * 3
    assert store.polls == polls + 1
    second = await revoked(store)
    rounds.pass_()
    assert [(await anext(watch)).key_ids for watch in watches] == [(second,)] * 3
    for watch in watches:
        await watch.aclose()


async def test_a_late_commit_is_not_missed(
    store: CountedStore, revocations: Revocations, rounds: Rounds
) -> None:
    """A revocation whose time lies before polls that did not see it yet is told all the same."""
    watch = revocations.watch(0)
    await anext(watch)
    rounds.pass_(HEARTBEAT_ROUNDS)
    assert (await anext(watch)).key_ids == ()
    late = await revoked(store, START_MS - MARGIN_MS)
    rounds.pass_()
    assert (await anext(watch)).key_ids == (late,)
    await watch.aclose()


async def test_an_outage_of_the_store_hides_nothing(
    store: CountedStore, revocations: Revocations, rounds: Rounds
) -> None:
    """What was revoked while the store could not be read is told when it is back."""
    watch = revocations.watch(0)
    await anext(watch)
    store.away = True
    hidden = await revoked(store)
    rounds.pass_(3)
    news = asyncio.ensure_future(anext(watch))
    await store.polled.wait()
    assert not news.done()
    store.away = False
    rounds.pass_()
    assert (await news).key_ids == (hidden,)
    await watch.aclose()


async def test_nobody_watches_nobody_polls(
    store: CountedStore, revocations: Revocations, rounds: Rounds
) -> None:
    """The polling ends with the last watcher and begins again with the next."""
    watch = revocations.watch(0)
    await anext(watch)
    await watch.aclose()
    polls = store.polls
    rounds.pass_(5)
    await asyncio.sleep(0)
    assert store.polls == polls
    again = revocations.watch(0)
    await anext(again)
    await revoked(store)
    rounds.pass_()
    assert len((await anext(again)).key_ids) == 1
    await again.aclose()


async def test_a_facade_hears_within_two_seconds(rig: Rig, user: Minted) -> None:
    """Over the wire, with the service's credential, and with the time to resume from."""
    watch: Any = rig.client(SERVICE).ledger.watch_revocations()
    first = await anext(watch)
    assert list(first.key_ids) == []
    assert first.told_until_ms == await rig.core.store.now_ms()
    await rig.client().keys.revoke(user.key.id)
    async with asyncio.timeout(WAIT_S):
        assert list((await anext(watch)).key_ids) == [user.key.id]
    await watch.aclose()


async def test_a_moment_before_the_first_is_refused(rig: Rig) -> None:
    """A negative time is refused by name, not read as a default."""
    call = rig.ledger.WatchRevocations(
        ledger_pb2.WatchRevocationsRequest(since_ms=-1), metadata=rig.auth(OPERATOR)
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert error_in(caught.value).reason == error_pb2.ERROR_REASON_INVALID_ARGUMENT
    assert error_in(caught.value).field == "since_ms"
