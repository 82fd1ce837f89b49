"""A core that answers what a test says, over a real gRPC connection."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from mintgate import RetryPolicy
from mintgate.errors import ERROR_METADATA_KEY, STATUS_BY_REASON, MintgateError
from mintgate.v1 import keys_pb2, ledger_pb2, meter_pb2

MASTER = "qlk_live_" + "ab" * 32

SERVICES = (
    keys_pb2.DESCRIPTOR.services_by_name["KeysService"],
    keys_pb2.DESCRIPTOR.services_by_name["AccountsService"],
    ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"],
    meter_pb2.DESCRIPTOR.services_by_name["MeterService"],
)


@dataclass(frozen=True)
class Seen:
    """One call as the core saw it."""

    method: str
    request: Any
    metadata: dict[str, Any]
    time_remaining_s: float


@dataclass
class FakeCore:
    """Answers each method from its script, in order; the last answer repeats.

    An answer is a message, a `MintgateError`, a bare status, or a function of
    the request. For a stream it is a list of those.
    """

    target: str = ""
    seen: list[Seen] = field(default_factory=list)
    scripts: dict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))

    def will(self, method: str, *answers: Any) -> None:
        self.scripts[method] = deque(answers)

    def requests(self, method: str) -> list[Any]:
        return [seen.request for seen in self.seen if seen.method == method]

    def credentials(self) -> list[str | None]:
        return [seen.metadata.get("authorization") for seen in self.seen]

    def take(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        metadata = dict(context.invocation_metadata())
        self.seen.append(Seen(method, request, metadata, context.time_remaining()))
        script = self.scripts[method]
        if not script:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no script for {method}")
        return script.popleft() if len(script) > 1 else script[0]


def play(answer: Any, request: Any, context: grpc.ServicerContext) -> Any:
    """Return one answer of a script, or end the call as it says."""
    if isinstance(answer, MintgateError):
        detail = answer.to_proto().SerializeToString()
        context.set_trailing_metadata(((ERROR_METADATA_KEY, detail),))
        context.abort(STATUS_BY_REASON[answer.reason], answer.message)
    if isinstance(answer, grpc.StatusCode):
        context.abort(answer, "the script says so")
    return answer(request) if callable(answer) else answer


class Handlers(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # Not generic when run.
    def __init__(self, core: FakeCore) -> None:
        self._methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        for service in SERVICES:
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                self._methods[path] = _handler(core, method)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._methods.get(details.method)


def _handler(core: FakeCore, method: Any) -> grpc.RpcMethodHandler[Any, Any]:
    def unary(request: Any, context: grpc.ServicerContext) -> Any:
        return play(core.take(method.name, request, context), request, context)

    def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        for answer in core.take(method.name, request, context):
            yield play(answer, request, context)

    make = (
        grpc.unary_stream_rpc_method_handler
        if method.server_streaming
        else grpc.unary_unary_rpc_method_handler
    )
    return make(
        stream if method.server_streaming else unary,
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )


@pytest.fixture
def core() -> Iterator[FakeCore]:
    """A scripted core on a free port of loopback."""
    fake = FakeCore()
    with futures.ThreadPoolExecutor(max_workers=4) as pool:
        server = grpc.server(pool, handlers=[Handlers(fake)])
        port = server.add_insecure_port("127.0.0.1:0")
        fake.target = f"127.0.0.1:{port}"
        server.start()
        yield fake
        server.stop(grace=None).wait()


@pytest.fixture
def quick() -> RetryPolicy:
    """Retries without pauses."""
    return RetryPolicy(random=lambda: 0.0)
