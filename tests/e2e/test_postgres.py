"""A whole installation on PostgreSQL, as a user starts it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.e2e.load import fire
from tests.harness import installation
from tests.servers.postgres import PostgresServer

REQUESTS = 60


async def test_the_loop_on_postgres(
    tmp_path: Path, postgres: PostgresServer, empty_database: str
) -> None:
    """`mintgate up` makes the tables, and a cap holds to the nano-dollar through its two lanes."""
    store = postgres.url(empty_database)
    with installation(tmp_path, MINTGATE_STORE=store) as gateway:
        key_id, secret = await asyncio.to_thread(gateway.mint, "0.001")
        outcomes = await fire(gateway.url, [secret] * REQUESTS)
        assert set(outcomes.statuses) == {200, 402}
        events = await asyncio.to_thread(gateway.events, key_id)
        assert sorted(e.request_id for e in events) == sorted(outcomes.completed)
        await asyncio.to_thread(gateway.audit)
    spent = postgres.execute(
        "select max(l.spent), sum(d.charged)::bigint, max(l.held) from line l join"
        " charge_detail d on d.key_id = l.key_id where l.kind = 2",
        empty_database,
    )
    ((on_the_line, charged, held),) = spent
    assert isinstance(on_the_line, int)
    assert charged == on_the_line <= 1_000_000
    assert held == 0
