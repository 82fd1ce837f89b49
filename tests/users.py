"""Fixtures of the SDKs' tests: one key a test, and no minted key ever reaches a provider."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.buyer import Buyer
from tests.harness import Installation
from tests.upstream import Upstream


@pytest.fixture
def buyer(gateway: Installation) -> Buyer:
    """A key with more money than any test needs."""
    return Buyer.mint(gateway)


@pytest.fixture
def upstream(gateway: Installation) -> Upstream:
    """What the providers receive during this test."""
    return Upstream(gateway)


@pytest.fixture(autouse=True)
def no_minted_key_leaves(gateway: Installation) -> Iterator[None]:
    """Whatever a test does, the providers never see a key that was minted here."""
    yield
    assert Upstream(gateway).leaks() == 0
