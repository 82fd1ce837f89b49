"""Cores and facades as processes of their own, as several machines would run them.

    fleet = Fleet(directory, store, simulator_url)
    left, right = fleet.facade(0), fleet.facade(1)
    with fleet:
        ... left.url, right.url, fleet.cores[0] ...

Each facade is `mintgate http` with a data directory, and so an outbox, of its own. What a test
can do with a whole installation it can do with a facade: mint, look at charges, audit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx

from tests.chaos.cluster import STOP_WAIT_S, Cluster, Core
from tests.harness import MASTER_KEY, READY_WAIT_S, Installation, eventually
from tests.ports import free_port


class Fleet(Cluster):
    """Cores over one store, and facades in front of those that each is told of."""

    def __init__(
        self, directory: Path, store: str, simulator_url: str, cores: int = 2, **environment: str
    ) -> None:
        super().__init__(
            directory,
            store,
            cores,
            MINTGATE_BOOTSTRAP_MASTER_KEY=MASTER_KEY,
            MINTGATE_BOOTSTRAP_WALLET_USD="1000000",
            **environment,
        )
        for core in self.cores:
            core.metrics_port = free_port()
        self._simulator_port = urlsplit(simulator_url).port or 0
        self.facades: list[Installation] = []

    def facade(self, *cores: int, **environment: str) -> Installation:
        """A facade that knows these cores; it starts with the fleet, or by hand."""
        directory = self.directory / f"facade-{len(self.facades)}"
        directory.mkdir()
        ports = [self.cores[number].port for number in cores]
        shared = {
            name: value
            for name, value in self.environment.items()
            if name.startswith("MINTGATE_") and name != "MINTGATE_DATA_DIR"
        }
        targets = ",".join(f"127.0.0.1:{port}" for port in ports)
        facade = Installation(
            directory,
            shared | {"MINTGATE_CORE_TARGET": targets} | environment,
            grpc_port=ports[0],
            simulator_port=self._simulator_port,
            runs="http",
        )
        self.facades.append(facade)
        return facade

    def metric(self, name: str) -> float:
        """A metric without labels, all cores together."""
        total = 0.0
        for core in self.cores:
            page = httpx.get(f"http://127.0.0.1:{core.metrics_port}/metrics", timeout=10).text
            values = [line.split()[1] for line in page.splitlines() if line.split()[0] == name]
            assert len(values) == 1, f"{name} is not a metric without labels"
            total += float(values[0])
        return total

    def __enter__(self) -> Self:
        try:
            for facade in self.facades:
                # A facade waits for its core, so that all of them may start at once.
                facade.launch()
            self.start()
            for facade in self.facades:
                eventually(facade.ready, READY_WAIT_S, f"readiness; see {facade.log}")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            # What is broken may not stop in good order, which would hide why.
            self.kill()
            return
        assert stopped(*self.facades) == [0] * len(self.facades)
        self.stop()

    def kill(self) -> None:
        """End every process at once."""
        everyone: list[Installation | Core] = [*self.facades, *self.cores]
        for each in everyone:
            if each.process is not None:
                each.process.kill()
                each.process.wait(STOP_WAIT_S)
                each.process = None


def stopped(*running: Installation) -> list[int]:
    """SIGTERM to all of them; their exit codes."""
    codes = []
    for each in running:
        assert each.process is not None
        each.process.terminate()
    for each in running:
        assert each.process is not None
        codes.append(each.process.wait(STOP_WAIT_S))
        each.process = None
    return codes
