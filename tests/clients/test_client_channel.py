"""The sync client over a channel that a test plays by hand (grpcio-testing)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc_testing  # type: ignore[import-untyped]  # It has no stubs.
import pytest
from mintgate import Client, NotFound, RetryPolicy, WalletEmpty
from mintgate.errors import ERROR_METADATA_KEY
from mintgate.v1 import keys_pb2, ledger_pb2, meter_pb2

KEYS = keys_pb2.DESCRIPTOR.services_by_name["KeysService"]
LEDGER = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"]
METER = meter_pb2.DESCRIPTOR.services_by_name["MeterService"]


@pytest.fixture
def channel() -> Any:
    return grpc_testing.channel((KEYS, LEDGER, METER), grpc_testing.strict_real_time())


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_one_call_is_one_request(channel: Any, pool: ThreadPoolExecutor) -> None:
    """A call reaches its method with its request and its credential, and is answered."""
    client = Client("test", "qlk_live_x", channel=channel)
    future = pool.submit(client.keys.get, "key_1")

    metadata, request, rpc = channel.take_unary_unary(KEYS.methods_by_name["Get"])
    rpc.terminate(keys_pb2.GetResponse(key=keys_pb2.Key(id="key_1")), (), grpc.StatusCode.OK, "")

    assert keys_pb2.GetRequest(key_id="key_1") == request
    assert ("authorization", "Bearer qlk_live_x") in metadata
    assert keys_pb2.Key(id="key_1") == future.result()


def test_the_same_bytes_are_sent_again(channel: Any, pool: ThreadPoolExecutor) -> None:
    """After an absence the very same operation is sent, its id included."""
    slept: list[float] = []
    retry = RetryPolicy(random=lambda: 0.5)
    client = Client("test", channel=channel, retry=retry, sleep=slept.append)
    future = pool.submit(
        client.ledger.reserve,
        provider="openai",
        model="gpt-4o-mini",
        bound=ledger_pb2.Bound(input_tokens=1),
        key_id="key_1",
    )
    method = LEDGER.methods_by_name["Reserve"]
    requests = []
    for _ in range(2):
        _, request, rpc = channel.take_unary_unary(method)
        requests.append(request)
        rpc.terminate(None, (), grpc.StatusCode.UNAVAILABLE, "away")
    _, request, rpc = channel.take_unary_unary(method)
    reserved = ledger_pb2.Reserved(amount_nano_usd=7, hold_token=b"t")
    rpc.terminate(ledger_pb2.ReserveResponse(reserved=reserved), (), grpc.StatusCode.OK, "")

    hold = future.result()

    assert [request, request] == requests
    assert (request.reserve.hold_id, 7, b"t") == (hold.id, hold.amount_nano_usd, hold.token)
    assert slept == [0.05, 0.1]


def test_a_refusal_is_typed_and_final(channel: Any, pool: ThreadPoolExecutor) -> None:
    """A refusal is raised as its class with its amounts, and is not sent again."""
    client = Client("test", channel=channel)
    future = pool.submit(client.ledger.extend, b"h" * 16, 5)
    refusal = WalletEmpty("The wallet is empty.", required_nano_usd=5, remaining_nano_usd=1)

    _, _, rpc = channel.take_unary_unary(LEDGER.methods_by_name["Extend"])
    metadata = ((ERROR_METADATA_KEY, refusal.to_proto().SerializeToString()),)
    rpc.terminate(None, metadata, grpc.StatusCode.RESOURCE_EXHAUSTED, "The wallet is empty.")

    with pytest.raises(WalletEmpty, match="wallet is empty") as raised:
        future.result()
    assert (raised.value.required_nano_usd, raised.value.remaining_nano_usd) == (5, 1)


def test_a_stream_is_taken_up_after_its_last_event(channel: Any, pool: ThreadPoolExecutor) -> None:
    """A tail that breaks goes on after the event that was seen last."""
    client = Client("test", channel=channel, retry=RetryPolicy(random=lambda: 0.0))
    tail = client.meter.tail(key_id="key_1")
    method = METER.methods_by_name["TailEvents"]
    first = pool.submit(next, tail)
    _, _, rpc = channel.take_unary_stream(method)
    rpc.send_response(meter_pb2.TailEventsResponse(event=meter_pb2.Event(sequence=41)))
    assert first.result().sequence == 41

    second = pool.submit(next, tail)
    rpc.terminate((), grpc.StatusCode.UNAVAILABLE, "restart")
    _, request, rpc = channel.take_unary_stream(method)
    rpc.send_response(meter_pb2.TailEventsResponse(event=meter_pb2.Event(sequence=42)))

    assert second.result().sequence == 42
    assert meter_pb2.TailEventsRequest(key_id="key_1", after_sequence=41) == request
    third = pool.submit(next, tail)
    rpc.terminate((), grpc.StatusCode.NOT_FOUND, "key is gone")
    with pytest.raises(NotFound):
        third.result()
