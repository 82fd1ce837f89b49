"""No space for the database: its tables cannot grow, or its log cannot, which ends the server."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.buyer import Buyer, charged_once
from tests.chaos.test_facade_partition import no_hold_left
from tests.e2e.load import Outcomes, fire
from tests.harness import Installation, eventually, installation
from tests.servers.disk import SmallDisk, small_disk
from tests.servers.postgres import PostgresServer
from tests.servers.process import STOP_WAIT_S, make_directory

DISK_MB = {"data": 64, "wal": 16}
"""A fresh server's tables take 30 MB; its log, in segments of 1 MB, two."""
STREAMS = 16
CLIENTS = 8
SLOW = "input=9; output=20; chunk_delay_ms=200"
FULL_WITHIN_S = 60.0
RECOVERED_WITHIN_S = 60.0
HOLD_TTL_MS = 20_000
SETTLED_WITHIN_S = 60.0
"""Outboxes are replayed and abandoned holds are swept."""
FILLING = "select pg_logical_emit_message(false, 'filling', repeat('x', 100000))"


@contextmanager
def server_on_a_small_disk(part: str) -> Iterator[tuple[PostgresServer, SmallDisk]]:
    """A server whose data or log has a small disk of its own; the rest is on a large one."""
    directory = make_directory("postgres")
    server = PostgresServer(directory)
    owner = directory.stat()
    for name in DISK_MB:
        (directory / name).mkdir(mode=0o700)
        shutil.chown(directory / name, owner.st_uid, owner.st_gid)
    try:
        with small_disk(directory / part, DISK_MB[part]) as disk:
            server.initialise(f"--waldir={directory / 'wal'}", "--wal-segsize=1")
            server.start()
            try:
                yield server, disk
            finally:
                server.stop("immediate")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def ask_until_refused(gateway: Installation, buyer: Buyer) -> Outcomes:
    """Go on with requests until the first is refused; each is answered either way."""
    together = Outcomes()
    async with asyncio.timeout(FULL_WITHIN_S):
        while 503 not in together.statuses:
            asked = await fire(gateway.url, [buyer.secret] * CLIENTS)
            together.statuses += asked.statuses
            together.broken += asked.broken
            together.completed += asked.completed
    assert (set(together.statuses) <= {200, 503}, together.broken) == (True, 0)
    return together


def fill_the_log(server: PostgresServer) -> None:
    """Write to the log until the server ends: it goes on only when what it writes is safe."""
    assert server.process is not None
    try:
        while True:
            server.execute(FILLING)
    except psycopg.OperationalError:
        # Its recovery needs the log as well, and finds no room either.
        server.process.wait(STOP_WAIT_S)
    server.process = None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", ["data", "wal"])
async def test_full_disk_of_the_database_loses_nothing(tmp_path: Path, part: str) -> None:
    """Reserves are refused with 503, running answers end whole, and each is charged once."""
    with server_on_a_small_disk(part) as (server, disk):
        settings = {
            "MINTGATE_STORE": server.url(server.create_database()),
            "MINTGATE_WORKERS": "1",
            "MINTGATE_HOLD_TTL_MS": str(HOLD_TTL_MS),
        }
        with installation(tmp_path, **settings) as gateway:
            buyer = Buyer.mint(gateway, None)

            def all_held() -> bool:
                with gateway.client() as client:
                    return len(list(client.ledger.holds())) == STREAMS

            async with asyncio.TaskGroup() as tasks:
                streams = tasks.create_task(
                    fire(gateway.url, [buyer.secret] * STREAMS, stream=True, simulate=SLOW)
                )
                await asyncio.to_thread(eventually, all_held, 20, "the holds of the streams")
                disk.fill()
                if part == "wal":
                    await asyncio.to_thread(fill_the_log, server)
                meanwhile = await ask_until_refused(gateway, buyer)
            assert streams.result().statuses == {200: STREAMS}
            disk.free()
            if server.process is None:
                server.start()
            await asyncio.to_thread(eventually, gateway.ready, RECOVERED_WITHIN_S, "readiness")
            completed = {*streams.result().completed, *meanwhile.completed}

            def all_charged() -> bool:
                return completed <= set(buyer.charges())

            await asyncio.to_thread(eventually, all_charged, SETTLED_WITHIN_S, "every charge")
            await asyncio.to_thread(
                eventually, lambda: no_hold_left(gateway), SETTLED_WITHIN_S, "the end of every hold"
            )
            charges = await asyncio.to_thread(buyer.charges)
            for request_id in completed:
                charged_once(charges[request_id])
            assert (await fire(gateway.url, [buyer.secret])).statuses == {200: 1}
            await asyncio.to_thread(gateway.audit)
