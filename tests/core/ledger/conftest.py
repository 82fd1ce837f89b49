"""The clock that the tests of this folder run on."""

from __future__ import annotations

import pytest
from mintgate_core.stores.conformance import SettableClock


@pytest.fixture
def clock() -> SettableClock:
    """A clock that the test moves."""
    return SettableClock()
