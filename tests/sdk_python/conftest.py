"""One key a test, and a check that no minted key ever reaches a provider."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from tests.buyer import Buyer
from tests.harness import Installation
from tests.upstream import Upstream

CERTIFICATE_END = "-----END CERTIFICATE-----\n"


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


@pytest.fixture(autouse=True, scope="session")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let SDK clients load one root certificate instead of all of them.

    Nothing here speaks TLS, and reading the whole list would take most of the
    time that these tests need.
    """
    bundle = Path(certifi.where()).read_text(encoding="ascii", errors="ignore")
    first, _, _ = bundle.partition(CERTIFICATE_END)
    path = tmp_path_factory.mktemp("tls") / "one.pem"
    path.write_text(first[first.index("-----BEGIN") :] + CERTIFICATE_END, encoding="ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        yield
