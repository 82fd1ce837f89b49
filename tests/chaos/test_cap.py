"""A cap under fire from every side: exact to the nano-dollar, over any number of cores."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from mintgate import new_id
from mintgate.v1.ledger_pb2 import Operation

from tests.chaos.cluster import Cluster
from tests.chaos.workload import NO_MONEY, Load, reserving
from tests.servers.postgres import PostgresServer

CLIENTS = 64
RESERVES = 10_000
GRANTED = 1_000
HOLD_NANO_USD = 45_000
"""Of the workload's reserve: 100 tokens in and 50 out of gpt-4o-mini."""
SEED = 3


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_exactly_what_fits_is_granted(
    postgres: PostgresServer, empty_database: str, tmp_path: Path
) -> None:
    """Of 10,000 reserves by 64 clients over 3 cores a cap for 1,000 admits exactly 1,000."""
    cluster = Cluster(tmp_path, postgres.url(empty_database), 3, MINTGATE_HOLD_TTL_MS="120000")
    await asyncio.to_thread(cluster.start)
    try:
        await cluster.connect()
        load = Load(cluster, random.Random(SEED))  # noqa: S311 - which core gets which call
        async with cluster.client() as client:
            made = await client.accounts.create("fired at", grant_usd="100")
            key = (
                await client.keys.mint(
                    "leaked",
                    cap_nano_usd=GRANTED * HOLD_NANO_USD,
                    credential=made.master_secret,
                )
            ).key
        granted: set[bytes] = set()
        refused = 0

        async def client_of_many(count: int) -> None:
            nonlocal refused
            for _ in range(count):
                hold_id = new_id()
                operation = Operation(reserve=reserving(hold_id, key.id, ttl_ms=120_000))
                # Some are sent twice, at once, to whichever cores.
                copies = 2 if load.rng.random() < 0.1 else 1
                operation.reserve.first_attempt = copies == 1
                results = await asyncio.gather(*(load.ask(operation) for _ in range(copies)))
                outcomes = {result.WhichOneof("outcome") for result in results}
                if "reserved" in outcomes:
                    granted.add(hold_id)
                else:
                    assert {result.error.reason for result in results} <= NO_MONEY
                    refused += 1

        share, rest = divmod(RESERVES, CLIENTS)
        async with asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(client_of_many(share + (number < rest)))
        async with cluster.client(made.master_secret) as client:
            after = await client.keys.get(key.id)
        await cluster.disconnect()
        assert (len(granted), refused) == (GRANTED, RESERVES - GRANTED)
        assert after.held_nano_usd == after.cap_nano_usd == GRANTED * HOLD_NANO_USD
        assert await asyncio.to_thread(cluster.audit) == 0
    finally:
        await asyncio.to_thread(cluster.stop)
