"""The ledger link: batches by themselves, repeats what broke, and never leaves a hold behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mintgate.channel import open_aio_channel
from mintgate.ids import new_id
from mintgate.v1.ledger_pb2 import Operation, Release, Reserve
from mintgate.v1.ledger_pb2_grpc import LedgerServiceStub
from mintgate_facade.relay import link as link_module
from mintgate_facade.relay.link import LedgerLink, LinkAwayError, LinkOverloadedError

from tests.http_facade.relay.conftest import SERVICE_TOKEN, WAIT_S, CoreServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def reserve() -> Operation:
    return Operation(reserve=Reserve(hold_id=new_id(), provider="openai", model="m"))


@pytest.fixture
async def link(core_server: CoreServer) -> AsyncIterator[LedgerLink]:
    channel = open_aio_channel(f"127.0.0.1:{core_server.port}")
    opened = LedgerLink(LedgerServiceStub(channel), SERVICE_TOKEN)
    opened.start()
    yield opened
    core_server.core.reserves_may_answer.set()
    await opened.close()
    await channel.close(None)


async def test_answers_belong_to_their_operations(
    link: LedgerLink, core_server: CoreServer
) -> None:
    """Every caller gets the answer to its own operation, whatever shared its message."""
    operations = [reserve() for _ in range(50)]
    answers = await asyncio.gather(*(link.submit(op, WAIT_S) for op in operations))

    tokens = [b"token of " + operation.reserve.hold_id for operation in operations]
    assert tokens == [answer.reserved.hold_token for answer in answers]
    assert operations == core_server.core.operations


async def test_what_queued_is_the_next_message(link: LedgerLink, core_server: CoreServer) -> None:
    """While one message is under way the others gather, up to the bound of a message."""
    core = core_server.core
    await link.submit(Operation(release=Release(hold_id=b"0" * 16)), WAIT_S)
    core.reserves_may_answer.clear()
    first = link.submit(reserve(), WAIT_S)
    await core.got(messages=2)
    others = [link.submit(reserve(), WAIT_S) for _ in range(600)]
    core.reserves_may_answer.set()
    await asyncio.gather(first, *others)

    assert core.messages == [1, 1, 512, 88]


async def test_a_broken_stream_is_repeated(link: LedgerLink, core_server: CoreServer) -> None:
    """An operation that was in flight when the core went away is answered when it is back."""
    core = core_server.core
    core.reserves_may_answer.clear()
    operation = reserve()
    answer = link.submit(operation, WAIT_S)
    await core.got(messages=1)
    await core_server.stop()
    core.reserves_may_answer.set()
    await core_server.start()

    result = await answer
    assert b"token of " + operation.reserve.hold_id == result.reserved.hold_token
    assert len(core.messages) == 2
    assert link.connected


async def test_an_abandoned_hold_of_a_broken_stream_is_released(
    link: LedgerLink, core_server: CoreServer
) -> None:
    """A reserve that was sent, lost and given up is released by its id, as it may have worked."""
    core = core_server.core
    core.reserves_may_answer.clear()
    operation = reserve()
    answer = link.submit(operation, WAIT_S)
    await core.got(messages=1)
    await core_server.stop()
    answer.cancel()
    core.reserves_may_answer.set()
    core.operations.clear()
    await core_server.start()
    await core.heard("release")

    assert [operation.reserve.hold_id] == [op.release.hold_id for op in core.operations]


async def test_a_deadline_passes_for_the_caller_alone(
    link: LedgerLink, core_server: CoreServer
) -> None:
    """A caller whose time is up gets `LinkAwayError`; a hold granted later is released."""
    core = core_server.core
    core.reserves_may_answer.clear()
    late, patient = reserve(), reserve()
    late_answer = link.submit(late, 0.05)
    patient_answer = link.submit(patient, WAIT_S)
    with pytest.raises(LinkAwayError):
        await late_answer
    core.reserves_may_answer.set()

    assert (await patient_answer).HasField("reserved")
    await core.heard("release")
    released = [op.release.hold_id for op in core.operations if op.HasField("release")]
    assert [late.reserve.hold_id] == released


async def test_a_dead_stream_is_given_up(
    link: LedgerLink, core_server: CoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that takes a message and never answers is called again."""
    monkeypatch.setattr(link_module, "ANSWER_WAIT_S", 0.2)
    core = core_server.core
    core.reserves_may_answer.clear()
    answer = link.submit(reserve(), WAIT_S)
    await core.got(messages=2)
    core.reserves_may_answer.set()

    assert (await answer).HasField("reserved")


async def test_a_stream_that_ends_while_nothing_is_sent_is_opened_again(
    link: LedgerLink, core_server: CoreServer
) -> None:
    """A core that went away is called again before anybody asks for money, not by the first."""
    core = core_server.core
    await link.submit(reserve(), WAIT_S)
    await core_server.stop()
    await core_server.start()
    async with asyncio.timeout(WAIT_S), core.changed:
        await core.changed.wait_for(lambda: len(core.metadata) == 2)
    await link.submit(reserve(), WAIT_S)

    assert core.messages == [1, 1]


async def test_a_refused_stream_is_told_once_with_the_reason_of_the_core(
    core_server: CoreServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong token is named in the log though nothing was sent, however often it is tried."""
    core = core_server.core
    core.link_refused = True
    channel = open_aio_channel(f"127.0.0.1:{core_server.port}")
    link = LedgerLink(LedgerServiceStub(channel), SERVICE_TOKEN)
    link.start()
    async with asyncio.timeout(WAIT_S), core.changed:
        await core.changed.wait_for(lambda: len(core.metadata) == 3)
    await link.close()
    await channel.close(None)

    lost = [each for each in caplog.messages if "stream lost" in each]
    assert lost == ["ledger stream lost: UNAUTHENTICATED no such token"]


async def test_the_queue_is_bounded(
    link: LedgerLink, core_server: CoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound of the queue an operation is refused at once, before anything happened."""
    monkeypatch.setattr(link_module, "QUEUE_OPERATIONS_MAX", 2)
    answers = [link.submit(reserve(), WAIT_S) for _ in range(2)]
    with pytest.raises(LinkOverloadedError):
        link.submit(reserve(), WAIT_S)
    await asyncio.gather(*answers)

    assert len(core_server.core.operations) == 2


async def test_close_fails_what_waits(core_server: CoreServer) -> None:
    """Nobody waits for ever when the link is closed."""
    await core_server.stop()
    channel = open_aio_channel(f"127.0.0.1:{core_server.port}")
    link = LedgerLink(LedgerServiceStub(channel), SERVICE_TOKEN)
    link.start()
    answer = link.submit(reserve(), WAIT_S)
    await link.close()
    await channel.close(None)

    with pytest.raises(LinkAwayError):
        await answer
