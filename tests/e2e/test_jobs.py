"""Jobs of providers through real processes: charged once, whoever is killed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mintgate import Client, Settings, Unavailable
from mintgate.tokens import load_or_create
from mintgate.v1 import ledger_pb2

from tests.buyer import Buyer, charged_once
from tests.harness import Installation, eventually, installation
from tests.upstream import simulate

JOBS = 3
MODEL = "gpt-5.4"
SETTLED_WITHIN_S = 90
"""A lease of the worker that was killed, the restart of both processes, and a busy machine."""


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with one worker, to be killed."""
    directory: Path = tmp_path_factory.mktemp("jobs")
    options = {"MINTGATE_WORKERS": "1", "MINTGATE_RESTARTS_PER_MINUTE": "100"}
    with installation(directory, **options) as gateway:
        yield gateway


def begin(gateway: Installation, facade: Client, buyer: Buyer) -> str:
    """Do as a facade does with a background request: hold, forward, start the job."""
    hold = facade.ledger.reserve(
        provider="openai",
        model=MODEL,
        bound=ledger_pb2.Bound(input_tokens=100, output_tokens=50),
        secret=buyer.secret,
    )
    answer = httpx.post(
        f"{gateway.simulator_url}/openai/v1/responses",
        json={"model": MODEL, "input": "hello", "background": True},
        headers={"authorization": "Bearer sk-any-key", **simulate(polls=1, output=7)},
    )
    object_id: str = answer.raise_for_status().json()["id"]
    facade.jobs.start(hold, surface="openai", operation="background_response", object_id=object_id)
    return hold.id.hex()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_killed_pollers_lose_no_job(fragile: Installation) -> None:
    """Worker and core are killed while jobs are polled; each job is charged its usage, once."""
    buyer = Buyer.mint(fragile)
    tokens = load_or_create(Settings.load(fragile.settings(), fragile.directory))
    with fragile.client(tokens.service) as facade:
        started = {begin(fragile, facade, buyer) for _ in range(JOBS)}

    def polls() -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = httpx.get(f"{fragile.simulator_url}/_sim/requests").json()
        return [record for record in records if record["method"] == "GET"]

    eventually(polls, SETTLED_WITHIN_S, "a poll")
    fragile.kill("facade-0")
    fragile.kill("core")
    eventually(lambda: _charges(buyer) >= JOBS, SETTLED_WITHIN_S, "the charges")
    assert set(buyer.charges()) == {""}
    events = buyer.events()
    assert {event.id for event in events} == started
    for event in events:
        charged_once([event])
        assert (event.settled_by, event.output_tokens) == (ledger_pb2.SETTLED_BY_USAGE, 7)
    assert buyer.key().held_nano_usd == 0
    fragile.audit()


def _charges(buyer: Buyer) -> int:
    """How many charges there are; none while the core is away."""
    try:
        return len(buyer.events())
    except Unavailable:
        return 0
