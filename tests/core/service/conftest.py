"""Fixtures over the harness: a clock, a core with one account, and a user's key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mintgate import Minted

from tests.core.service.harness import (
    INPUT_PICO_USD,
    OPERATOR,
    OTHER_MODEL,
    OUTPUT_PICO_USD,
    START_MS,
    Rig,
    TurnedClock,
    price_of,
)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(START_MS)


@pytest.fixture
async def rig(tmp_path: Path, clock: TurnedClock) -> AsyncIterator[Rig]:
    """A core with one account of 100 USD and two priced models; its books must end clean."""
    rig = Rig(tmp_path, clock)
    await rig.start()
    operator = rig.client(OPERATOR)
    await operator.meter.put_price(price_of())
    await operator.meter.put_price(price_of(OTHER_MODEL, 10 * INPUT_PICO_USD, 10 * OUTPUT_PICO_USD))
    yield rig
    findings = [line for check in await rig.core.store.audit(full=True) for line in check.findings]
    await rig.stop()
    assert findings == []


@pytest.fixture
async def user(rig: Rig) -> Minted:
    """A standard key with a cap of 1 USD."""
    return await rig.client().keys.mint("ada", cap_usd="1")
