"""Real certificates, made with the `openssl` command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = "subjectAltName=DNS:localhost,DNS:core.internal,IP:127.0.0.1"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM files."""

    cert: Path
    key: Path


def openssl(*arguments: str | Path) -> None:
    """Run the command; its complaints end up in the failure."""
    done = subprocess.run(
        ["openssl", *map(str, arguments)],  # noqa: S607 - wherever the machine has it
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Authority:
    """Signs certificates in a directory of its own."""

    directory: Path
    name: str = "ca"

    @property
    def cert(self) -> Path:
        return self.directory / f"{self.name}.pem"

    def make(self) -> Authority:
        """Make its own key and certificate."""
        key = self.directory / f"{self.name}.key"
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        subject = ("-subj", f"/CN={self.name}")
        out = ("-keyout", key, "-out", self.cert)
        openssl("req", "-x509", *new_key, *subject, "-days", "2", *out)
        return self

    def sign(self, name: str, *, expired: bool = False) -> Pair:
        """Make a pair for a server on this machine, or for a client."""
        pair = Pair(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        request, names = self.directory / f"{name}.csr", self.directory / "names"
        names.write_text(NAMES)
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl(
            "req", "-new", *new_key, "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request
        )
        signer = ("-CA", self.cert, "-CAkey", self.directory / f"{self.name}.key")
        days = "-1" if expired else "2"
        extra = ("-CAcreateserial", "-days", days, "-extfile", names)
        openssl("x509", "-req", "-in", request, *signer, *extra, "-out", pair.cert)
        return pair
