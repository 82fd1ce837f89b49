"""A worker's metrics over its own port: what moves them, and what never gets into them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from mintgate.v1 import error_pb2
from mintgate_facade.app import Facade
from mintgate_facade.relay import charges
from mintgate_facade.relay.metrics import Metrics
from mintgate_facade.settings import FacadeSettings
from prometheus_client.parser import text_string_to_metric_families

from tests.http_facade.relay.conftest import (
    KEY,
    SERVICE_TOKEN,
    WAIT_S,
    Answer,
    Gateway,
    Received,
    chat_events,
    chat_stream,
)
from tests.http_facade.relay.test_revocations import Hanging
from tests.ports import free_port


@pytest.fixture
def settings(settings: FacadeSettings) -> FacadeSettings:
    """The facade of every test here shows its metrics."""
    return replace(settings, metrics_port=free_port())


@pytest.fixture
async def scrape(gateway: Gateway, settings: FacadeSettings) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{settings.metrics_port}"
    async with httpx.AsyncClient(base_url=url, timeout=WAIT_S) as client:
        yield client


async def figures(scrape: httpx.AsyncClient) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families((await scrape.get("/metrics")).text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_a_request_is_counted_and_timed(gateway: Gateway, scrape: httpx.AsyncClient) -> None:
    """Provider, route and status; the provider's time and the gateway's own."""
    assert (await gateway.chat()).status_code == 200
    page = await figures(scrape)

    assert page["mintgate_requests_total{provider=openai,route=chat,status=200}"] == 1
    assert page["mintgate_upstream_seconds_count{provider=openai}"] == 1
    assert page["mintgate_upstream_first_byte_seconds_count{provider=openai}"] == 1
    assert page["mintgate_added_latency_seconds_count"] == 1
    assert page["mintgate_link_round_trip_seconds_count"] >= 2
    assert page["mintgate_link_batch_operations_sum"] >= 2
    assert page["mintgate_link_up"] == 1
    assert page["mintgate_running_requests"] == 0


async def test_the_providers_time_is_not_the_gateways(
    gateway: Gateway, scrape: httpx.AsyncClient
) -> None:
    """Added latency leaves out what the provider took: the sums differ by its delay."""

    async def slow(received: Received, answer: Answer) -> None:
        # As long as it takes until a scrape has been answered.
        await figures(scrape)
        await chat_stream(received, answer)

    gateway.provider.scripts.append(slow)
    answer = await gateway.chat(stream=True)
    page = await figures(scrape)

    assert answer.status_code == 200
    upstream_s = page["mintgate_upstream_seconds_sum{provider=openai}"]
    first_byte_s = page["mintgate_upstream_first_byte_seconds_sum{provider=openai}"]
    assert 0 < first_byte_s <= upstream_s
    assert page["mintgate_added_latency_seconds_count"] == 1


async def test_running_streams_are_told(gateway: Gateway, scrape: httpx.AsyncClient) -> None:
    """While an answer is under way in pieces it is a running request and a running stream."""
    seen: list[dict[str, float]] = []

    async def script(received: Received, answer: Answer) -> None:
        await answer.begin()
        events = chat_events()
        await answer.chunk(events[0])
        while not seen or not seen[-1]["mintgate_running_streams"]:
            seen.append(await figures(scrape))
        for event in events[1:]:
            await answer.chunk(event)
        await answer.end()

    gateway.provider.scripts.append(script)
    await gateway.chat(stream=True)
    page = await figures(scrape)

    assert seen[-1]["mintgate_running_requests"] == 1
    assert (page["mintgate_running_streams"], page["mintgate_running_requests"]) == (0, 0)


async def test_refusals_are_counted_by_kind(gateway: Gateway, scrape: httpx.AsyncClient) -> None:
    """What the gateway answers itself is told apart from what a provider answered."""
    gateway.core.refusal = error_pb2.Error(
        reason=error_pb2.ERROR_REASON_CAP_EXCEEDED, message="the cap is reached"
    )
    assert (await gateway.chat()).status_code == 402
    page = await figures(scrape)

    assert page["mintgate_refusals_total{kind=payment_required,provider=openai}"] == 1
    assert page["mintgate_requests_total{provider=openai,route=chat,status=402}"] == 1
    assert "mintgate_upstream_seconds_count{provider=openai}" not in page


async def test_requests_that_a_revocation_ended_are_counted(
    gateway: Gateway, scrape: httpx.AsyncClient
) -> None:
    """Each running request of a revoked key counts once; one that was over before does not."""
    assert (await gateway.chat()).status_code == 200
    hanging = [Hanging(events=0), Hanging(events=0)]
    gateway.provider.scripts.extend(hanging)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(WAIT_S):
        asked = [tasks.create_task(gateway.chat()) for _ in hanging]
        for script in hanging:
            await script.hangs.wait()
        before = await figures(scrape)
        gateway.core.revocations.put_nowait("key_1")
    page = await figures(scrape)

    assert [(await answer).status_code for answer in asked] == [401, 401]
    assert before["mintgate_revocations_ended_total"] == 0
    assert page["mintgate_revocations_ended_total"] == 2


async def test_the_outbox_is_told(
    gateway: Gateway, scrape: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A charge that the ledger has not taken shows with its bytes and age until it is taken."""
    monkeypatch.setattr(charges, "SETTLE_LINK_WAIT_S", 0.05)
    gateway.core.settles_may_answer.clear()
    assert (await gateway.chat()).status_code == 200
    held = await figures(scrape)
    gateway.core.settles_may_answer.set()
    while (page := await figures(scrape))["mintgate_outbox_charges"]:
        pass

    assert held["mintgate_outbox_charges"] == 1
    assert held["mintgate_outbox_bytes"] > 0
    assert held["mintgate_outbox_age_seconds"] > 0
    assert held["mintgate_outbox_accepting"] == 1
    assert (page["mintgate_outbox_bytes"], page["mintgate_outbox_age_seconds"]) == (0, 0)


async def test_no_metric_names_anybody(gateway: Gateway, scrape: httpx.AsyncClient) -> None:
    """Neither keys, models, paths of callers nor secrets are in any label."""
    await gateway.chat(model="a-model-of-the-caller")
    await gateway.client.get("/openai/v1/some/path?key=" + KEY)
    page = (await scrape.get("/metrics")).text

    hidden = (KEY, "key_1", "a-model-of-the-caller", "some/path", "operator-openai", SERVICE_TOKEN)
    assert not [value for value in hidden if value in page]
    assert 'route="unknown"' in page


async def test_the_public_port_shows_no_metrics(gateway: Gateway) -> None:
    """`/metrics` of the public port is nobody's path."""
    assert (await gateway.client.get("/metrics")).status_code == 404


async def test_a_metrics_port_in_use_stops_the_start(
    gateway: Gateway, settings: FacadeSettings
) -> None:
    """A worker that cannot show its figures says so rather than run unseen."""
    second = Facade(settings)
    with pytest.raises(OSError, match="for metrics"):
        await second.start()


async def test_looks_at_jobs_are_counted() -> None:
    """By provider and by what they found."""
    metrics = Metrics()
    metrics.polled("openai", "unread")
    metrics.polled("openai", "unread")
    page = (await metrics.render()).decode()
    assert 'mintgate_job_polls_total{outcome="unread",provider="openai"} 2.0' in page
