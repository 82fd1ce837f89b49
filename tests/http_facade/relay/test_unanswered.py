"""Requests that were sent and never answered: who pays for work that may have begun."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
import pytest
from mintgate.v1 import ledger_pb2, unit_pb2
from mintgate_facade.upstream import connection

from tests.http_facade.relay.conftest import JSON_HEADERS, WAIT_S, Answer, Gateway, Received

if TYPE_CHECKING:
    import httpx

    from tests.http_facade.relay.conftest import Script

OUTPUT_TOKENS = 50
WORST = {unit_pb2.UNIT_OUTPUT_TOKENS: OUTPUT_TOKENS}


async def ask(gateway: Gateway, *, background: bool) -> httpx.Response:
    """Ask for an answer that may go on by itself, or for one that ends with its request."""
    body = {"model": "gpt-5-mini", "input": "hello", "max_output_tokens": OUTPUT_TOKENS}
    return await gateway.client.post(
        "/openai/v1/responses",
        content=orjson.dumps({**body, "background": background}),
        headers=JSON_HEADERS,
    )


async def hangs_up(received: Received, answer: Answer) -> None:
    answer.reset()


async def says_nothing(received: Received, answer: Answer) -> None:
    await asyncio.wait_for(answer.gone.wait(), WAIT_S)


async def gives_up(received: Received, answer: Answer) -> None:
    await answer.whole(b'{"error": {"message": "upstream timed out"}}', 504)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "READ_WAIT_S", 0.2)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("script", "status"), [(hangs_up, 502), (says_nothing, 504), (gives_up, 504)]
)
async def test_work_that_may_have_begun_costs_what_was_announced(
    gateway: Gateway, script: Script, status: int
) -> None:
    """Nobody will ever know its id or its cost: the most that it may cost is charged at once."""
    gateway.core.fitted_tokens = OUTPUT_TOKENS
    gateway.provider.scripts.append(script)
    answer = await ask(gateway, background=True)

    assert answer.status_code == status
    assert gateway.core.kinds() == ["reserve", "progress", "settle"]
    (settle,) = gateway.core.settles()
    announced = gateway.core.operations[1].progress
    assert settle.units == announced.units
    assert {unit.unit: unit.count for unit in settle.units}.items() >= WORST.items()
    assert settle.settled_by == ledger_pb2.SETTLED_BY_COUNTED
    assert settle.status == ledger_pb2.EVENT_STATUS_UPSTREAM_BROKEN


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("script", [hangs_up, says_nothing, gives_up])
async def test_what_ends_with_its_request_is_free(gateway: Gateway, script: Script) -> None:
    """A request without an answer that cannot go on by itself is given back."""
    gateway.provider.scripts.append(script)
    await ask(gateway, background=False)
    assert gateway.core.kinds() == ["reserve", "release"]


async def test_what_was_never_sent_is_free(gateway: Gateway) -> None:
    """A provider that takes no connection has begun nothing."""
    await gateway.provider.leave()
    answer = await ask(gateway, background=True)
    assert answer.status_code == 502
    assert gateway.core.kinds() == ["reserve", "progress", "release"]


async def test_a_refusal_is_free(gateway: Gateway) -> None:
    """A provider that answers with an error of its own has refused the work."""

    async def script(received: Received, answer: Answer) -> None:
        await answer.whole(b'{"error": {"message": "slow down"}}', 429)

    gateway.provider.scripts.append(script)
    assert (await ask(gateway, background=True)).status_code == 429
    assert gateway.core.kinds() == ["reserve", "progress", "release"]


async def test_a_worker_that_stops_meanwhile_charges_the_same(gateway: Gateway) -> None:
    """A stop of the gateway while the provider thinks it over charges what was announced, too."""
    gateway.core.fitted_tokens = OUTPUT_TOKENS
    gateway.provider.scripts.append(says_nothing)
    asked = asyncio.ensure_future(ask(gateway, background=True))
    await asyncio.wait_for(gateway.provider.arrived.wait(), WAIT_S)
    gateway.stop()
    await gateway.stopped()
    await asyncio.gather(asked, return_exceptions=True)
    settles = gateway.core.settles() or gateway.kept_charges()
    assert [settle.units for settle in settles] == [gateway.core.operations[1].progress.units]
