"""Stored answers are recorded by their charge, however often and however late it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mintgate.channel import open_aio_channel
from mintgate.v1.ledger_pb2_grpc import LedgerServiceStub
from mintgate.v1.objects_pb2 import ObjectName, Record
from mintgate_facade.relay.link import LedgerLink
from mintgate_facade.relay.outbox import Outbox

from tests.http_facade.relay.failover import SERVICE, Cluster, reserve, settle

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 10.0
NAME = ("openai", "response", "resp_1")


async def test_an_answer_waits_with_its_charge(tmp_path: Path) -> None:
    """What the outbox kept while core was away is delivered with its object, and doubles none."""
    cluster = Cluster(tmp_path)
    channel = open_aio_channel(cluster.target)
    link = LedgerLink(LedgerServiceStub(channel), SERVICE)
    link.start()
    async with cluster.core():
        reserved = reserve()
        charge = settle(reserved, await link.submit(reserved, WAIT_S))
    name = ObjectName(kind=NAME[1], object_id=NAME[2])
    charge.settle.records.append(Record(name=name, ttl_ms=60_000))
    outbox = Outbox(tmp_path / "outbox", link)
    await outbox.start()
    try:
        for _ in range(2):
            await outbox.append(charge)
        assert not cluster.store.objects.by_name
        async with cluster.core():
            await outbox.delivered()
            assert (await link.submit(charge, WAIT_S)).HasField("settled")
    finally:
        await outbox.close()
        await link.close()
        await channel.close(None)
    assert list(cluster.store.objects.by_name) == [NAME]
    (detail,) = cluster.store.details
    assert detail.charged > 0
    assert not any(check.findings for check in await cluster.store.audit())
