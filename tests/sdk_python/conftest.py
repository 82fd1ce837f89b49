"""One key a test, and what makes the SDKs quick to start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from tests.users import buyer, no_minted_key_leaves, upstream

__all__ = ["buyer", "no_minted_key_leaves", "one_certificate", "upstream"]

CERTIFICATE_END = "-----END CERTIFICATE-----\n"


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
