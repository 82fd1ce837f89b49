# ruff: noqa: N802 - methods of gRPC services have the names of the protocol.
"""The provider is asked once which objects are everybody's, and its word is kept for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import orjson
import pytest
from mintgate.v1 import objects_pb2, objects_pb2_grpc
from mintgate_facade.dialects.base import FailureKind, ObjectName, RefusedRequest, RequestView
from mintgate_facade.relay import common as module
from mintgate_facade.relay.common import COMMON_KEPT_S, LOOKS_MAX, OTHERS_KEPT_S, CommonObjects
from mintgate_facade.relay.exchange import Admitted, Exchange
from mintgate_facade.relay.long_bodies import LongBodies
from mintgate_facade.relay.objects import Objects
from mintgate_facade.relay.targets import Targets
from mintgate_facade.settings import ProviderAccount
from mintgate_facade.upstream import Upstream

from tests.http_facade.relay.conftest import SERVICE_TOKEN, Answer, Received, ScriptedProvider

OWN = ObjectName("voice", "own")


class Owners(objects_pb2_grpc.ObjectsServiceServicer):
    """A core that knows of one object."""

    async def FindObjects(self, request: Any, context: Any) -> objects_pb2.FindObjectsResponse:
        own = [name for name in request.names if (name.kind, name.object_id) == OWN]
        found = [objects_pb2.OwnedObject(name=name) for name in own]
        return objects_pb2.FindObjectsResponse(key_id="key_1", objects=found, room=1)


@dataclass
class Bench:
    """The object under test, its clock, and the provider that it asks."""

    common: CommonObjects
    exchange: Exchange
    provider: ScriptedProvider
    clock: list[float] = field(default_factory=lambda: [0.0])

    async def require(self, *voices: str) -> None:
        names = [ObjectName("voice", voice) for voice in voices]
        unknown = self.common.unknown("elevenlabs", names)
        if unknown:
            await self.common.require(
                self.exchange, Admitted(b"x", b"", RequestView(b"", {})), unknown
            )

    async def refused(self, *voices: str) -> FailureKind:
        with pytest.raises(RefusedRequest) as caught:
            await self.require(*voices)
        return caught.value.failure.kind

    def answers(self, *answers: tuple[int, Any]) -> None:
        for status, document in answers:
            self.provider.scripts.append(script(status, document))

    @property
    def asked(self) -> list[str]:
        return [received.target for received in self.provider.requests]


def script(status: int, document: Any) -> Any:
    async def answer(received: Received, answer: Answer) -> None:
        assert received.header("xi-api-key") == "operator"
        await answer.whole(orjson.dumps(document), status)

    return answer


def voice(voice_id: str, category: str = "premade") -> tuple[int, Any]:
    return 200, {"voice_id": voice_id, "category": category}


@pytest.fixture
async def bench(provider: ScriptedProvider) -> AsyncIterator[Bench]:
    server = grpc.aio.server()
    objects_pb2_grpc.add_ObjectsServiceServicer_to_server(
        Owners(),  # type: ignore[abstract]  # the rest is never called
        server,
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    upstream = Upstream()
    upstream.start()
    account = ProviderAccount(f"http://127.0.0.1:{provider.port}", "operator")
    targets = Targets({"elevenlabs": account}, upstream)
    meant = targets.resolve("POST", "/elevenlabs/v1/text-to-speech/x", {}, {})
    assert meant is not None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        objects = Objects(objects_pb2_grpc.ObjectsServiceStub(channel), SERVICE_TOKEN)
        clock = [0.0]
        common = CommonObjects(objects, targets, lambda: clock[0])
        exchange = Exchange(*meant, {}, unheard, unheard, 1.0, LongBodies(0))
        yield Bench(common, exchange, provider, clock)
    await upstream.close()
    await server.stop(None)


async def unheard(*_: Any) -> Any:
    raise AssertionError("the client is not asked")


async def test_everybodys(bench: Bench) -> None:
    """What everybody may use is asked about once, until what was said is old."""
    bench.answers(voice("a"), voice("a"), voice("a", "cloned"))
    await bench.require("a", "own")
    bench.clock[0] = COMMON_KEPT_S - 1
    await bench.require("a")
    assert bench.asked == ["/v1/voices/a"]
    bench.clock[0] = COMMON_KEPT_S
    await bench.require("a")
    assert len(bench.asked) == 2
    bench.clock[0] = 2 * COMMON_KEPT_S
    assert await bench.refused("a") is FailureKind.NOT_FOUND


async def test_nobodys(bench: Bench) -> None:
    """What is nobody's here is a 404 without another question, and soon is asked about again."""
    bench.answers((404, {}), voice("a"), voice("b", "cloned"), voice("z"))
    assert await bench.refused("a") is FailureKind.NOT_FOUND
    bench.clock[0] = OTHERS_KEPT_S - 1
    assert await bench.refused("a") is FailureKind.NOT_FOUND
    assert bench.asked == ["/v1/voices/a"]
    bench.clock[0] = OTHERS_KEPT_S
    await bench.require("a")
    assert await bench.refused("a", "b") is FailureKind.NOT_FOUND
    # A description of another voice says nothing about this one.
    assert await bench.refused("c") is FailureKind.NOT_FOUND
    assert len(bench.asked) == 4


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_provider_that_does_not_say(bench: Bench, status: int) -> None:
    """A provider that fails has said nothing: it is a failure of its own, and is asked again."""
    bench.answers((status, {}), voice("a"))
    assert await bench.refused("a") is FailureKind.UPSTREAM_FAILED
    await bench.require("a")


async def test_bounds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are no ids are not asked about, nor too many at once, nor are too many kept."""
    for strange in ("..", "a/b", "a?b", "a b", "x" * 129, "é"):
        assert await bench.refused(strange) is FailureKind.NOT_FOUND
    assert bench.asked == []
    names = [f"v{index}" for index in range(LOOKS_MAX + 1)]
    bench.answers(*map(voice, names))
    assert await bench.refused(*names) is FailureKind.NOT_FOUND
    assert len(bench.asked) == LOOKS_MAX
    monkeypatch.setattr(module, "KNOWN_MAX", LOOKS_MAX)
    await bench.require(names[-1])
    assert bench.common.unknown("elevenlabs", [ObjectName("voice", name) for name in names]) == [
        ObjectName("voice", names[0])
    ]
