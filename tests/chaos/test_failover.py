"""A primary that dies under load, and the standby that takes its place."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from mintgate_core.stores.postgres import PostgresStore, PostgresUrl, schema

from tests.chaos.cluster import Cluster
from tests.chaos.run import run
from tests.chaos.test_chaos import assert_clean
from tests.core.service.harness import OPERATOR, START_MS, Rig, TurnedClock, price_of
from tests.e2e.load import fire
from tests.harness import Installation, eventually, installation
from tests.servers.postgres import HOST, USER, PostgresServer, running_postgres, running_standby
from tests.servers.proxy import running_proxy

STANDBY = "standby"
LOAD_S = 4.0
"""Load before and after the failover."""
REQUESTS = 40


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_synchronous_standby_takes_over(tmp_path: Path) -> None:
    """The primary dies under load; the synchronous standby has every acknowledged settle."""
    with running_postgres() as primary:
        database = primary.create_database()
        with (
            running_standby(primary, STANDBY) as standby,
            running_proxy(HOST, primary.port) as proxy,
        ):
            primary.wait_for_standby(STANDBY)
            primary.require_standby(STANDBY)

            async def fail_over(_cluster: Cluster, _rng: random.Random) -> Counter[str]:
                await asyncio.sleep(LOAD_S)
                await asyncio.to_thread(primary.stop, "immediate")
                await asyncio.to_thread(standby.promote)
                proxy.target = (HOST, standby.port)
                proxy.cut()
                await asyncio.sleep(LOAD_S)
                return Counter()

            verdict = await run(
                tmp_path,
                primary.url(database).replace(f":{primary.port}/", f":{proxy.port}/"),
                fail_over,
                seed=secrets.randbelow(2**31),
            )
    assert_clean(verdict)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_asynchronous_standby_is_healed_by_the_facade(tmp_path: Path) -> None:
    """A standby without the tail of the log takes over; the facade sends what it lost again.

    Charges are made, each once, and a stored file is its key's as before.
    """
    with running_postgres() as primary:
        database = primary.create_database()
        with (
            running_standby(primary, STANDBY) as standby,
            running_proxy(HOST, primary.port) as proxy,
        ):
            store = primary.url(database).replace(f":{primary.port}/", f":{proxy.port}/")
            with installation(tmp_path, MINTGATE_STORE=store, MINTGATE_WORKERS="2") as gateway:
                key_id, secret = gateway.mint(None)
                known = await fire(gateway.url, [secret] * REQUESTS)
                await asyncio.to_thread(primary.wait_for_standby, STANDBY)
                await asyncio.to_thread(_stop_receiving, primary, standby)
                lost = await fire(gateway.url, [secret] * REQUESTS)
                path = await asyncio.to_thread(_store_file, gateway, secret)
                assert len(known.completed) == len(lost.completed) == REQUESTS
                await asyncio.to_thread(primary.stop, "immediate")
                await asyncio.to_thread(standby.promote)
                charged = "select count(*) from charge_detail"
                assert standby.execute(charged, database) == [(REQUESTS,)], "nothing was lost"
                owned = "select count(*) from owned_object"
                assert standby.execute(owned, database) == [(0,)], "nothing was lost"
                proxy.target = (HOST, standby.port)
                proxy.cut()
                await asyncio.to_thread(eventually, gateway.ready, 30, "readiness")
                # What the facade hears with its next answer is that the history is another.
                after = await fire(gateway.url, [secret])
                wanted = {*known.completed, *lost.completed, *after.completed}
                assert len(wanted) == 2 * REQUESTS + 1

                def all_charged() -> bool:
                    return {event.request_id for event in gateway.events(key_id)} == wanted

                await asyncio.to_thread(eventually, all_charged, 30, "the charges that were lost")
                events = gateway.events(key_id)
                assert len(events) == len(wanted)
                assert sum(event.late for event in events) == REQUESTS

                def is_owned() -> bool:
                    return bool(httpx.get(path, headers=bearer(secret)).is_success)

                await asyncio.to_thread(eventually, is_owned, 30, "the file's owner")
                await asyncio.to_thread(gateway.audit)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("survives", [True, False])
async def test_a_hold_whose_price_was_lost_is_charged(tmp_path: Path, *, survives: bool) -> None:
    """A card that the standby lacks comes from a core's memory, from the packaged prices, or never.

    Then the whole hold is charged, late, by a core that never saw it: neither refused nor free.
    """
    clock = TurnedClock(START_MS)
    async with AsyncExitStack() as cleanup:
        primary = cleanup.enter_context(running_postgres())
        database = primary.create_database()
        schema.migrate(PostgresUrl.parse(primary.url(database)))
        standby = cleanup.enter_context(running_standby(primary, STANDBY))
        hosts = f"{HOST}:{primary.port},{HOST}:{standby.port}"
        url = PostgresUrl.parse(f"postgresql://{USER}@{hosts}/{database}")

        async def core() -> Rig:
            store = await PostgresStore.open(url, clock)
            cleanup.push_async_callback(store.close)
            rig = Rig(tmp_path, clock, store=store)
            await rig.start()
            return rig

        first = await core()
        cleanup.push_async_callback(first.stop)
        secret = (await first.client().keys.mint("ada", cap_usd="1")).secret
        await asyncio.to_thread(primary.wait_for_standby, STANDBY)
        await asyncio.to_thread(_stop_receiving, primary, standby)
        await first.client(OPERATOR).meter.put_price(price_of())
        holds = [
            first.reserve(secret),
            first.reserve(secret, provider="openai", model="gpt-4o-mini"),
        ]
        held = await first.apply(*holds)
        if not survives:
            await first.stop()
        await asyncio.to_thread(primary.stop, "immediate")
        await asyncio.to_thread(standby.promote)
        if survives:
            kept = "select count(*) from price_card"
            both = f"{kept} having count(*) = {len(holds)}"
            await asyncio.to_thread(
                eventually, lambda: standby.execute(both, database), 30, "the cards in the standby"
            )
        second = await core()
        cleanup.push_async_callback(second.stop)
        results = await second.apply(*map(second.settle, holds, held))
        exact, whole, packaged = 20_000, 200_000, 4_500
        charged = [result.settled.charged_nano_usd for result in results]
        assert charged == [exact if survives else whole, packaged]
        assert all(result.settled.late for result in results)
        assert not any(check.findings for check in await second.core.store.audit())


def _store_file(gateway: Installation, secret: str) -> str:
    """Store a file at a provider; the address of what is known of it."""
    address = f"{gateway.url}/openai/v1/files"
    answer = httpx.post(
        address,
        headers=bearer(secret),
        data={"purpose": "user_data"},
        files={"file": ("a.txt", b"hello", "text/plain")},
    )
    assert answer.is_success, answer.text
    return f"{address}/{answer.json()['id']}"


def bearer(secret: str) -> dict[str, str]:
    """The header that most clients send."""
    return {"authorization": f"Bearer {secret}"}


def _stop_receiving(primary: PostgresServer, standby: PostgresServer) -> None:
    """Leave a standby behind: what is committed from now on it never hears of."""
    standby.execute("alter system set primary_conninfo = ''")
    standby.execute("select pg_reload_conf()")
    none = "select count(*) = 0 from pg_stat_replication"
    eventually(lambda: primary.execute(none) == [(True,)], 30, "the end of replication")
