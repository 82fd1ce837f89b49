"""Jobs of providers over gRPC: a hold that lives on, and the one poller that has it."""

from __future__ import annotations

from typing import Any

import pytest
from mintgate import (
    AlreadyResolved,
    AsyncClient,
    Hold,
    IdReused,
    InvalidArgument,
    LeaseLost,
    Minted,
    NotFound,
    PermissionDenied,
    RateLimits,
)
from mintgate.v1 import error_pb2, ledger_pb2
from mintgate.v1.jobs_pb2 import Job, RenewJob, StartJob

from tests.core.service.harness import MODEL, PROVIDER, SERVICE, Rig, TurnedClock

DAY_MS = 86_400_000
STARTED: dict[str, Any] = {"surface": "acme", "operation": "batch", "object_id": "batch-1"}


@pytest.fixture
def facade(rig: Rig) -> AsyncClient:
    """A facade's client."""
    return rig.client(SERVICE)


@pytest.fixture
async def hold(facade: AsyncClient, user: Minted) -> Hold:
    """A hold of 200,000 nano-USD."""
    bound = ledger_pb2.Bound(input_tokens=100, output_tokens=50)
    return await facade.ledger.reserve(
        provider=PROVIDER, model=MODEL, bound=bound, secret=user.secret, request_id="req-1"
    )


async def claim(facade: AsyncClient) -> Job:
    """The one job that is due."""
    (job,) = (await facade.jobs.claim()).jobs
    return job


async def test_a_job_is_settled_days_later_by_another_process(
    rig: Rig, facade: AsyncClient, hold: Hold, user: Minted, clock: TurnedClock
) -> None:
    """A poller that knows nothing but its claim settles the exact cost, over a restart of core."""
    await facade.jobs.start(hold, **STARTED, state=b"\x00state", ttl_ms=2 * DAY_MS)
    await rig.restart()
    clock.advance(DAY_MS)
    assert await rig.sweep() == 0

    job = await claim(rig.client(SERVICE))
    assert (job.surface, job.operation, job.object_id) == ("acme", "batch", "batch-1")
    assert (job.state, job.attempt, job.last) == (b"\x00state", 1, False)
    assert (job.key_id, job.account_id) == (user.key.id, user.key.account_id)
    assert (job.provider, job.model, job.request_id) == (PROVIDER, MODEL, "req-1")
    assert (job.amount_nano_usd, job.deadline_ms) == (200_000, clock.now_ms + DAY_MS)
    settled = await rig.client(SERVICE).ledger.settle(
        job.hold_id, {"output_tokens": 20}, hold_token=job.hold_token
    )
    assert (settled.charged_nano_usd, settled.late) == (40_000, False)
    assert list((await rig.client(SERVICE).jobs.claim()).jobs) == []


async def test_an_unsettled_job_expires_at_its_last_estimate(
    rig: Rig, facade: AsyncClient, hold: Hold, clock: TurnedClock
) -> None:
    """After the deadline the job is given out a last time; then the estimate is charged."""
    await facade.jobs.start(hold, **STARTED, ttl_ms=60_000, units={"output_tokens": 3})
    job = await claim(facade)
    renewed = await facade.jobs.renew(job, 3_600_000, units={"output_tokens": 7})
    assert renewed.metered_nano_usd == 14_000
    assert renewed.next_poll_at_ms == renewed.deadline_ms == clock.now_ms + 60_000

    clock.advance(60_000)
    assert await rig.sweep() == 0
    job = await claim(facade)
    assert job.last
    clock.advance(600_000)
    assert await rig.sweep() == 1
    (entry,) = [e async for e in rig.client().ledger.journal() if e.key_id]
    assert entry.kind == ledger_pb2.JOURNAL_KIND_EXPIRE
    assert entry.charged_nano_usd == 14_000


async def test_two_pollers_never_have_one_job(
    facade: AsyncClient, hold: Hold, clock: TurnedClock
) -> None:
    """A claimed job is nobody else's until the lease ends; then the first claim is void."""
    await facade.jobs.start(hold, **STARTED)
    first = await facade.jobs.claim(lease_ms=30_000)
    assert first.now_ms + 30_000 == first.jobs[0].lease_until_ms
    assert list((await facade.jobs.claim()).jobs) == []
    clock.advance(30_000)
    second = await claim(facade)
    assert second.attempt == 2
    with pytest.raises(LeaseLost):
        await facade.jobs.renew(first.jobs[0], 0)
    await facade.jobs.renew(second, 5_000, state=b"seen")
    clock.advance(5_000)
    assert (await claim(facade)).state == b"seen"


async def test_jobs_travel_in_batches(rig: Rig, user: Minted) -> None:
    """A facade starts a job in the message of other operations, and may repeat it."""
    reserve = rig.reserve(user.secret)
    (held,) = await rig.apply(reserve)
    start = ledger_pb2.Operation(
        start_job=StartJob(
            hold_id=reserve.reserve.hold_id, hold_token=held.reserved.hold_token, **STARTED
        )
    )
    first, again = await rig.apply(start, start)
    assert first == again
    assert first.started_job.deadline_ms > held.reserved.expires_at_ms
    (settled,) = await rig.apply(rig.settle(reserve, held))
    assert settled.settled.charged_nano_usd == 20_000
    (over,) = await rig.apply(start)
    assert over.error.reason == error_pb2.ERROR_REASON_ALREADY_RESOLVED


async def test_a_masters_batch_has_no_jobs(rig: Rig, user: Minted) -> None:
    """The poller uses the operator's credential, so no account may send it anywhere."""
    reserve = rig.reserve(user.secret)
    (held,) = await rig.apply(reserve, credential=rig.master)
    named: dict[str, Any] = {
        "hold_id": reserve.reserve.hold_id,
        "hold_token": held.reserved.hold_token,
    }
    refused = await rig.apply(
        ledger_pb2.Operation(start_job=StartJob(**named, **STARTED)),
        ledger_pb2.Operation(renew_job=RenewJob(**named, attempt=1)),
        credential=rig.master,
    )
    assert {r.error.reason for r in refused} == {error_pb2.ERROR_REASON_PERMISSION_DENIED}
    for call in (
        rig.client().jobs.claim(),
        rig.client(user.secret).jobs.claim(),
    ):
        with pytest.raises(PermissionDenied):
            await call


async def test_started_twice_it_must_be_the_same(facade: AsyncClient, hold: Hold) -> None:
    """A repeat is answered as before; another object for the hold is refused by its field."""
    first = await facade.jobs.start(hold, **STARTED)
    assert await facade.jobs.start(hold, **STARTED) == first
    with pytest.raises(IdReused) as caught:
        await facade.jobs.start(hold, **{**STARTED, "object_id": "batch-2"})
    assert caught.value.field == "object_id"


async def test_holds_tell_that_they_belong_to_a_job(
    rig: Rig, facade: AsyncClient, hold: Hold
) -> None:
    """Whoever lists open holds sees which of them a job keeps open, and until when."""
    (before,) = await rig.client().ledger.holds()
    started = await facade.jobs.start(hold, **STARTED)
    (after,) = await rig.client().ledger.holds()
    assert (before.job, after.job) == (False, True)
    assert after.expires_at_ms == started.deadline_ms


async def test_a_job_is_no_open_request(rig: Rig, facade: AsyncClient) -> None:
    """A key limited to one request at once may go on while its batch runs for a day."""
    key = await rig.client().keys.mint("bob", rate_limits=RateLimits(open_requests=1))
    bound = ledger_pb2.Bound(input_tokens=1, output_tokens=1)
    for number in range(3):
        hold = await facade.ledger.reserve(
            provider=PROVIDER, model=MODEL, bound=bound, secret=key.secret
        )
        await facade.jobs.start(hold, **{**STARTED, "object_id": str(number)})
    assert len((await facade.jobs.claim()).jobs) == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"surface": ""}, "surface"),
        ({"operation": "x" * 65}, "operation"),
        ({"object_id": ""}, "object_id"),
        ({"object_id": "x" * 513}, "object_id"),
        ({"state": b"x" * 16_385}, "state"),
        ({"first_poll_ms": 3_600_001}, "first_poll_ms"),
        ({"ttl_ms": 999}, "ttl_ms"),
        ({"ttl_ms": 2 * DAY_MS + 1}, "ttl_ms"),
    ],
)
async def test_malformed_jobs_are_refused(
    facade: AsyncClient, hold: Hold, changes: dict[str, Any], field: str
) -> None:
    """Every field of a job has its bound, and the refusal names it."""
    with pytest.raises(InvalidArgument) as caught:
        await facade.jobs.start(hold, **{**STARTED, **changes})
    assert caught.value.field == field


async def test_claims_and_renewals_are_bounded(rig: Rig, facade: AsyncClient, hold: Hold) -> None:
    """How many jobs a claim takes and for how long, and when the next poll is, have bounds."""
    for limit, lease_ms, field in ((101, 0, "limit"), (-1, 0, "limit"), (1, 999, "lease_ms")):
        with pytest.raises(InvalidArgument) as caught:
            await facade.jobs.claim(limit, lease_ms=lease_ms)
        assert caught.value.field == field
    await facade.jobs.start(hold, **STARTED)
    job = await claim(facade)
    with pytest.raises(InvalidArgument):
        await facade.jobs.renew(job, 3_600_001)
    forged = Job(hold_id=job.hold_id, hold_token=job.hold_token[:-1], attempt=1)
    with pytest.raises(InvalidArgument) as caught:
        await facade.jobs.renew(forged, 0)
    assert caught.value.field == "hold_token"


async def test_a_job_needs_its_hold(facade: AsyncClient, hold: Hold) -> None:
    """A hold that is over takes no job, and one without a job is not renewed."""
    unclaimed = Job(hold_id=hold.id, hold_token=hold.token, attempt=1)
    with pytest.raises(NotFound):
        await facade.jobs.renew(unclaimed, 0)
    await facade.ledger.release(hold)
    for call in (facade.jobs.start(hold, **STARTED), facade.jobs.renew(unclaimed, 0)):
        with pytest.raises(AlreadyResolved):
            await call


async def test_units_without_a_price_do_not_end_a_job(facade: AsyncClient, hold: Hold) -> None:
    """An estimate that cannot be priced is left out, and the job goes on."""
    await facade.jobs.start(hold, **STARTED)
    job = await claim(facade)
    renewed = await facade.jobs.renew(job, 0, units={"web_searches": 1})
    assert renewed.metered_nano_usd == 0
