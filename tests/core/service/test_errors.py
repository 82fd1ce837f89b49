"""Every reason reaches its caller with status and detail; a defect tells nothing but its id."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from mintgate.errors import CLASS_BY_REASON, STATUS_BY_REASON, error_from_rpc
from mintgate.v1 import error_pb2, keys_pb2, keys_pb2_grpc, ledger_pb2, ledger_pb2_grpc
from mintgate_core.ledger import errors
from mintgate_core.pricing import Unpriced
from mintgate_core.service.errors import REASON_BY_TYPE, to_proto, to_status
from mintgate_core.service.hold_token import TokenSigner
from mintgate_core.service.interceptors import Guard
from mintgate_core.service.principal import Gatekeeper
from mintgate_core.service.results import to_result
from mintgate_core.stores.memory import MemoryStore

from tests.core.service.harness import OPERATOR, SERVICE, error_in

ErrorReason = error_pb2.ErrorReason
AUTH = (("authorization", f"Bearer {OPERATOR}"),)
PRIVATE = "row 7 of table api_key is qlk_live_private"


def _refusal(kind: type[errors.LedgerError]) -> errors.LedgerError:
    if issubclass(kind, errors.Denied):
        return kind(
            "too dear", required_nano_usd=3, remaining_nano_usd=2, affordable_output_tokens=1
        )
    if issubclass(kind, errors.RateLimited):
        return kind("a sentence", field="some.field", retry_after_ms=4)
    return kind("a sentence", field="some.field")


def refusals() -> dict[str, errors.LedgerError]:
    """One refusal of every kind, by the name of its reason."""
    made: dict[str, errors.LedgerError] = {}
    for kind, reason in REASON_BY_TYPE.items():
        made[ErrorReason.Name(reason)] = _refusal(kind)
    made["ERROR_REASON_INTERNAL"] = errors.Bug(PRIVATE)
    return made


REFUSALS = refusals()


@dataclass
class Refusing(keys_pb2_grpc.KeysServiceServicer, ledger_pb2_grpc.LedgerServiceServicer):
    """A service that fails as it is told, behind the core's own guard."""

    failure: Exception = field(default_factory=Exception)

    async def Get(self, request: keys_pb2.GetRequest, context: Any) -> keys_pb2.GetResponse:  # noqa: N802 - the contract's name.
        raise self.failure

    async def Apply(  # noqa: N802 - the contract's name.
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[ledger_pb2.ApplyResponse]:
        yield ledger_pb2.ApplyResponse()
        raise self.failure


@dataclass
class Guarded:
    """The refusing service and stubs that reach it through a real server."""

    service: Refusing
    keys: Any
    ledger: Any

    async def call(self) -> None:
        await self.keys.Get(keys_pb2.GetRequest(), metadata=AUTH)

    async def stream(self) -> None:
        call = self.ledger.Apply(metadata=AUTH)
        assert await call.read() == ledger_pb2.ApplyResponse()
        await call.read()


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    guard = Guard(Gatekeeper(MemoryStore(), OPERATOR, SERVICE))
    server = grpc.aio.server(interceptors=[guard])
    service = Refusing()  # type: ignore[abstract]  # It fails where it is called, only there.
    keys_pb2_grpc.add_KeysServiceServicer_to_server(service, server)
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        keys = keys_pb2_grpc.KeysServiceStub(channel)
        yield Guarded(service, keys, ledger_pb2_grpc.LedgerServiceStub(channel))
    await server.stop(None)


def test_every_reason_of_the_contract_can_be_told() -> None:
    """Each reason but UNSPECIFIED has a refusal here, a status and a class of the client."""
    reasons = set(ErrorReason.values()) - {error_pb2.ERROR_REASON_UNSPECIFIED}
    assert {ErrorReason.Value(name) for name in REFUSALS} == reasons
    assert set(STATUS_BY_REASON) == set(CLASS_BY_REASON) == reasons


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_reaches_the_client_whole(guarded: Guarded, name: str) -> None:
    """Status, text, field and amounts arrive, and the client raises that reason's class."""
    refusal, reason = REFUSALS[name], ErrorReason.Value(name)
    guarded.service.failure = refusal
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await guarded.call()
    error = error_in(caught.value)
    assert caught.value.code() is STATUS_BY_REASON[reason]
    assert caught.value.details() == error.message
    assert error.reason == reason
    assert type(error_from_rpc(caught.value)) is CLASS_BY_REASON[reason]
    if reason != error_pb2.ERROR_REASON_INTERNAL:
        assert (error.message, error.field) == (refusal.message, refusal.field)
    if isinstance(refusal, errors.Denied):
        amounts = (
            error.required_nano_usd,
            error.remaining_nano_usd,
            error.affordable_output_tokens,
        )
        assert amounts == (3, 2, 1)
    if isinstance(refusal, errors.RateLimited):
        assert error.retry_after_ms == 4
        assert error_from_rpc(caught.value).to_proto() == error


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_the_same_in_a_batch(name: str) -> None:
    """As a result of the stream a refusal carries what it carries as a status."""
    refusal = REFUSALS[name]
    result = to_result(refusal, TokenSigner(SERVICE))
    status, text, ((key, detail),) = to_status(refusal)
    assert key == "mintgate-error-bin"
    assert status is STATUS_BY_REASON[result.error.reason]
    told = error_pb2.Error.FromString(detail)
    assert told.message == text
    if refusal is not REFUSALS["ERROR_REASON_INTERNAL"]:
        assert told == result.error


DEFECTS: dict[str, Exception] = {
    "a broken invariant": errors.Bug(PRIVATE),
    "an error of Python": ValueError(PRIVATE),
    "a refusal without a reason": errors.Conflict(PRIVATE),
}


@pytest.mark.parametrize("failure", DEFECTS.values(), ids=DEFECTS)
@pytest.mark.parametrize("way", ["call", "stream"])
async def test_a_defect_tells_an_id_and_nothing_else(
    guarded: Guarded, caplog: pytest.LogCaptureFixture, failure: Exception, way: str
) -> None:
    """The caller of whatever went wrong gets INTERNAL and an id; the log has id and cause."""
    guarded.service.failure = failure
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (guarded.call() if way == "call" else guarded.stream())
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    error = error_in(caught.value)
    assert error.reason == error_pb2.ERROR_REASON_INTERNAL
    assert PRIVATE not in repr(caught.value) + repr(error)
    defect_id = error.message.rsplit(" ", 1)[1]
    assert len(defect_id) == 32
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert defect_id in record.getMessage()
    assert PRIVATE in logging.Formatter().format(record)


def test_an_operation_without_an_answer_is_a_defect() -> None:
    """A hole in a batch's answers is told as INTERNAL, never left empty."""
    result = to_result(None, TokenSigner(SERVICE))
    assert result.error.reason == error_pb2.ERROR_REASON_INTERNAL


def test_a_narrower_refusal_has_the_reason_of_its_kind() -> None:
    """A subclass of a refusal, such as the price book's own, is not taken for a defect."""
    told = to_proto(Unpriced("acme", "x"))
    assert told.reason == error_pb2.ERROR_REASON_MODEL_UNPRICED
    assert told.field == "model"


def test_a_long_name_is_not_sent_back_whole() -> None:
    """A refusal repeats only the start of what the request called its model."""
    assert len(to_proto(Unpriced("acme", "x" * 10_000)).message) < 300
