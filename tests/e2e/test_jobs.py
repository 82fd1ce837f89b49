"""Jobs of providers through real processes: charged once, whoever is killed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from mintgate import Unavailable
from mintgate.v1 import ledger_pb2

from tests.buyer import Buyer, charged_once
from tests.harness import Installation, eventually, installation
from tests.upstream import simulate

JOBS = 3
MODEL = "gpt-5.4"
BEGUN_WITHIN_S = 30
SETTLED_WITHIN_S = 90
"""A lease of the worker that was killed, the restart of both processes, and a busy machine."""


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with one worker, to be killed."""
    directory: Path = tmp_path_factory.mktemp("jobs")
    options = {"MINTGATE_WORKERS": "1", "MINTGATE_RESTARTS_PER_MINUTE": "100"}
    with installation(directory, **options) as gateway:
        yield gateway


def begin(gateway: Installation, buyer: Buyer, **controls: int) -> str:
    """Ask for a background answer, and return its hold's id."""
    answer = httpx.post(
        f"{gateway.url}/v1/responses",
        json={"model": MODEL, "input": "hello", "background": True, "max_output_tokens": 50},
        headers={**buyer.bearer, **simulate(polls=1, output=7, **controls)},
        timeout=BEGUN_WITHIN_S,
    )
    assert answer.raise_for_status().json()["status"] == "queued"
    return answer.headers["mintgate-request-id"].removeprefix("req_")


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_killed_pollers_lose_no_job(fragile: Installation) -> None:
    """Worker and core are killed while jobs are polled; each job is charged its usage, once."""
    buyer = Buyer.mint(fragile)
    started = {begin(fragile, buyer) for _ in range(JOBS)}

    def polls() -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = httpx.get(f"{fragile.simulator_url}/_sim/requests").json()
        return [record for record in records if record["method"] == "GET"]

    eventually(polls, SETTLED_WITHIN_S, "a poll")
    fragile.kill("facade-0")
    fragile.kill("core")
    eventually(lambda: _charges(buyer) >= JOBS, SETTLED_WITHIN_S, "the charges")
    assert set(buyer.charges()) == {f"req_{each}" for each in started}
    events = buyer.events()
    assert {event.id for event in events} == started
    for event in events:
        charged_once([event])
        assert (event.settled_by, event.output_tokens) == (ledger_pb2.SETTLED_BY_USAGE, 7)
    assert buyer.key().held_nano_usd == 0
    fragile.audit()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_core_killed_between_hold_and_job(fragile: Installation) -> None:
    """The answer waits until the ledger has the job, and its end is charged once."""
    buyer = Buyer.mint(fragile)
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(begin, fragile, buyer, delay_ms=3_000)
        eventually(lambda: buyer.key().held_nano_usd, BEGUN_WITHIN_S, "the hold")
        fragile.kill("core")
        hold_id = begun.result()
    eventually(lambda: _charges(buyer), SETTLED_WITHIN_S, "the charge")
    (event,) = buyer.events()
    assert (event.id, event.output_tokens) == (hold_id, 7)
    assert buyer.key().held_nano_usd == 0
    fragile.audit()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_facade_killed_while_it_streams(fragile: Installation) -> None:
    """A worker that dies in the middle of a background stream leaves its job to the next one."""
    buyer = Buyer.mint(fragile)
    body = {"model": MODEL, "input": "hello", "background": True, "stream": True}
    with httpx.stream(
        "POST",
        f"{fragile.url}/v1/responses",
        json=body,
        headers={**buyer.bearer, **simulate(output=7, chunk_delay_ms=2_000)},
        timeout=BEGUN_WITHIN_S,
    ) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        fragile.kill("facade-0")
        with pytest.raises(httpx.HTTPError):
            list(pieces)
    eventually(lambda: _charges(buyer), SETTLED_WITHIN_S, "the charge")
    (event,) = buyer.events()
    assert (event.settled_by, event.output_tokens) == (ledger_pb2.SETTLED_BY_USAGE, 7)
    assert buyer.key().held_nano_usd == 0
    fragile.audit()


def _charges(buyer: Buyer) -> int:
    """How many charges there are; none while the core is away."""
    try:
        return len(buyer.events())
    except Unavailable:
        return 0
