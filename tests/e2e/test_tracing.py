"""One trace across client, facade and core: both composed as their processes do, over gRPC."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from mintgate.config import ConfigError, Settings
from mintgate.tracing import Traces, open_traces
from mintgate_core.app import CoreOptions, running
from mintgate_core.bootstrap import FirstAccount
from mintgate_facade.app import Facade
from mintgate_facade.settings import FacadeSettings, ProviderAccount
from mintgate_simulator.serve import background_simulator
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

MASTER = "qlk_live_" + "ef" * 32
OPERATOR, SERVICE = "operator-token-" * 3, "service-token-" * 3
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
WAIT_S = 20.0
BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}


@dataclass
class Stack:
    """A traced facade over a traced core; spans of both in one exporter."""

    client: httpx.AsyncClient
    simulator: str
    exporter: InMemorySpanExporter

    async def chat(self, secret: str = MASTER, **headers: str) -> httpx.Response:
        return await self.client.post(
            "/v1/chat/completions",
            json=BODY,
            headers={"authorization": f"Bearer {secret}"} | headers,
        )

    async def spans(self, count: int) -> dict[str, ReadableSpan]:
        """Finished spans by their names, once there are so many."""
        async with asyncio.timeout(WAIT_S):
            # The exporter has no event to wait for.
            while len(self.exporter.get_finished_spans()) < count:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0)
        return {span.name: span for span in self.exporter.get_finished_spans()}


def traces(exporter: InMemorySpanExporter) -> Traces:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Traces(provider)


@asynccontextmanager
async def serving(facade: Facade) -> AsyncIterator[int]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(facade, lifespan="on", log_config=None, ws="none")
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    exporter = InMemorySpanExporter()
    options = CoreOptions(
        tmp_path / "mintgate.db",
        OPERATOR,
        SERVICE,
        first=FirstAccount(MASTER, 10**9),
        sweep=False,
        traces=traces(exporter),
    )
    with background_simulator() as simulator:
        async with running(options) as core:
            settings = FacadeSettings(
                host="127.0.0.1",
                http_port=0,
                core_target=f"127.0.0.1:{core.port}",
                service_token=SERVICE,
                outbox_directory=tmp_path / "outbox",
                uploads_directory=tmp_path / "uploads",
                simulated=True,
                accounts={"openai": ProviderAccount(f"{simulator}/openai/v1", "simulated")},
            )
            async with (
                serving(Facade(settings, traces(exporter))) as port,
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_S) as client,
            ):
                async with asyncio.timeout(WAIT_S):
                    while not await _ready(client):  # noqa: ASYNC110 - another process would be polled, too
                        await asyncio.sleep(0.01)
                yield Stack(client, simulator, exporter)


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.HTTPError:
        return False


def ids(span: ReadableSpan) -> tuple[str, str]:
    """Trace id, and the parent's span id."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}" if span.parent else ""


async def test_a_request_is_one_trace_through_both_processes(stack: Stack) -> None:
    """The client's trace goes on through reserve, upstream and settle into core's operations."""
    assert (await stack.chat(traceparent=TRACEPARENT)).status_code == 200
    spans = await stack.spans(8)

    request = spans["openai chat"]
    assert ids(request) == (TRACE_ID, "b7ad6b7169203331")
    assert request.context is not None
    own = f"{request.context.span_id:016x}"
    for name in ("reserve", "upstream", "settle"):
        assert ids(spans[name]) == (TRACE_ID, own), name
    for name, caller in (("ledger reserve", "reserve"), ("ledger settle", "settle")):
        context = spans[caller].context
        assert context is not None
        assert ids(spans[name]) == (TRACE_ID, f"{context.span_id:016x}")
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    assert str(request.attributes["mintgate.request_id"]).startswith("req_")
    assert spans["upstream"].end_time is not None
    assert request.start_time is not None
    assert request.end_time is not None
    assert request.start_time <= spans["upstream"].end_time <= request.end_time


async def test_a_transaction_links_to_its_operations(stack: Stack) -> None:
    """A transaction is in no caller's trace, and names the operations that it served."""
    await stack.chat(traceparent=TRACEPARENT)
    await stack.spans(8)
    batches = [
        span for span in stack.exporter.get_finished_spans() if span.name == "ledger transaction"
    ]
    assert len(batches) == 2
    for batch in batches:
        assert ids(batch)[0] != TRACE_ID
        assert [f"{link.context.trace_id:032x}" for link in batch.links] == [TRACE_ID]


@pytest.mark.parametrize("traceparent", ["", "nonsense", f"00-{TRACE_ID}-b7ad6b7169203331"])
async def test_without_a_good_traceparent_a_trace_begins(stack: Stack, traceparent: str) -> None:
    """A missing or malformed one is not repeated, and the request is traced all the same."""
    headers = {"traceparent": traceparent} if traceparent else {}
    assert (await stack.chat(**headers)).status_code == 200
    request = (await stack.spans(8))["openai chat"]
    assert ids(request)[1] == ""
    assert ids(request)[0] not in {TRACE_ID, "0" * 32}


async def test_a_refusal_is_traced_without_its_secret(stack: Stack) -> None:
    """A wrong key ends in core's own span; no span holds any part of it."""
    secret = "qlk_live_" + "0123456789abcdef" * 4
    assert (await stack.chat(secret)).status_code == 401
    spans = await stack.spans(3)
    attributes = spans["ledger reserve"].attributes
    assert attributes is not None
    assert attributes["mintgate.refused"] == "Unauthenticated"
    assert "0123456789abcdef" not in "".join(span.to_json() for span in spans.values())
    assert SERVICE not in "".join(span.to_json() for span in spans.values())


async def test_the_provider_never_gets_our_trace(stack: Stack) -> None:
    """A client that sends no trace header has none forwarded."""
    await stack.chat()
    async with httpx.AsyncClient() as client:
        seen = (await client.get(f"{stack.simulator}/_sim/requests")).text
    assert "gpt-4o-mini" in seen
    assert "traceparent" not in seen


async def test_traces_are_off_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither setting nor endpoint: nothing. An endpoint: on. A plain no: off."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert open_traces(Settings.load({}, tmp_path), "core") is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    opened = open_traces(Settings.load({}, tmp_path), "core")
    assert opened is not None
    opened.close()
    assert open_traces(Settings.load({"MINTGATE_TRACING": "0"}, tmp_path), "core") is None


async def test_missing_packages_are_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Asked for by name: a refusal that says what to install. By the endpoint alone: a warning."""
    for name in ("exporter.otlp.proto.http.trace_exporter", "sdk.trace"):
        monkeypatch.setitem(__import__("sys").modules, f"opentelemetry.{name}", None)
    with pytest.raises(ConfigError, match="tracing"):
        open_traces(Settings.load({"MINTGATE_TRACING": "1"}, tmp_path), "core")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert open_traces(Settings.load({}, tmp_path), "core") is None
    assert "there are no traces" in caplog.text
