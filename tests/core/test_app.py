"""The composition root: what is served, what stops a start, and how a core ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from mintgate import AsyncClient, Minted, RetryPolicy, Unauthenticated, new_id
from mintgate.v1 import ledger_pb2
from mintgate_core import folding
from mintgate_core.app import SERVICES, Core, CoreOptions, host_and_port, running
from mintgate_core.bootstrap import FirstAccount
from mintgate_core.ledger.errors import Unavailable
from mintgate_core.pricing import PriceBook
from mintgate_core.stores.base import HOUR_MS
from mintgate_core.stores.conformance import SettableClock, Tenant
from mintgate_core.stores.sqlite import SqliteStore

from tests.ports import free_port

MASTER = "qlk_live_" + "ab" * 32
OPERATOR, SERVICE = "o" * 32, "s" * 32
WAIT_S = 20.0
"""A bound for what must come, not a pause."""

BOUND = ledger_pb2.Bound(input_tokens=10, output_tokens=10)


@pytest.fixture
def options(tmp_path: Path) -> CoreOptions:
    first = FirstAccount(MASTER, 10**9)
    return CoreOptions(tmp_path / "mintgate.db", OPERATOR, SERVICE, first=first)


@asynccontextmanager
async def connected(core: Core) -> AsyncIterator[Any]:
    """A bare channel to a core."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{core.port}") as channel:
        yield channel


def on_port(options: CoreOptions, port: int) -> CoreOptions:
    return CoreOptions(options.store_path, OPERATOR, SERVICE, port=port, first=options.first)


async def test_every_service_is_healthy_without_a_credential(options: CoreOptions) -> None:
    """Load balancers ask the standard health service, for the whole or for one service."""
    async with running(options) as core, connected(core) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        for service in ("", *SERVICES):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(("stale_days", "warned"), [(9, True), (10, False), (0, False)])
async def test_a_start_with_old_prices_says_so(
    options: CoreOptions, caplog: pytest.LogCaptureFixture, *, stale_days: int, warned: bool
) -> None:
    """A warning names the day and the age, and the core is as ready as ever."""
    later_ms = PriceBook.load().read_at_ms + 10 * 86_400_000
    old = replace(options, prices_stale_days=stale_days)
    async with running(old, clock=lambda: later_ms) as core, connected(core) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert ("10 days ago; compare them with a newer list" in caplog.text) == warned


async def test_a_core_folds_usage_of_hours_that_are_over(
    options: CoreOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to ask: rows leave the open hours while the core runs, and the bill stays."""
    for name in ("FOLD_START_S", "FOLD_INTERVAL_S"):
        monkeypatch.setattr(folding, name, 0)
    clock = SettableClock()
    async with running(options, clock=clock) as core:
        store = core.store
        assert isinstance(store, SqliteStore)
        tenant = await Tenant.open(store, balance=100)
        await tenant.settle(await tenant.reserve(tenant.master, 10), 5)
        clock.advance(2 * HOUR_MS)
        async with asyncio.timeout(WAIT_S):
            while await store._read(lambda c: c.execute("select 1 from usage_hour").fetchall()):
                pass
        wallet_id = tenant.account.wallet_id
        (row,) = await store.usage(wallet_id, key_id="", from_ms=0, to_ms=clock())
        assert row.usage.charged == 5


async def test_the_contract_can_be_asked_for(options: CoreOptions) -> None:
    """Reflection lists the services without a credential, for grpcurl and its like."""
    async with running(options) as core, connected(core) as channel:
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = reflection.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        answer = await call.read()
        await call.done_writing()
        assert set(SERVICES) <= {s.name for s in answer.list_services_response.service}


async def test_a_port_that_is_taken_is_told_as_such(options: CoreOptions) -> None:
    """One refusal, not a group of them, and the store is let go of."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{port}"):
            async with running(on_port(options, port)):
                pass
    async with running(options) as core:
        assert core.port


async def test_two_cores_do_not_share_a_port(options: CoreOptions, tmp_path: Path) -> None:
    """A second core on the same port is refused rather than given half of the calls."""
    async with running(options) as core:
        second = CoreOptions(tmp_path / "other.db", OPERATOR, SERVICE, port=core.port)
        with pytest.raises(Unavailable, match="cannot listen"):
            async with running(second):
                pass


async def test_a_second_core_on_the_same_file_is_refused(options: CoreOptions) -> None:
    """One process owns an embedded store, and the first goes on undisturbed."""
    async with running(options) as core:
        with pytest.raises(Unavailable, match="another process is using"):
            async with running(options):
                pass
        async with AsyncClient(f"127.0.0.1:{core.port}", MASTER) as client:
            assert (await client.keys.authenticate()).id


async def test_a_failure_inside_the_block_comes_out_as_it_was(options: CoreOptions) -> None:
    """Who runs a core in process sees their own exception, and the core is stopped."""
    with pytest.raises(ZeroDivisionError):
        async with running(options):
            _ = 1 // 0
    async with running(options) as core:
        assert core.port


async def test_a_stop_answers_what_is_under_way(options: CoreOptions) -> None:
    """Calls in flight at a stop are answered or refused whole; the books are clean."""
    ids = [new_id() for _ in range(200)]
    async with running(options) as core:
        once = RetryPolicy(attempts_max=1)
        client = AsyncClient(f"127.0.0.1:{core.port}", OPERATOR, retry=once)
        account_id = (await client.keys.authenticate(MASTER)).account_id
        grants = [
            asyncio.ensure_future(client.ledger.grant(account_id, "0.000000001", grant_id=i))
            for i in ids
        ]
        await asyncio.wait(grants, return_when=asyncio.FIRST_COMPLETED)
    answers = await asyncio.gather(*grants, return_exceptions=True)
    await client.close()
    answered = [
        grant_id
        for grant_id, answer in zip(ids, answers, strict=True)
        if not isinstance(answer, BaseException)
    ]
    assert answered
    store = SqliteStore.open(options.store_path)
    for grant_id in answered:
        assert await store.wallet_of(grant_id) is not None
    assert not any(check.findings for check in await store.audit())
    await store.close()


async def test_a_stop_does_not_wait_for_followers(options: CoreOptions) -> None:
    """Streams that never end by themselves are cut, so that a stop takes about a second."""
    async with running(options) as core:
        client = AsyncClient(f"127.0.0.1:{core.port}", MASTER)
        minted = await client.keys.mint("ada")
        follower = client.meter.tail(after_sequence=1)
        await charge(core, minted)
        assert (await anext(follower)).sequence == 2
        stopping = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stopping < 4
    await follower.aclose()  # type: ignore[attr-defined]  # An async generator.
    await client.close()


async def charge(core: Core, minted: Minted) -> None:
    """Reserve and settle once, as a facade would."""
    async with AsyncClient(f"127.0.0.1:{core.port}", SERVICE) as facade:
        hold = await facade.ledger.reserve(
            secret=minted.secret, provider="openai", model="gpt-4o-mini", bound=BOUND
        )
        await facade.ledger.settle(hold, {"input_tokens": 1})


async def test_a_follower_goes_on_after_a_restart(options: CoreOptions) -> None:
    """The client's follower finds the new core at the old port and misses nothing."""
    at_port = on_port(options, free_port())
    async with running(at_port) as core:
        client = AsyncClient(f"127.0.0.1:{core.port}", MASTER)
        minted = await client.keys.mint("ada")
        follower = client.meter.tail(after_sequence=1)
        await charge(core, minted)
        assert (await anext(follower)).sequence == 2
        following = asyncio.ensure_future(anext(follower))
    async with running(at_port) as core:
        await charge(core, minted)
        assert (await asyncio.wait_for(following, WAIT_S)).sequence == 3
        await client.close()


async def test_the_installations_own_tokens_are_taken(options: CoreOptions) -> None:
    """The operator's and the service token of the options open the core, and no others."""
    async with running(options) as core, AsyncClient(f"127.0.0.1:{core.port}") as client:
        assert (await client.keys.authenticate(MASTER, credential=OPERATOR)).id
        assert (await client.keys.authenticate(MASTER, credential=SERVICE)).id
        with pytest.raises(Unauthenticated):
            await client.keys.authenticate(MASTER, credential="x" * 32)


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1:5"), ("::1", "[::1]:5"), ("core.internal", "core.internal:5")],
)
def test_an_address_is_written_as_clients_write_it(host: str, address: str) -> None:
    """IPv6 hosts stand in brackets."""
    assert host_and_port(host, 5) == address
