"""Every bound of a core's gRPC server, made small, acts against a real client or a bare socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from mintgate import Settings
from mintgate.tls import server_credentials
from mintgate.v1 import keys_pb2, keys_pb2_grpc
from mintgate_core.app import Core, CoreOptions, running
from mintgate_core.service.bounds import GrpcBounds

from tests.certificates import Authority
from tests.core.service.harness import OPERATOR, SERVICE

WAIT_S = 20.0
"""A bound for what must come, not a pause."""

REFUSED_WAIT_S = 0.2
"""How long a call waits in its client for room that does not come."""

PING, GO_AWAY = 6, 7
FRAME_HEAD_BYTES = 9
WATCH = b"/grpc.health.v1.Health/Watch"
ASK = health_pb2.HealthCheckRequest()


@asynccontextmanager
async def core_with(
    directory: Path, bounds: GrpcBounds, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[Core]:
    """A core with bounds that a test can reach."""
    options = CoreOptions(
        directory / "mintgate.db", OPERATOR, SERVICE, bounds=bounds, credentials=credentials
    )
    async with running(options) as core, asyncio.timeout(WAIT_S):
        yield core


@asynccontextmanager
async def channel_to(core: Core) -> AsyncIterator[Any]:
    """A channel that shares its connection with no other."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{core.port}", options=own) as channel:
        yield channel


def health(channel: Any) -> Any:
    return health_pb2_grpc.HealthStub(channel)


async def watching(channel: Any) -> Any:
    """An open call."""
    call = health(channel).Watch(ASK)
    await call.read()
    return call


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame of HTTP/2."""
    head = len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4)
    return head + payload


def open_watch() -> bytes:
    """What a client of HTTP/2 sends that opens one stream and then never says anything again."""

    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    # POST and http stand in HPACK's static table, as do the names of :path and :authority.
    headers = b"\x83\x86\x04" + text(WATCH) + b"\x01" + text(b"core")
    for name, value in ((b"te", b"trailers"), (b"content-type", b"application/grpc")):
        headers += b"\0" + text(name) + text(value)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
    return preface + frame(1, 4, 1, headers) + frame(0, 1, 1, bytes(5))


def kinds(data: bytes) -> list[int]:
    """The types of the frames in what a server sent."""
    found = []
    while len(data) >= FRAME_HEAD_BYTES:
        found.append(data[3])
        data = data[FRAME_HEAD_BYTES + int.from_bytes(data[:3]) :]
    return found


async def test_a_message_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    """A request that is too large never reaches a service, and one below it does."""
    bounds = GrpcBounds(message_bytes_max=10_000)
    async with core_with(tmp_path, bounds) as core, channel_to(core) as channel:
        keys: Any = keys_pb2_grpc.KeysServiceStub(channel)
        codes = []
        for size in (9_000, 10_001):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await keys.Mint(keys_pb2.MintRequest(name="x" * size))
            codes.append(caught.value.code())
    assert codes == [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED]


async def test_calls_of_one_connection_are_bounded(tmp_path: Path) -> None:
    """One call too many waits in its client until another ends."""
    async with core_with(tmp_path, GrpcBounds(streams_max=2)) as core, channel_to(core) as channel:
        open_calls = [await watching(channel) for _ in range(2)]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health(channel).Check(ASK, timeout=REFUSED_WAIT_S)
        open_calls[0].cancel()
        assert (await health(channel).Check(ASK)).status
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_calls_of_all_connections_are_bounded(tmp_path: Path) -> None:
    """One call too many is refused at once, whichever connection it comes by."""
    async with (
        core_with(tmp_path, GrpcBounds(calls_max=2)) as core,
        channel_to(core) as one,
        channel_to(core) as other,
    ):
        # They are cancelled when nobody refers to them any more.
        calls = [await watching(channel) for channel in (one, other)]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health(other).Check(ASK)
        assert not any(call.done() for call in calls)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_connections_are_bounded(tmp_path: Path) -> None:
    """One too many is closed at once; those that are there go on."""
    async with (
        core_with(tmp_path, GrpcBounds(connections_max=2)) as core,
        channel_to(core) as one,
        channel_to(core) as other,
    ):
        calls = [await watching(channel) for channel in (one, other)]
        reader, writer = await asyncio.open_connection("127.0.0.1", core.port)
        assert await reader.read() == b""
        writer.close()
        assert not any(call.done() for call in calls)


async def test_a_connection_without_calls_is_ended(tmp_path: Path) -> None:
    """It goes away without a failure: the next call makes another."""
    async with core_with(tmp_path, GrpcBounds(idle_ms=100)) as core, channel_to(core) as channel:
        await health(channel).Check(ASK)
        await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
        assert (await health(channel).Check(ASK)).status


async def test_a_client_that_says_nothing_at_all_is_ended(tmp_path: Path) -> None:
    """A socket that was only opened is told to go away, and closed."""
    async with core_with(tmp_path, GrpcBounds(idle_ms=100)) as core:
        reader, writer = await asyncio.open_connection("127.0.0.1", core.port)
        assert GO_AWAY in kinds(await reader.read())
        writer.close()


async def test_a_peer_that_does_not_answer_loses_its_streams(tmp_path: Path) -> None:
    """Its kernel takes the pings, its process never answers: it is told, and closed."""
    bounds = GrpcBounds(keepalive_ms=100, keepalive_wait_ms=100)
    async with core_with(tmp_path, bounds) as core:
        reader, writer = await asyncio.open_connection("127.0.0.1", core.port)
        writer.write(open_watch())
        told = kinds(await reader.read())
        writer.close()
    assert PING in told
    assert GO_AWAY in told


async def test_a_peer_that_answers_keeps_its_streams(tmp_path: Path) -> None:
    """Many times the bound in silence, with answers to the pings, ends nothing."""
    bounds = GrpcBounds(keepalive_ms=100, keepalive_wait_ms=5_000)
    async with core_with(tmp_path, bounds) as core, channel_to(core) as channel:
        call = await watching(channel)
        # A silent peer with ten such pings is the clock: it is told of each.
        reader, writer = await asyncio.open_connection("127.0.0.1", core.port)
        writer.write(open_watch() + frame(4, 1, 0))
        pings = 0
        while pings < 10:
            head = await reader.readexactly(FRAME_HEAD_BYTES)
            payload = await reader.readexactly(int.from_bytes(head[:3]))
            if head[3] == PING and not head[4]:
                pings += 1
                writer.write(frame(PING, 1, 0, payload))
        writer.close()
        assert not call.done()


async def test_a_handshake_that_never_ends_is_ended(tmp_path: Path) -> None:
    """With TLS, a client that opens a connection and sends nothing is left."""
    pair = Authority(tmp_path).make().sign("core")
    named = {"MINTGATE_GRPC_TLS_CERT": str(pair.cert), "MINTGATE_GRPC_TLS_KEY": str(pair.key)}
    credentials = server_credentials(Settings.load(named, tmp_path))
    bounds = GrpcBounds(handshake_wait_ms=100)
    async with core_with(tmp_path, bounds, credentials) as core:
        reader, writer = await asyncio.open_connection("127.0.0.1", core.port)
        assert await reader.read() == b""
        writer.close()
