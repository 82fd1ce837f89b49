"""Several cores on one store: calls fail over at once, come back, and count once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from mintgate import AsyncClient, Client
from mintgate.channel import authorization, open_aio_channel
from mintgate.v1.keys_pb2 import AuthenticateRequest
from mintgate.v1.keys_pb2_grpc import KeysServiceStub
from mintgate.v1.ledger_pb2_grpc import LedgerServiceStub
from mintgate_core.secrets_of_keys import digest
from mintgate_facade.relay.cores import Cores
from mintgate_facade.relay.link import LedgerLink

from tests.http_facade.relay.failover import KEY, SERVICE, Cluster, reserve, settle
from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 10.0
FAILOVER_WITHIN_S = 3.0
"""As long as a request waits for its hold."""


class Two:
    """Two cores on one store; each can be stopped and started at its own address."""

    def __init__(self, directory: Path) -> None:
        self.cluster = Cluster(directory)
        self.ports = [free_port(), free_port()]
        self._running: list[AsyncExitStack | None] = [None, None]

    @property
    def targets(self) -> list[str]:
        return [f"127.0.0.1:{port}" for port in self.ports]

    async def start(self, place: int) -> None:
        stack = AsyncExitStack()
        await stack.enter_async_context(self.cluster.core(port=self.ports[place]))
        self._running[place] = stack

    async def stop(self, place: int) -> None:
        stack, self._running[place] = self._running[place], None
        if stack is not None:
            await stack.aclose()


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    cores = Two(tmp_path)
    for place in range(2):
        await cores.start(place)
    yield cores
    for place in range(2):
        await cores.stop(place)
    assert not any(check.findings for check in await cores.cluster.store.audit())


class Moves:
    """Lets a test wait until calls go to a core."""

    def __init__(self, cores: Cores) -> None:
        self._cores = cores
        self._moved = asyncio.Event()
        cores.on_move(self._moved.set)

    async def to(self, place: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while self._cores.here() != place:
                self._moved.clear()
                await self._moved.wait()


@asynccontextmanager
async def linked(two: Two) -> AsyncIterator[tuple[Cores, LedgerLink, Moves]]:
    cores = Cores([(target, open_aio_channel(target)) for target in two.targets])
    link = LedgerLink(LedgerServiceStub(cores), SERVICE, route=cores)
    cores.on_move(link.moved)
    moves = Moves(cores)
    cores.start()
    link.start()
    yield cores, link, moves
    await link.close()
    await cores.close()


async def charge(link: LedgerLink) -> bytes:
    reserved = reserve()
    held = await link.submit(reserved, WAIT_S)
    settled = await link.submit(settle(reserved, held), WAIT_S)
    assert settled.HasField("settled")
    return reserved.reserve.hold_id


async def test_the_link_fails_over_at_once_and_comes_back(two: Two) -> None:
    """A reserve at the moment of a core's end is granted by the other within its own wait."""
    async with linked(two) as (_, link, moves):
        await charge(link)
        stopping = asyncio.ensure_future(two.stop(0))
        await moves.to(1)
        async with asyncio.timeout(FAILOVER_WITHIN_S):
            await charge(link)
        await stopping
        await charge(link)
        await two.start(0)
        await moves.to(0)
        await two.stop(1)
        await charge(link)
    assert len(two.cluster.store.settled_ids()) == 4


async def test_charges_go_on_while_cores_come_and_go(two: Two) -> None:
    """Under load, with one core at a time away, every acknowledged settle counts exactly once."""
    done: list[bytes] = []
    enough = asyncio.Event()

    async def load(link: LedgerLink) -> None:
        while not enough.is_set():
            done.append(await charge(link))

    async with linked(two) as (_, link, moves):
        loads = [asyncio.ensure_future(load(link)) for _ in range(8)]
        for place in (0, 1):
            await two.stop(place)
            await moves.to(1 - place)
            await two.start(place)
            await moves.to(0)
        enough.set()
        await asyncio.gather(*loads)
    assert len(done) == len(set(done)) > 16
    assert set(done) == two.cluster.store.settled_ids()


async def test_an_idle_link_follows(two: Two) -> None:
    """Without any traffic the stream moves, too, so that the next request finds it standing."""
    async with linked(two) as (_, link, moves):
        await charge(link)
        await two.stop(0)
        await moves.to(1)
        async with asyncio.timeout(WAIT_S):
            while not link.connected:  # noqa: ASYNC110 - the link tells nobody
                await asyncio.sleep(0.01)
        assert link.connected


async def test_single_calls_follow(two: Two) -> None:
    """A stub made once calls whichever core is in use."""
    async with linked(two) as (cores, _, moves):
        keys = KeysServiceStub(cores)
        request = AuthenticateRequest(secret_sha256=digest(KEY))
        for _ in range(2):
            answer = await keys.Authenticate(request, metadata=authorization(SERVICE))
            assert answer.key.id
            if cores.here() == 0:
                await two.stop(0)
                await moves.to(1)
        assert cores.here() == 1


async def test_a_core_that_failed_a_stream_is_asked_anew(two: Two) -> None:
    """A core that is left although it is well is used again as soon as it says so."""
    async with linked(two) as (cores, link, moves):
        await charge(link)
        await moves.to(0)
        cores.lost(0)
        await moves.to(0)
        await charge(link)


async def test_clients_try_the_next_core(two: Two) -> None:
    """`Client` and `AsyncClient` take a list of cores and get over one that is away."""
    await two.stop(0)
    target = ",".join(two.targets)
    async with AsyncClient(target, KEY) as client:
        assert (await client.keys.authenticate()).id

    def ask() -> str:
        with Client(target, KEY) as sync:
            return sync.keys.authenticate().id

    assert await asyncio.to_thread(ask)
