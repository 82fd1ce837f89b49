"""Jobs are polled to their end and charged once, whoever dies on the way."""

from __future__ import annotations

import grpc.aio
import pytest
from mintgate.v1 import ledger_pb2
from mintgate.v1.jobs_pb2 import Job
from mintgate_facade.dialects.jobs import Outcome
from mintgate_facade.dialects.openai.background import OPERATION, BackgroundResponse
from mintgate_facade.jobs.poller import (
    LEASE_MS,
    POLL_AGE_DIVISOR,
    POLL_MS_MAX,
    POLL_MS_MIN,
    next_poll_ms,
)

from tests.http_facade.jobs.conftest import LIVES_MS, Scene, until
from tests.ports import free_port

COST_NANO_USD = 2 * 1_000 + 7 * 2_000
"""Two input and seven output tokens."""


async def test_a_background_answer_is_charged_exactly(scene: Scene) -> None:
    """A job is looked at until the provider has ended it, and then costs what its usage says."""
    hold = await scene.begin("polls=2; output=7; reasoning=3")
    async with scene.worker() as worker:
        for _ in range(2):
            assert await worker.poller.round() == 1
            assert await worker.poller.round() == 0
            assert await scene.open_holds() == 1
            scene.clock.advance(POLL_MS_MIN)
        assert await worker.poller.round() == 1
    (event,) = await scene.events()
    assert event.id == hold.id.hex()
    assert event.settled_by == ledger_pb2.SETTLED_BY_USAGE
    assert event.status == ledger_pb2.EVENT_STATUS_COMPLETED
    assert (event.input_tokens, event.reasoning_tokens) == (2, 3)
    assert event.charged_nano_usd == 2_000 + 2_000 * event.output_tokens
    assert event.latency_ms == 2 * POLL_MS_MIN
    assert scene.looks == ["openai working"] * 2 + ["openai charged"]
    assert await scene.open_holds() == 0


async def test_the_operators_key_asks(scene: Scene) -> None:
    """The provider is asked for the job's object with the operator's credential and no other."""
    await scene.begin()
    async with scene.worker() as worker:
        await worker.poller.round()
    (asked,) = await scene.polled()
    assert asked["path"].startswith("/openai/v1/responses/resp_")
    assert not asked["leaked_minted_key"]


async def test_workers_share_the_jobs(scene: Scene) -> None:
    """Each due job is polled by one worker of several, and each is charged once."""
    for _ in range(5):
        await scene.begin()
    async with scene.worker() as one, scene.worker() as other:
        assert await one.poller.round() + await other.poller.round() == 5
    assert len(await scene.events()) == len(await scene.polled()) == 5


class DiesOnce(BackgroundResponse):
    """A worker that is gone when it has read the answer, before anything was settled."""

    def __init__(self) -> None:
        self.read_count = 0

    def read(self, job: Job, body: bytes) -> Outcome:
        """Read, and die the first time."""
        self.read_count += 1
        outcome = super().read(job, body)
        if self.read_count == 1:
            raise RuntimeError("this worker is gone")
        return outcome


async def test_death_between_poll_and_settle_loses_nothing(scene: Scene) -> None:
    """What a dead worker read is read again by the next claim, and charged once."""
    await scene.begin()
    reader = DiesOnce()
    async with scene.worker({("openai", OPERATION): reader}) as worker:
        assert await worker.poller.round() == 1
        assert await scene.events() == []
        assert await worker.poller.round() == 0
    await scene.rig.restart()
    scene.clock.advance(LEASE_MS)
    async with scene.worker() as successor:
        assert await successor.poller.round() == 1
        assert await successor.poller.round() == 0
    (event,) = await scene.events()
    assert event.charged_nano_usd == COST_NANO_USD


async def test_charge_waits_on_the_disk_for_the_ledger(scene: Scene) -> None:
    """With the ledger away at the settle the charge is in the outbox, and made once later on."""
    await scene.begin()
    away = grpc.aio.insecure_channel(f"127.0.0.1:{free_port()}")
    async with scene.worker(link_target=away) as cut_off:
        await cut_off.poller.round()
        assert cut_off.outbox.open_count == 1
        assert await scene.open_holds() == 1
    await away.close(None)
    async with scene.worker() as successor:
        await until(lambda: successor.outbox.open_count == 0)
        scene.clock.advance(LEASE_MS)
        assert await successor.poller.round() == 0
    (event,) = await scene.events()
    assert event.charged_nano_usd == COST_NANO_USD


async def test_a_provider_that_is_away_is_asked_again(scene: Scene) -> None:
    """No answer, or none that can be read, leaves job and hold as they were."""
    await scene.begin(object_id="resp_unknown")
    async with scene.worker(base_url=f"http://127.0.0.1:{free_port()}/v1") as worker:
        assert await worker.poller.round() == 1
    scene.clock.advance(POLL_MS_MIN)
    async with scene.worker() as worker:
        assert await worker.poller.round() == 1
    assert await scene.open_holds() == 1
    assert await scene.events() == []
    assert scene.looks == ["openai unread"] * 2


async def test_a_job_that_nobody_reads_expires_in_the_end(scene: Scene) -> None:
    """What no worker can poll is kept until its deadline, and then costs its estimate."""
    await scene.begin(operation="of_a_newer_release", units={"output_tokens": 5})
    async with scene.worker() as worker:
        assert await worker.poller.round() == 1
        scene.clock.advance(LIVES_MS)
        assert await scene.rig.sweep() == 0
        assert await worker.poller.round() == 1
        scene.clock.advance(600_000)
        assert await scene.rig.sweep() == 1
    (event,) = await scene.events()
    assert event.settled_by == ledger_pb2.SETTLED_BY_EXPIRY
    assert event.charged_nano_usd == 10_000


@pytest.mark.parametrize(
    ("age_ms", "wait_ms"),
    [
        (0, POLL_MS_MIN),
        (POLL_MS_MIN * POLL_AGE_DIVISOR, POLL_MS_MIN),
        (100_000, 10_000),
        (86_400_000, POLL_MS_MAX),
    ],
)
def test_polls_thin_out_with_age(age_ms: int, wait_ms: int) -> None:
    """A young job is looked at soon, an old one once a minute."""
    assert next_poll_ms(age_ms) == wait_ms
