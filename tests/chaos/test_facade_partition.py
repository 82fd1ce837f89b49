"""The network between facade and core fails under a thousand open streams."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_OUTPUT_TOKENS

from tests.buyer import Buyer, charged_once
from tests.e2e.load import BODY, CONNECTIONS_MAX, Outcomes, fire
from tests.harness import Installation, eventually
from tests.servers.postgres import HOST, PostgresServer
from tests.servers.proxy import Proxy, running_proxy
from tests.upstream import Upstream

STREAMS = 1_000
OPENING_AT_ONCE = 50
OUTPUT_TOKENS = 10
PIECES = OUTPUT_TOKENS + 2
"""Of a simulated stream: its first event, a token each, and the finish."""
TRIED = 50
"""Streams that show how long opening one takes on this machine, as busy as it is now."""
OPEN_S = 6.0
OPENING_FACTOR = 3.0
"""All streams end so long after the first request: a fixed part, and a multiple of what opening
them is expected to take."""
REFUSED = 40
SETTLED_WITHIN_S = 40.0
"""For the outboxes to be replayed, or for holds to be swept, on a busy machine."""
OPEN_FILES = 8_192
"""A stream takes two of a worker, one of the test and one of the simulator."""


@contextmanager
def cut_off(directory: Path, store: str, ttl_ms: int) -> Iterator[tuple[Installation, Proxy]]:
    """An installation whose facades reach their core through a proxy; audited at its end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(OPEN_FILES, hard)), hard))
    gateway = Installation(directory)
    try:
        with running_proxy(HOST, gateway.grpc_port) as proxy:
            gateway.environment |= {
                "MINTGATE_STORE": store,
                "MINTGATE_WORKERS": "2",
                "MINTGATE_CORE_TARGET": f"{HOST}:{proxy.port}",
                "MINTGATE_HOLD_TTL_MS": str(ttl_ms),
            }
            gateway.start()
            yield gateway, proxy
            gateway.audit()
    finally:
        gateway.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Streams:
    """Streams that all end at about the same time, however long opening them took."""

    def __init__(self, gateway: Installation, buyer: Buyer, count: int) -> None:
        self._count = count
        self._url = f"{gateway.url}/openai/v1/chat/completions"
        self._gateway_url, self._secret = gateway.url, gateway.mint(None)[1]
        self._buyer = buyer
        self._opening = asyncio.Semaphore(OPENING_AT_ONCE)
        self._end_s = 0.0
        self.completed: list[str] = []
        """Request ids of those that arrived whole."""
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Run the block once every stream has its first event; then read them all to their end."""
        loop, connector = asyncio.get_running_loop(), aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
        started_s = loop.time()
        tried = await fire(
            self._gateway_url, [self._secret] * TRIED, stream=True, simulate="output=1"
        )
        assert tried.statuses == {200: TRIED}
        opening_s = (loop.time() - started_s) * self._count / TRIED
        self._end_s = loop.time() + OPEN_S + OPENING_FACTOR * opening_s
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            asyncio.TaskGroup() as tasks,
        ):
            running = [asyncio.Event() for _ in range(self._count)]
            self._tasks = [tasks.create_task(self._read(session, each)) for each in running]
            for each in running:
                await each.wait()
            yield

    @property
    def open_count(self) -> int:
        """How many have not ended yet."""
        return sum(not task.done() for task in self._tasks)

    async def ended(self) -> None:
        """Wait for the end of every stream."""
        await asyncio.gather(*self._tasks)

    async def _read(self, session: aiohttp.ClientSession, running: asyncio.Event) -> None:
        async with self._opening:
            left_s = self._end_s - asyncio.get_running_loop().time()
            pause_ms = max(1, int(left_s * 1_000 / PIECES))
            headers = self._buyer.bearer | {
                "content-type": "application/json",
                "x-simulate": f"input=9; output={OUTPUT_TOKENS}; chunk_delay_ms={pause_ms}",
            }
            body = json.dumps(BODY | {"stream": True})
            answer = await session.post(self._url, data=body, headers=headers)
            assert answer.status == 200, await answer.text()
            await answer.content.readany()
            running.set()
        # What is cut short ends in an error here, and with it the test.
        assert (await answer.read()).rstrip().endswith(b"data: [DONE]")
        self.completed.append(answer.headers["mintgate-request-id"])


async def refused(gateway: Installation, buyer: Buyer) -> Outcomes:
    """New requests while core is away: each gets its native 503."""
    outcomes = await fire(gateway.url, [buyer.secret] * REFUSED)
    assert (outcomes.statuses, outcomes.broken) == ({503: REFUSED}, 0)
    return outcomes


def no_hold_left(gateway: Installation) -> bool:
    """Whether everything that was held is charged or given back."""
    with gateway.client() as client:
        return not list(client.ledger.holds())


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("streams", "ttl_ms"),
    [(STREAMS, 120_000), (100, 2_000)],
    ids=["holds outlive it", "holds expire meanwhile"],
)
async def test_partition_between_facade_and_core(
    postgres: PostgresServer, empty_database: str, tmp_path: Path, streams: int, ttl_ms: int
) -> None:
    """A stream that has its hold ends whole and is charged once; none starts without a hold."""
    with cut_off(tmp_path, postgres.url(empty_database), ttl_ms) as (gateway, proxy):
        buyer, upstream = Buyer.mint(gateway, None), Upstream(gateway)
        load = Streams(gateway, buyer, streams)
        async with load.opened():
            assert load.open_count == streams
            # Core grants these, and nobody hears of it.
            proxy.drop_replies()
            await refused(gateway, buyer)
            proxy.partition()
            await refused(gateway, buyer)
            # Their charges go to the outboxes: the partition lasts beyond the last of them.
            await load.ended()
        assert len(load.completed) == upstream.count - TRIED == streams
        proxy.heal()
        # A path that is back does not bring the lost bytes back.
        proxy.cut()

        def all_charged() -> bool:
            measured = {e.request_id for e in buyer.events() if e.settled_by == SETTLED_BY_USAGE}
            return measured == set(load.completed)

        await asyncio.to_thread(eventually, all_charged, SETTLED_WITHIN_S, "every charge")
        await asyncio.to_thread(
            eventually, lambda: no_hold_left(gateway), SETTLED_WITHIN_S, "the end of every hold"
        )
        charges = await asyncio.to_thread(buyer.charges)
        for request_id in load.completed:
            charged_once(charges[request_id])
            # Where an expiry charged first, the late event's columns are empty, its units whole.
            units = {unit.unit: unit.count for unit in charges[request_id][-1].units}
            assert units[UNIT_OUTPUT_TOKENS] == OUTPUT_TOKENS
        spent = sum(event.charged_nano_usd for events in charges.values() for event in events)
        assert (buyer.key().spent_nano_usd, buyer.key().held_nano_usd) == (spent, 0)
        assert (await fire(gateway.url, [buyer.secret])).statuses == {200: 1}
