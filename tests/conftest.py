"""Fixtures that every part of the suite may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import Installation, installation


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One running gateway for a worker's whole session; tests mint keys of their own.

    At the end the books must be clean, whatever the tests did.
    """
    with installation(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway
        gateway.audit()
