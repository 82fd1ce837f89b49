"""A whole installation for tests: `mintgate up` as a user runs it, in its own directory.

Nothing here is faked: real processes, real sockets, a real file. Only the
providers are simulated, by the simulator that ships with the product.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from mintgate import Client

from tests.ports import free_port

MASTER_KEY = "qlk_live_" + "ab" * 32
READY_WAIT_S = 100.0
"""Half a dozen processes start, on a machine that may be busy with other tests."""
READY_MARK = "MINTGATE_READY "
STOP_WAIT_S = 30.0
POLL_S = 0.02


def eventually(condition: Any, wait_s: float, what: str) -> Any:
    """Poll until a condition returns something true; fail saying what never came."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(POLL_S)
    raise AssertionError(f"{what} did not happen within {wait_s} s")


@dataclass
class Installation:
    """One gateway with its processes."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    http_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    simulator_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    runs: str = "up"
    """The command that is started: everything, or with "http" a facade alone."""

    @property
    def url(self) -> str:
        """Where users find the gateway."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def simulator_url(self) -> str:
        """Where the gateway finds its providers."""
        return f"http://127.0.0.1:{self.simulator_port}"

    @property
    def core_target(self) -> str:
        """Where clients find the core."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def data_dir(self) -> Path:
        """Where the books are."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """What its processes say."""
        return self.directory / f"{self.runs}.log"

    def said(self) -> str:
        """What its processes have said so far."""
        return self.log.read_text() if self.log.exists() else ""

    def settings(self) -> dict[str, str]:
        """The environment of every process of this installation."""
        inherited = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
        return inherited | {
            "MINTGATE_DATA_DIR": str(self.data_dir),
            "MINTGATE_HTTP_PORT": str(self.http_port),
            "MINTGATE_GRPC_PORT": str(self.grpc_port),
            "MINTGATE_SIMULATOR_PORT": str(self.simulator_port),
            "MINTGATE_BOOTSTRAP_MASTER_KEY": MASTER_KEY,
            "MINTGATE_BOOTSTRAP_WALLET_USD": "1000000",
            "MINTGATE_SIMULATE": "1",
            **self.environment,
        }

    def start(self) -> None:
        """Start and wait until all of it runs and can reserve.

        One facade that answers is not enough: another that is killed before it was ready once
        ends the whole installation, as it should.
        """
        said_before = len(self.said())
        self.launch()
        eventually(self.ready, READY_WAIT_S, f"readiness; see {self.log}")
        eventually(
            lambda: READY_MARK in self.said()[said_before:],
            READY_WAIT_S,
            f"readiness of every process; see {self.log}",
        )

    def launch(self) -> None:
        """Start, without waiting for it."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mintgate", self.runs],
                env=self.settings(),
                cwd=self.directory,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def ready(self) -> bool:
        """Whether the gateway says that it can reserve."""
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(self.said())
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def pid(self, name: str) -> int:
        """The process id of a child, for example "core" or "facade-0"."""
        return int((self.data_dir / "run" / f"{name}.pid").read_text())

    def kill(self, name: str) -> None:
        """`kill -9` a child; the supervisor starts it again."""
        os.kill(self.pid(name), signal.SIGKILL)

    def stop(self) -> None:
        """Stop everything in order."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(STOP_WAIT_S)
            self.process = None

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return subprocess.run(
            [sys.executable, "-m", "mintgate", *arguments],
            env=self.settings(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def audit(self) -> None:
        """Fail unless the auditor finds nothing."""
        audited = self.command("audit", "--full", "--json")
        assert audited.returncode == 0, audited.stdout + audited.stderr
        assert json.loads(audited.stdout)["findings"] == 0

    def client(self, credential: str = MASTER_KEY) -> Client:
        """A gRPC client of this installation."""
        return Client(self.core_target, credential)

    def mint(self, cap_usd: str | None = "100", **options: Any) -> tuple[str, str]:
        """Mint a standard key; returns its id and its secret."""
        with self.client() as client:
            minted = client.keys.mint(f"user-{time.monotonic_ns()}", cap_usd=cap_usd, **options)
        return minted.key.id, minted.secret

    def events(self, key_id: str) -> list[Any]:
        """Every charge of a key, oldest first."""
        with self.client() as client:
            return list(client.meter.events(key_id=key_id))[::-1]


@contextmanager
def installation(directory: Path, **environment: str) -> Iterator[Installation]:
    """A started gateway, stopped at the end."""
    gateway = Installation(directory, environment)
    try:
        # One that was not ready in time runs all the same.
        gateway.start()
        yield gateway
    finally:
        gateway.stop()
