"""`kill -9` at any moment: no charge is lost, none is made twice, no hold stays."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from mintgate.v1 import ledger_pb2

from tests.buyer import charged_once
from tests.e2e.load import Outcomes, fire
from tests.harness import Installation, eventually, installation
from tests.upstream import Upstream, simulate

ROUNDS = 20
SEED = 20_261_123
CLIENTS = 24
VICTIMS = ("facade-0", "core", "facade-1", "core")
HOLD_TTL_MS = 3_000
SWEPT_WITHIN_S = HOLD_TTL_MS / 1_000 + 12
"""A hold's time to live, a core's grace after its start, one sweep, and a busy machine."""


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose holds expire quickly, to be killed at will."""
    directory: Path = tmp_path_factory.mktemp("fragile")
    with installation(
        directory,
        MINTGATE_HOLD_TTL_MS=str(HOLD_TTL_MS),
        MINTGATE_RESTARTS_PER_MINUTE="1000",
        MINTGATE_WORKERS="2",
    ) as gateway:
        yield gateway


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_kill_nine_loses_no_acknowledged_charge(fragile: Installation) -> None:
    """Facade and core are killed 20 times under load; every answer that arrived was charged once.

    The moments come from a seeded generator, so that a failure can be repeated.
    """
    rng = random.Random(SEED)  # noqa: S311 - moments of kills, not secrets
    key_id, secret = fragile.mint(None)
    completed: list[str] = []
    for number in range(ROUNDS):
        completed += await _round(fragile, secret, rng, victim=VICTIMS[number % len(VICTIMS)])
    assert len(completed) > ROUNDS

    def no_hold_left() -> bool:
        with fragile.client() as client:
            return not list(client.ledger.holds())

    await asyncio.to_thread(eventually, no_hold_left, SWEPT_WITHIN_S, "the end of every hold")
    await asyncio.to_thread(fragile.audit)
    charges: dict[str, list[Any]] = {}
    for event in fragile.events(key_id):
        charges.setdefault(event.request_id, []).append(event)
    assert set(completed) <= set(charges), "an answer that arrived whole has no charge"
    for events in charges.values():
        charged_once(events)


def test_work_that_went_on_unnoticed_is_not_free(fragile: Installation) -> None:
    """A facade dies when the provider has taken a job, and before the ledger heard of it.

    Nobody ever learns its id, so nobody polls it: its hold expires and charges the most that the
    work may have cost, within the hold.
    """
    key_id, secret = fragile.mint(None)
    upstream = Upstream(fragile)
    body = {"model": "gpt-5", "input": "Hello", "max_output_tokens": 64, "background": True}
    headers = {"authorization": f"Bearer {secret}", **simulate(delay_ms=60_000)}
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(
            httpx.post, f"{fragile.url}/v1/responses", json=body, headers=headers, timeout=30
        )
        upstream.once(lambda record: record["path"].endswith("/responses"), "the job")
        with fragile.client() as client:
            (hold,) = [each for each in client.ledger.holds() if each.key_id == key_id]
        assert 0 < hold.metered_nano_usd <= hold.amount_nano_usd
        for worker in ("facade-0", "facade-1"):
            fragile.kill(worker)
        assert isinstance(asked.exception(), httpx.TransportError)
    (event,) = eventually(lambda: fragile.events(key_id), SWEPT_WITHIN_S, "the expiry")
    assert event.settled_by == ledger_pb2.SETTLED_BY_EXPIRY
    assert event.charged_nano_usd == hold.metered_nano_usd
    assert event.output_tokens == 64
    eventually(fragile.ready, 30, "readiness after a kill")
    fragile.audit()


async def _round(
    gateway: Installation, secret: str, rng: random.Random, *, victim: str
) -> list[str]:
    """Load, one kill in the middle, and the wait until it serves again."""
    async with asyncio.TaskGroup() as tasks:
        plain = tasks.create_task(
            fire(gateway.url, [secret] * CLIENTS, simulate=f"delay_ms={rng.randrange(0, 200)}")
        )
        streams = tasks.create_task(
            fire(
                gateway.url,
                [secret] * CLIENTS,
                stream=True,
                simulate=f"output=20; chunk_delay_ms={rng.randrange(1, 20)}",
            )
        )
        await asyncio.sleep(rng.random() * 0.5)
        gateway.kill(victim)
    await asyncio.to_thread(eventually, gateway.ready, 30, "readiness after a kill")
    results: tuple[Outcomes, Outcomes] = (plain.result(), streams.result())
    return [request_id for outcomes in results for request_id in outcomes.completed]
