# ruff: noqa: N802 - methods of gRPC services have the names of the protocol.
"""Peers of the relay: a scripted ledger over gRPC, a scripted provider, and the facade itself."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import orjson
import pytest
import uvicorn
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from mintgate.errors import ERROR_METADATA_KEY, STATUS_BY_REASON
from mintgate.v1 import (
    error_pb2,
    keys_pb2,
    keys_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    meter_pb2,
    meter_pb2_grpc,
)
from mintgate_facade.app import Facade
from mintgate_facade.connections import bounded
from mintgate_facade.relay.asgi import AbortFilter
from mintgate_facade.relay.outbox_file import frames
from mintgate_facade.settings import FacadeSettings, ProviderAccount

KEY = "qlk_live_" + "ab" * 32
SERVICE_TOKEN = "service-token-of-the-tests"
WAIT_S = 10.0


class ScriptedCore(
    ledger_pb2_grpc.LedgerServiceServicer,
    keys_pb2_grpc.KeysServiceServicer,
    meter_pb2_grpc.MeterServiceServicer,
):
    """The other end of the ledger link. Grants everything unless a test says otherwise."""

    def __init__(self) -> None:
        self.operations: list[ledger_pb2.Operation] = []
        self.metadata: list[dict[str, Any]] = []
        self.messages: list[int] = []
        self.refusal: error_pb2.Error | None = None
        self.settle_refusal: error_pb2.Error | None = None
        self.on_disconnect = ledger_pb2.ON_DISCONNECT_ABORT
        self.fitted_tokens = 0
        self.charged_nano_usd = 1_500
        self.settles_may_answer = asyncio.Event()
        self.settles_may_answer.set()
        self.reserves_may_answer = asyncio.Event()
        self.reserves_may_answer.set()
        self.key = keys_pb2.Key(id="key_1", account_id="acc_1")
        self.authentication_refusal: error_pb2.Error | None = None
        self.questions: list[keys_pb2.AuthenticateRequest] = []
        self.prices: list[meter_pb2.ModelPrice] = []
        self.revocations: asyncio.Queue[str] = asyncio.Queue()
        """Keys to tell as revoked; an empty one ends the watch."""
        self.watched_since_ms: list[int] = []
        self.watch_refused = False
        """As a core does that does not know the service token."""
        self.link_refused = False
        """The same, of the ledger's stream."""
        self.store_now_ms = 1_795_442_400_000
        self.changed = asyncio.Condition()

    async def Apply(self, requests: Any, context: Any) -> AsyncIterator[ledger_pb2.ApplyResponse]:
        async with self.changed:
            self.metadata.append(dict(context.invocation_metadata()))
            self.changed.notify_all()
        if self.link_refused:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no such token")
        async for request in requests:
            async with self.changed:
                self.messages.append(len(request.operations))
                self.changed.notify_all()
            kinds = {operation.WhichOneof("action") for operation in request.operations}
            if "reserve" in kinds:
                await self.reserves_may_answer.wait()
            async with self.changed:
                self.operations.extend(request.operations)
                self.changed.notify_all()
            if "settle" in kinds:
                await self.settles_may_answer.wait()
            yield ledger_pb2.ApplyResponse(results=[self._answer(op) for op in request.operations])

    async def WatchRevocations(
        self, request: Any, context: Any
    ) -> AsyncIterator[ledger_pb2.WatchRevocationsResponse]:
        async with self.changed:
            self.watched_since_ms.append(request.since_ms)
            self.changed.notify_all()
        if self.watch_refused:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no such token")
        yield ledger_pb2.WatchRevocationsResponse(told_until_ms=self.store_now_ms)
        while True:
            key_id = await self.revocations.get()
            if not key_id:
                return
            yield ledger_pb2.WatchRevocationsResponse(
                key_ids=[key_id], told_until_ms=self.store_now_ms
            )

    async def watched(self, count: int) -> None:
        """Wait until so many watches of revocations were opened."""
        async with asyncio.timeout(WAIT_S), self.changed:
            await self.changed.wait_for(lambda: len(self.watched_since_ms) >= count)

    def _answer(self, operation: ledger_pb2.Operation) -> ledger_pb2.OperationResult:
        result = ledger_pb2.OperationResult()
        match operation.WhichOneof("action"):
            case "reserve" if self.refusal is not None:
                result.error.CopyFrom(self.refusal)
            case "reserve":
                result.reserved.amount_nano_usd = 10_000
                result.reserved.hold_token = b"token of " + operation.reserve.hold_id
                result.reserved.key_id = "key_1"
                result.reserved.on_disconnect = self.on_disconnect
                result.reserved.output_fitted = bool(self.fitted_tokens)
                result.reserved.output_tokens = self.fitted_tokens
            case "settle" if self.settle_refusal is not None:
                result.error.CopyFrom(self.settle_refusal)
            case "settle":
                result.settled.actual_nano_usd = self.charged_nano_usd
                result.settled.charged_nano_usd = self.charged_nano_usd
            case "release":
                result.released.amount_nano_usd = 10_000
            case _:
                result.progressed.metered_nano_usd = 0
        return result

    async def Authenticate(self, request: Any, context: Any) -> keys_pb2.AuthenticateResponse:
        self.metadata.append(dict(context.invocation_metadata()))
        self.questions.append(request)
        if self.authentication_refusal is not None:
            error = self.authentication_refusal
            trailing = ((ERROR_METADATA_KEY, error.SerializeToString()),)
            await context.abort(STATUS_BY_REASON[error.reason], error.message, trailing)
        return keys_pb2.AuthenticateResponse(key=self.key)

    async def ListPrices(self, request: Any, context: Any) -> meter_pb2.ListPricesResponse:
        return meter_pb2.ListPricesResponse(prices=self.prices)

    def kinds(self) -> list[str]:
        return [operation.WhichOneof("action") or "" for operation in self.operations]

    def settles(self) -> list[ledger_pb2.Settle]:
        return [op.settle for op in self.operations if op.HasField("settle")]

    async def heard(self, kind: str, count: int = 1) -> None:
        """Wait until the ledger has heard so many operations of a kind."""
        async with asyncio.timeout(WAIT_S), self.changed:
            await self.changed.wait_for(lambda: self.kinds().count(kind) >= count)

    async def got(self, messages: int) -> None:
        """Wait until the ledger has got so many messages, answered or not."""
        async with asyncio.timeout(WAIT_S), self.changed:
            await self.changed.wait_for(lambda: len(self.messages) >= messages)


@dataclass
class CoreServer:
    """A gRPC server for the scripted core that can go away and come back on its port."""

    core: ScriptedCore
    port: int = 0
    server: grpc.aio.Server | None = None

    async def start(self) -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        ledger_pb2_grpc.add_LedgerServiceServicer_to_server(self.core, server)
        keys_pb2_grpc.add_KeysServiceServicer_to_server(self.core, server)
        meter_pb2_grpc.add_MeterServiceServicer_to_server(self.core, server)
        checks = health.aio.HealthServicer()  # type: ignore[attr-defined]  # missing in its stubs
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        await checks.set("", health_pb2.HealthCheckResponse.SERVING)
        self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
        await server.start()
        self.server = server

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop(None)
            self.server = None


@dataclass
class Received:
    """A request as the provider got it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return dict(self.headers).get(name, "")


class Answer:
    """Writes an answer byte by byte."""

    def __init__(self, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        self.writer = writer
        self.gone = gone

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def whole(
        self, body: bytes, status: int = 200, kind: str = "application/json", extra: str = ""
    ) -> None:
        await self.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
            f"{extra}\r\n".encode()
            + body
        )

    async def begin(self, kind: str = "text/event-stream", extra: str = "") -> None:
        await self.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n"
            f"{extra}\r\n".encode()
        )

    async def chunk(self, data: bytes) -> None:
        await self.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.write(b"0\r\n\r\n")

    def reset(self) -> None:
        self.writer.transport.abort()


Script = Callable[[Received, Answer], Awaitable[None]]


@dataclass
class ScriptedProvider:
    """A provider whose next answers are scripts."""

    port: int = 0
    requests: list[Received] = field(default_factory=list)
    scripts: deque[Script] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    server: asyncio.Server | None = None

    async def leave(self) -> None:
        """Listen no more."""
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await _head(reader):
                received = await _received(head, reader)
                self.requests.append(received)
                self.arrived.set()
                gone = asyncio.Event()
                watch = asyncio.ensure_future(_watch(reader, gone))
                script = self.scripts.popleft() if self.scripts else chat_json
                await script(received, Answer(writer, gone))
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
                if gone.is_set():
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()


async def _watch(reader: asyncio.StreamReader, gone: asyncio.Event) -> None:
    # The gateway sends nothing while it waits, so whatever can be read here is its leaving.
    try:
        if await reader.read(1) == b"":
            gone.set()
    except ConnectionError:
        gone.set()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


async def _received(head: bytes, reader: asyncio.StreamReader) -> Received:
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = []
    for line in lines[1:-2]:
        name, _, value = line.partition(":")
        headers.append((name.strip().lower(), value.strip()))
    length = int(dict(headers).get("content-length", "0"))
    return Received(method, target, headers, await reader.readexactly(length))


CHAT_ANSWER = orjson.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-5-mini-2026",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }
)


async def chat_json(received: Received, answer: Answer) -> None:
    await answer.whole(CHAT_ANSWER)


def chat_events(words: int = 3, *, usage: bool = True) -> list[bytes]:
    """The events of an OpenAI chat stream, in order: content, finish, usage, end."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-5-mini-2026"}
    documents: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": {"content": f"w{n} "}, "finish_reason": None}]}
        for n in range(words)
    ]
    documents.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage:
        totals = {"prompt_tokens": 9, "completion_tokens": words, "total_tokens": 9 + words}
        documents.append({**head, "choices": [], "usage": totals})
    return [b"data: " + orjson.dumps(doc) + b"\n\n" for doc in documents] + [b"data: [DONE]\n\n"]


async def chat_stream(received: Received, answer: Answer) -> None:
    await answer.begin()
    for event in chat_events():
        await answer.chunk(event)
    await answer.end()


def chat_body(**fields: Any) -> bytes:
    messages = [{"role": "user", "content": "Hi"}]
    return orjson.dumps({"model": "gpt-5-mini", "messages": messages, **fields})


@dataclass
class Gateway:
    """The facade under test and its peers."""

    url: str
    port: int
    core: ScriptedCore
    core_server: CoreServer
    provider: ScriptedProvider
    client: httpx.AsyncClient
    outbox_directory: Path
    server: uvicorn.Server
    serving: asyncio.Future[None]

    def stop(self) -> None:
        """Tell the worker to stop, as a signal would."""
        self.server.should_exit = True

    async def stopped(self) -> None:
        """Wait until the worker has stopped."""
        await self.serving

    def kept_charges(self) -> list[ledger_pb2.Settle]:
        """The charges that are on disk."""
        payloads = [
            payload
            for path in sorted(self.outbox_directory.glob("*.outbox"))
            for payload in frames(path.read_bytes())
        ]
        return [ledger_pb2.Operation.FromString(payload).settle for payload in payloads]

    async def chat(self, **fields: Any) -> httpx.Response:
        return await self.client.post(
            "/openai/v1/chat/completions", content=chat_body(**fields), headers=JSON_HEADERS
        )

    @asynccontextmanager
    async def raw(
        self, body: bytes, path: str = "/openai/v1/chat/completions"
    ) -> AsyncIterator[asyncio.StreamReader]:
        """One chat request on a bare socket; leaving the context closes the socket."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            b"POST %s HTTP/1.1\r\nhost: gw\r\n"
            b"authorization: Bearer %s\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%s" % (path.encode(), KEY.encode(), len(body), body)
        )
        await writer.drain()
        try:
            yield reader
        finally:
            writer.transport.abort()


JSON_HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


@pytest.fixture
async def core_server() -> AsyncIterator[CoreServer]:
    server = CoreServer(ScriptedCore())  # type: ignore[abstract]  # the rest is never called
    await server.start()
    yield server
    server.core.settles_may_answer.set()
    server.core.reserves_may_answer.set()
    await server.stop()


@pytest.fixture
async def provider() -> AsyncIterator[ScriptedProvider]:
    scripted = ScriptedProvider()
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.server = server
    scripted.port = server.sockets[0].getsockname()[1]
    yield scripted
    server.close()


@pytest.fixture
def settings(core_server: CoreServer, provider: ScriptedProvider, tmp_path: Path) -> FacadeSettings:
    root = f"http://127.0.0.1:{provider.port}"
    return FacadeSettings(
        host="127.0.0.1",
        http_port=0,
        core_target=f"127.0.0.1:{core_server.port}",
        service_token=SERVICE_TOKEN,
        outbox_directory=tmp_path / "outbox",
        uploads_directory=tmp_path / "uploads",
        simulated=False,
        accounts={
            "openai": ProviderAccount(f"{root}/v1", "operator-openai-key"),
            "anthropic": ProviderAccount(root, "operator-anthropic-key"),
            "gemini": ProviderAccount(root, "operator-gemini-key", simulated=True),
            "minimax": ProviderAccount(f"{root}/v1", "operator-minimax-key"),
            "xai": ProviderAccount(f"{root}/v1", "operator-xai-key"),
            "dashscope": ProviderAccount(root, "operator-dashscope-key"),
            "moonshot": ProviderAccount(f"{root}/v1", "operator-moonshot-key"),
            "cerebras": ProviderAccount(root, "operator-cerebras-key"),
            "elevenlabs": ProviderAccount(root, "operator-elevenlabs-key"),
            "mistral": ProviderAccount(root, "operator-mistral-key"),
        },
    )


@pytest.fixture(autouse=True)
def no_log_of_aborts() -> Iterator[None]:
    """Log as the real process does."""
    quiet = AbortFilter()
    logging.getLogger("uvicorn.error").addFilter(quiet)
    yield
    logging.getLogger("uvicorn.error").removeFilter(quiet)


@asynccontextmanager
async def serving(
    settings: FacadeSettings,
) -> AsyncIterator[tuple[uvicorn.Server, asyncio.Future[None], int]]:
    """Run the facade behind the real server on a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        Facade(settings),
        http=bounded(settings.bounds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server.serve(sockets=[listener]))
    async with asyncio.timeout(WAIT_S):
        while not server.started:
            assert not task.done(), task
            await asyncio.sleep(0.005)
    try:
        yield server, task, listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def gateway(
    settings: FacadeSettings, core_server: CoreServer, provider: ScriptedProvider
) -> AsyncIterator[Gateway]:
    async with serving(settings) as (server, task, port):
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=WAIT_S) as client:
            yield Gateway(
                url=url,
                port=port,
                core=core_server.core,
                core_server=core_server,
                provider=provider,
                client=client,
                outbox_directory=settings.outbox_directory,
                server=server,
                serving=task,
            )
            core_server.core.settles_may_answer.set()
            core_server.core.reserves_may_answer.set()
