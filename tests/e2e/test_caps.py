"""Caps hold under any parallelism, to the nano-dollar."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.load import fire
from tests.harness import Installation

ARRIVE_MS_EACH = 15
"""What a request needs to arrive on a busy two-core machine, with a wide margin. The provider
answers after all have arrived, so that no hold is freed for another."""


@pytest.mark.parametrize(("parallel", "fits", "stream"), [(50, 10, False), (50, 7, True)])
async def test_parallel_requests_never_pass_a_cap(
    gateway: Installation, parallel: int, fits: int, *, stream: bool
) -> None:
    """Of parallel requests exactly as many are admitted as their worst cases fit the cap."""
    await burst(gateway, parallel, fits, stream=stream)


@pytest.mark.slow
async def test_a_thousand_parallel_requests_never_pass_a_cap(gateway: Installation) -> None:
    """1,000 parallel requests at a cap for 100 worst cases: 100 admitted, 0 nano-dollars over."""
    await burst(gateway, 1_000, 100, stream=False)


async def burst(gateway: Installation, parallel: int, fits: int, *, stream: bool) -> None:
    """Fire at a cap that takes exactly `fits` holds, then look at the books."""
    # A stream asks for its usage in the body, which is longer: both are measured.
    key_id, secret = gateway.mint(None)
    assert (await fire(gateway.url, [secret], stream=stream)).statuses == {200: 1}
    (event,) = gateway.events(key_id)
    cap_nano_usd = event.held_nano_usd * fits
    with gateway.client() as client:
        minted = client.keys.mint("burst", cap_nano_usd=cap_nano_usd)
    slow = f"delay_ms={1_500 + parallel * ARRIVE_MS_EACH}"
    outcomes = await fire(gateway.url, [minted.secret] * parallel, stream=stream, simulate=slow)

    assert outcomes.broken == 0
    assert outcomes.statuses == {200: fits, 402: parallel - fits}
    with gateway.client() as client:
        key = client.keys.get(minted.key.id)
    assert key.spent_nano_usd <= cap_nano_usd
    assert key.held_nano_usd == 0
    events = gateway.events(minted.key.id)
    assert len(events) == fits
    assert sum(event.charged_nano_usd for event in events) == key.spent_nano_usd
    assert not any(event.overrun for event in events)
    await asyncio.to_thread(gateway.audit)
