"""A real core, a real simulator, and the parts of a worker that poll."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from mintgate import Hold, Minted
from mintgate.v1 import ledger_pb2, meter_pb2
from mintgate.v1.jobs_pb2_grpc import JobsServiceStub
from mintgate.v1.ledger_pb2_grpc import LedgerServiceStub
from mintgate_facade.dialects.jobs import JobReader
from mintgate_facade.dialects.openai.background import OPERATION, state_of
from mintgate_facade.jobs.poller import Poller
from mintgate_facade.jobs.readers import READERS
from mintgate_facade.relay.charges import Charges
from mintgate_facade.relay.link import LedgerLink
from mintgate_facade.relay.outbox import Outbox
from mintgate_facade.relay.targets import Targets
from mintgate_facade.settings import ProviderAccount
from mintgate_facade.upstream import Upstream
from mintgate_simulator.serve import background_simulator

from tests.core.service.harness import OPERATOR, SERVICE, START_MS, Rig, TurnedClock, price_of

WAIT_S = 10.0
MODEL = "small"
LIVES_MS = 3_600_000


@dataclass
class Worker:
    """What of a facade polls."""

    poller: Poller
    outbox: Outbox
    link: LedgerLink


@dataclass
class Scene:
    """A user's key, the provider, and the core that holds the money."""

    rig: Rig
    clock: TurnedClock
    simulator: httpx.AsyncClient
    user: Minted
    outbox_directory: Path
    looks: list[str] = field(default_factory=list)
    """What each look at a job found."""

    async def begin(self, simulate: str = "output=7", **fields: Any) -> Hold:
        """Do as a facade does with a background request: hold, forward, start the job."""
        facade = self.rig.client(SERVICE)
        hold = await facade.ledger.reserve(
            provider="openai",
            model=MODEL,
            route="responses",
            bound=ledger_pb2.Bound(input_tokens=100, output_tokens=50),
            secret=self.user.secret,
        )
        answer = await self.simulator.post(
            "/openai/v1/responses",
            json={"model": MODEL, "input": "hello", "background": True},
            headers={"x-simulate": simulate},
        )
        values = {"object_id": answer.json()["id"], "surface": "openai", "operation": OPERATION}
        started = {**values, "state": state_of(2), "ttl_ms": LIVES_MS, **fields}
        await facade.jobs.start(hold, **started)
        return hold

    async def events(self) -> list[meter_pb2.Event]:
        """The user's charges."""
        return [event async for event in self.rig.client().meter.events(key_id=self.user.key.id)]

    async def open_holds(self) -> int:
        """How many holds are open."""
        return len(await self.rig.client().ledger.holds())

    async def polled(self) -> list[dict[str, Any]]:
        """What the provider was asked of jobs."""
        records = (await self.simulator.get("/_sim/requests")).json()
        return [record for record in records if record["method"] == "GET"]

    @asynccontextmanager
    async def worker(
        self,
        readers: Mapping[tuple[str, str], JobReader] = READERS,
        *,
        base_url: str = "",
        link_target: Any = None,
    ) -> AsyncIterator[Worker]:
        """A worker's parts. `link_target` is another channel for the ledger link."""
        channel = self.rig.channel
        link = LedgerLink(LedgerServiceStub(link_target or channel), SERVICE)
        link.start()
        outbox = Outbox(self.outbox_directory, link)
        await outbox.start()
        upstream = Upstream()
        upstream.start()
        account = ProviderAccount(
            base_url or f"{str(self.simulator.base_url).rstrip('/')}/openai/v1", "sk-any-key"
        )
        targets = Targets({"openai": account}, upstream)
        stub: Any = JobsServiceStub(channel)
        charges = Charges(link, outbox)
        poller = Poller(
            stub,
            SERVICE,
            link,
            charges,
            targets,
            upstream,
            readers,
            lambda provider, outcome: self.looks.append(f"{provider} {outcome}"),
        )
        try:
            if link_target is None:
                await until(lambda: link.connected)
            yield Worker(poller, outbox, link)
        finally:
            await outbox.close()
            await link.close()
            await upstream.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens by itself."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - link and disk tell nobody
            await asyncio.sleep(0.005)


@pytest.fixture(scope="session")
def simulator_url() -> Iterator[str]:
    """A simulator for the folder."""
    with background_simulator() as url:
        yield url


@pytest.fixture
async def scene(tmp_path: Path, simulator_url: str) -> AsyncIterator[Scene]:
    """A core whose books must end clean, and a provider that forgot all earlier requests."""
    clock = TurnedClock(START_MS)
    rig = Rig(tmp_path, clock)
    await rig.start()
    price = price_of(MODEL)
    price.provider = "openai"
    await rig.client(OPERATOR).meter.put_price(price)
    user = await rig.client().keys.mint("ada", cap_usd="1")
    outboxes = tmp_path / "outbox"
    headers = {"authorization": "Bearer sk-any-key"}
    async with httpx.AsyncClient(base_url=simulator_url, headers=headers) as simulator:
        await simulator.delete("/_sim/requests")
        yield Scene(rig, clock, simulator, user, outboxes)
    findings = [line for check in await rig.core.store.audit() for line in check.findings]
    await rig.stop()
    assert findings == []
