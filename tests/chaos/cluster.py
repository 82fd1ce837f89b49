"""Several cores on one store, as processes that can be killed and frozen."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from mintgate import AsyncClient
from mintgate.v1.ledger_pb2_grpc import LedgerServiceStub
from mintgate_facade.relay.link import LedgerLink

from tests.harness import eventually
from tests.ports import free_port

OPERATOR_TOKEN = "chaos-operator-" + "o" * 32
SERVICE_TOKEN = "chaos-service-" + "s" * 32
READY_WAIT_S = 60.0
STOP_WAIT_S = 30.0


@dataclass
class Core:
    """One core process. It comes back on the same port after each kill."""

    number: int
    directory: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    metrics_port: int = 0
    """0: it has no metrics."""
    process: subprocess.Popen[bytes] | None = None
    frozen: bool = False

    @property
    def log(self) -> Path:
        """What it says."""
        return self.directory / f"core-{self.number}.log"

    def start(self) -> None:
        """Start, without waiting for it."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mintgate_core", "serve"],
                env=self.environment
                | {
                    "MINTGATE_GRPC_PORT": str(self.port),
                    "MINTGATE_METRICS_PORT": str(self.metrics_port),
                },
                cwd=self.directory,
                stdout=output,
                stderr=output,
            )

    def alive(self) -> bool:
        """Whether the process runs; one that ended by itself is a failure of the test."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"core {self.number} ended: {self.log.read_text()[-4_000:]}")
        return True

    def serving(self) -> bool:
        """Whether it takes calls."""
        self.alive()
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=0.5)
            except grpc.FutureTimeoutError:
                return False
        return True

    def kill(self) -> None:
        """`kill -9`, and start it again."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_WAIT_S)
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: it holds whatever it holds, and does not know that time passes."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.frozen = False

    def stop(self) -> None:
        """SIGTERM, and it must end well."""
        if self.process is not None:
            self.thaw()
            self.process.terminate()
            assert self.process.wait(STOP_WAIT_S) == 0, self.log.read_text()[-4_000:]
            self.process = None


class Cluster:
    """Cores over one store."""

    def __init__(self, directory: Path, store: str, count: int, **environment: str) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MINTGATE_")}
        self.environment = inherited | {
            "MINTGATE_DATA_DIR": str(directory / "data"),
            "MINTGATE_STORE": store,
            "MINTGATE_OPERATOR_TOKEN": OPERATOR_TOKEN,
            "MINTGATE_SERVICE_TOKEN": SERVICE_TOKEN,
            "MINTGATE_BOOTSTRAP_MASTER_KEY": "qlk_live_" + "cd" * 32,
            "MINTGATE_SIMULATE": "1",
            **environment,
        }
        self.directory = directory
        self.cores = [Core(number, directory, self.environment) for number in range(count)]
        self._channels: list[grpc.aio.Channel] = []
        self.links: list[LedgerLink] = []

    def start(self) -> None:
        """Bring the store's tables up to date and start every core."""
        migrated = self.command("migrate")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        for core in self.cores:
            core.start()
        for core in self.cores:
            eventually(core.serving, READY_WAIT_S, f"core {core.number}; see {core.log}")

    def stop(self) -> None:
        """Stop every core in good order."""
        for core in self.cores:
            core.stop()

    async def connect(self) -> None:
        """Open the link of a facade to every core."""
        for core in self.cores:
            # The options of the facade's own channel: a core that is back is found at once.
            channel = grpc.aio.insecure_channel(
                f"127.0.0.1:{core.port}",
                options=[
                    ("grpc.initial_reconnect_backoff_ms", 100),
                    ("grpc.max_reconnect_backoff_ms", 500),
                ],
            )
            link = LedgerLink(LedgerServiceStub(channel), SERVICE_TOKEN)
            link.start()
            self._channels.append(channel)
            self.links.append(link)

    async def disconnect(self) -> None:
        """Close the links."""
        for link in self.links:
            await link.close()
        for channel in self._channels:
            await channel.close(None)

    def client(self, credential: str = OPERATOR_TOKEN, core: int = 0) -> AsyncClient:
        """A client of one core."""
        return AsyncClient(f"127.0.0.1:{self.cores[core].port}", credential)

    def command(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the core's commands on the store."""
        return subprocess.run(
            [sys.executable, "-m", "mintgate_core", name, *arguments],
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def audit(self) -> int:
        """How many findings the auditor has; fails when it cannot tell."""
        done = self.command("audit", "--full", "--json")
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        document = json.loads(done.stdout)
        if document["findings"]:
            sys.stderr.write(done.stdout)
        return int(document["findings"])

    async def no_holds(self, wait_s: float) -> int:
        """Wait until every hold was resolved; how many were left when patience ended."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + wait_s
        async with self.client() as client:
            while True:
                left = 0
                async for account in client.accounts.list():
                    left += len(await client.ledger.holds(account_id=account.id, page_size=1_000))
                if not left or loop.time() > deadline_s:
                    return left
                await asyncio.sleep(0.25)
