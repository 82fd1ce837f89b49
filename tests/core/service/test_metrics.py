"""A core's metrics over its own port: what moves them, and what never gets into them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from mintgate import Minted, MintgateError, RateLimits
from mintgate_core.app import CoreOptions, running
from mintgate_core.ledger.errors import Unavailable
from mintgate_core.ratelimit.fallback import FAILURES_MAX
from mintgate_core.ratelimit.memory import MemoryLimiter
from mintgate_core.service.metrics import Metrics
from mintgate_core.stores.base import Check, OpenHolds
from mintgate_core.stores.memory import MemoryStore
from prometheus_client.parser import text_string_to_metric_families

from tests.core.service.harness import OPERATOR, SERVICE, Rig, TurnedClock, counts, price_of
from tests.servers.redis import running_redis

RECOVERY_WAIT_S = 10.0


def samples(page: str) -> dict[str, float]:
    """Every sample by its name and labels, as `name{label=value}`."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def scrape(rig: Rig) -> dict[str, float]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{rig.core.metrics_port}/metrics")
    return samples(answer.text)


async def test_operations_are_counted_by_kind_and_outcome(rig: Rig, user: Minted) -> None:
    """Streamed or single, granted or refused, each operation is counted once."""
    before = await scrape(rig)
    await rig.charge(user.secret)
    await rig.apply(rig.reserve("qlk_live_" + "0" * 64))
    with pytest.raises(MintgateError):
        await rig.client(OPERATOR).ledger.release(b"short")
    after = await scrape(rig)

    for kind, outcome in (
        ("reserve", "ok"),
        ("settle", "ok"),
        ("reserve", "unauthenticated"),
        ("release", "invalid_argument"),
    ):
        name = f"mintgate_operations_total{{kind={kind},outcome={outcome}}}"
        assert after[name] - before.get(name, 0) == 1, name
    batches = "mintgate_lane_batch_operations_count"
    assert after[batches] > before[batches]
    assert after["mintgate_lane_transaction_seconds_count"] == after[batches]
    assert after["mintgate_lane_queue_operations"] == 0


async def test_the_age_of_the_packaged_prices_counts_from_their_day(
    rig: Rig, clock: TurnedClock
) -> None:
    """The gauge follows the clock, so that an alert needs no setting of ours."""
    before = await scrape(rig)
    clock.advance(7_000)
    after = await scrape(rig)
    name = "mintgate_price_data_age_seconds"
    assert after[name] - before[name] == 7
    read_at_ms = clock.now_ms - after[name] * 1_000
    listed = await rig.client(OPERATOR).meter.price_list(provider="deepgram")
    assert read_at_ms == listed.data_read_at_ms > 0


async def test_open_holds_are_what_the_store_holds(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """Count, money and overdue holds are read from the books at each scrape."""
    await rig.apply(rig.reserve(user.secret, ttl_ms=1_000))
    held = await scrape(rig)
    clock.advance(1_000)
    overdue = await scrape(rig)
    await rig.sweep()
    swept = await scrape(rig)

    names = ("mintgate_open_holds", "mintgate_held_nano_usd", "mintgate_overdue_holds")
    assert [held[name] for name in names] == [1, 200_000, 0]
    assert [overdue[name] for name in names] == [1, 200_000, 1]
    assert [swept[name] for name in names] == [0, 0, 0]
    assert swept["mintgate_expired_holds_total"] == 1


async def test_what_the_house_pays_is_counted(rig: Rig, user: Minted, clock: TurnedClock) -> None:
    """A charge above its hold and above the cap, and one after its expiry, show up."""
    await rig.charge(user.secret, units=counts(output_tokens=1_000_000))
    late = rig.reserve((await rig.client().keys.mint("late")).secret, ttl_ms=1_000)
    (held,) = await rig.apply(late)
    clock.advance(1_000)
    await rig.sweep()
    await rig.apply(rig.settle(late, held))
    page = await scrape(rig)

    assert page["mintgate_overruns_total"] == 1
    assert page["mintgate_late_settles_total"] == 1
    assert page["mintgate_absorbed_nano_usd_total"] == 1_000_000 * 2_000 - 10**9


async def test_no_metric_names_anybody(rig: Rig, user: Minted) -> None:
    """Neither keys, accounts, models nor secrets are in any label."""
    await rig.charge(user.secret)
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"http://127.0.0.1:{rig.core.metrics_port}/metrics")).text
    hidden = (user.secret, user.key.id, user.key.account_id, rig.master, "small", OPERATOR, SERVICE)
    assert not [value for value in hidden if value in page]


class _AwayStore(MemoryStore):
    async def open_holds(self) -> OpenHolds:
        raise Unavailable("the store is away")


async def test_a_store_that_is_away_says_so(clock: TurnedClock) -> None:
    """The page still comes; the sums are left out rather than told as zero."""
    metrics = Metrics(_AwayStore(clock), clock, MemoryLimiter(clock))
    page = samples((await metrics.render()).decode())
    assert page["mintgate_store_up"] == 0
    assert "mintgate_open_holds" not in page


async def test_limits_that_are_not_shared_are_told(tmp_path: Path, clock: TurnedClock) -> None:
    """While Redis is away the gauge is 1 and requests that were counted here alone are counted."""
    with running_redis() as server:
        rig = Rig(tmp_path, clock, server.url)
        await rig.start()
        try:
            await rig.client(OPERATOR).meter.put_price(price_of())
            limits = RateLimits(requests_per_minute=1_000)
            secret = (await rig.client().keys.mint("ada", rate_limits=limits)).secret
            await rig.charge(secret)
            shared = await scrape(rig)
            await asyncio.to_thread(server.stop)
            for _ in range(FAILURES_MAX):
                await rig.charge(secret)
            alone = await scrape(rig)
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(RECOVERY_WAIT_S):
                while (back := await scrape(rig))["mintgate_rate_limits_degraded"]:
                    pass
        finally:
            await rig.stop()

    names = ("mintgate_rate_limits_degraded", "mintgate_rate_limits_unshared_total")
    assert [shared[name] for name in names] == [0, 0]
    assert [alone[name] for name in names] == [1, FAILURES_MAX]
    assert [back[name] for name in names] == [0, FAILURES_MAX]


async def test_limits_that_nobody_shares_are_not_degraded(rig: Rig, user: Minted) -> None:
    """A core without Redis counts alone by intention, which is no alarm."""
    limits = RateLimits(requests_per_minute=1_000)
    await rig.charge((await rig.client().keys.mint("bob", rate_limits=limits)).secret)
    page = await scrape(rig)
    assert page["mintgate_rate_limits_degraded"] == 0
    assert page["mintgate_rate_limits_unshared_total"] == 0


async def test_audits_are_told_by_check(clock: TurnedClock) -> None:
    """Findings by the check's number, runs by how they ended, and when the last one was."""
    metrics = Metrics(MemoryStore(clock), clock, MemoryLimiter(clock))
    metrics.audited([Check(1, "a", 5, ()), Check(2, "b", 5, ("x", "y"))], 0.5, full=True)
    metrics.audited(None, 9.0, full=True)
    page = samples((await metrics.render()).decode())

    assert page["mintgate_audit_findings{check=1,extent=full}"] == 0
    assert page["mintgate_audit_findings{check=2,extent=full}"] == 2
    assert page["mintgate_audits_total{extent=full,outcome=findings}"] == 1
    assert page["mintgate_audits_total{extent=full,outcome=failed}"] == 1
    assert page["mintgate_audits_total{extent=full,outcome=clean}"] == 0
    assert page["mintgate_audit_duration_seconds{extent=full}"] == 0.5
    assert page["mintgate_audit_timestamp_seconds{extent=full}"] == clock() / 1_000


async def test_findings_stay_until_an_audit_of_the_same_extent(clock: TurnedClock) -> None:
    """What was found in old rows is not taken back by an audit that does not look at them."""
    metrics = Metrics(MemoryStore(clock), clock, MemoryLimiter(clock))
    metrics.audited([Check(1, "a", 5, ("x",))], 0.5, full=True)
    metrics.audited([Check(1, "a", 1, ())], 0.5, full=False)
    page = samples((await metrics.render()).decode())
    assert page["mintgate_audit_findings{check=1,extent=full}"] == 1
    assert page["mintgate_audit_findings{check=1,extent=new}"] == 0
    metrics.audited([Check(1, "a", 5, ())], 0.5, full=True)
    page = samples((await metrics.render()).decode())
    assert page["mintgate_audit_findings{check=1,extent=full}"] == 0


async def test_a_metrics_port_in_use_stops_the_start(rig: Rig, tmp_path: Path) -> None:
    """A core that cannot show its figures says so rather than run unseen."""
    options = CoreOptions(
        tmp_path / "other.db", OPERATOR, SERVICE, metrics_port=rig.core.metrics_port
    )
    with pytest.raises(Unavailable, match="for metrics"):
        async with running(options):
            pass


async def test_metrics_are_off_unless_asked_for(tmp_path: Path) -> None:
    """Without a port nothing listens."""
    async with running(CoreOptions(tmp_path / "other.db", OPERATOR, SERVICE)) as core:
        assert core.metrics_port is None
