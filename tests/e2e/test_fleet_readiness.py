"""`/readyz` means "can reserve": what it says while the servers behind the cores are away."""

from __future__ import annotations

import httpx
import pytest

from tests.buyer import Buyer
from tests.e2e.conftest import GivenFleet
from tests.e2e.refusals import BODIES, attempt, unavailable
from tests.e2e.streams import open_stream
from tests.harness import Installation, eventually
from tests.wire import CHUNKED_END

pytestmark = pytest.mark.timeout(300)

NOTICED_WITHIN_S = 15.0
CHARGED_WITHIN_S = 20.0


def refuses(facade: Installation) -> bool:
    """Whether a facade says that it cannot reserve, and why."""
    answer = httpx.get(f"{facade.url}/readyz", timeout=5)
    return answer.status_code == 503 and answer.json()["missing"] == "the ledger is away"


def test_without_the_database_nothing_is_ready(fleet: GivenFleet) -> None:
    """Stopped: 503 natively, a running stream still ends whole; back: ready again, and charged."""
    facades = (fleet.left, fleet.right, fleet.both)
    buyers = [Buyer.mint(facade) for facade in facades]
    with open_stream(buyers[0], "openai", "input=9; output=10; chunk_delay_ms=200") as stream:
        fleet.postgres.stop("immediate")
        try:
            for facade in facades:
                eventually(lambda f=facade: refuses(f), NOTICED_WITHIN_S, "a 503")
            unavailable(buyers[0])
            assert stream.read_to_end().endswith(CHUNKED_END)
        finally:
            fleet.postgres.start()
    for facade in facades:
        eventually(facade.ready, NOTICED_WITHIN_S, "readiness")
    eventually(buyers[0].events, CHARGED_WITHIN_S, "the charge from the outbox")
    assert [event.output_tokens for event in buyers[0].events()] == [10]
    for buyer in buyers:
        assert attempt(buyer, "openai", BODIES["openai"]).status == 200
        assert buyer.key().held_nano_usd == 0


def test_without_redis_everything_is_ready(fleet: GivenFleet) -> None:
    """Rate limits are no part of what readiness means: requests go on without their server."""
    fleet.redis.stop()
    try:
        for facade in (fleet.left, fleet.right, fleet.both):
            buyer = Buyer.mint(facade)
            assert attempt(buyer, "openai", BODIES["openai"]).status == 200
            assert facade.ready()
    finally:
        fleet.redis.start()
