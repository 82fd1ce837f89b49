"""The clock that the tests of this folder run on, and books that they may break."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mintgate_core.stores.conformance import SettableClock

from tests.core.stores.broken_books import Books, opened


@pytest.fixture
def clock() -> SettableClock:
    """A clock that the test moves."""
    return SettableClock()


@pytest.fixture(params=["sqlite", "postgres"])
async def books(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> AsyncIterator[Books]:
    """Books of each engine in turn."""
    async for made in opened(request.param, request, tmp_path, clock):
        yield made
