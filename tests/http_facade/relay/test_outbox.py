"""The outbox: a charge in it survives the worker, the ledger's absence, and a damaged file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mintgate.v1 import error_pb2
from mintgate.v1.ledger_pb2 import Operation, OperationResult, Settle, Settled
from mintgate_facade.relay import outbox as outbox_module
from mintgate_facade.relay.link import LinkAwayError
from mintgate_facade.relay.outbox import Outbox
from mintgate_facade.relay.outbox_file import REFUSED_NAME, OutboxFile, frame, frames

from tests.http_facade.relay.conftest import (
    WAIT_S,
    Answer,
    Gateway,
    Received,
    chat_events,
    chat_stream,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Ledger:
    """The link's other side: away until `connected`, then as scripted."""

    def __init__(self) -> None:
        self.connected = False
        self.heard: list[bytes] = []
        self.refusals: dict[bytes, error_pb2.Error] = {}
        self.took_all = asyncio.Event()

    def submit(self, operation: Operation, wait_s: float) -> asyncio.Future[OperationResult]:
        answer = asyncio.get_running_loop().create_future()
        hold_id = operation.settle.hold_id
        self.heard.append(hold_id)
        refusal = self.refusals.get(hold_id)
        if not self.connected:
            answer.set_exception(LinkAwayError("away"))
        elif refusal is not None:
            answer.set_result(OperationResult(error=refusal))
        else:
            answer.set_result(OperationResult(settled=Settled(charged_nano_usd=1)))
        return answer

    def post(self, operation: Operation) -> None:
        raise AssertionError("the outbox waits for every result")


def charge(number: int) -> Operation:
    return Operation(settle=Settle(hold_id=bytes([number]) * 16))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - the disk has no event to wait for
            await asyncio.sleep(0.002)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def outbox(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Outbox]:
    opened = Outbox(tmp_path / "outbox", ledger)
    await opened.start()
    yield opened
    await opened.close()


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "outbox").glob("*.outbox"))


def holds_in(path: Path) -> list[bytes]:
    return [
        Operation.FromString(payload).settle.hold_id[:1] for payload in frames(path.read_bytes())
    ]


async def test_a_kept_charge_is_on_disk(outbox: Outbox, tmp_path: Path) -> None:
    """When the future ends, another process can read the charge."""
    await outbox.append(charge(1))
    await outbox.append(charge(2))

    (path,) = files(tmp_path)
    assert holds_in(path) == [b"\x01", b"\x02"]


async def test_one_sync_covers_what_queued_meanwhile(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred charges at once cost far fewer than a hundred syncs."""
    syncs = 0
    real = os.fdatasync

    def counted(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    await asyncio.gather(*(outbox.append(charge(number)) for number in range(100)))

    assert syncs <= 2


async def test_delivered_when_the_ledger_is_back(
    outbox: Outbox, ledger: Ledger, tmp_path: Path
) -> None:
    """Charges wait for the ledger, are delivered once, and leave an empty file."""
    await asyncio.gather(*(outbox.append(charge(number)) for number in range(1, 4)))
    assert ledger.heard == []
    ledger.connected = True
    (path,) = files(tmp_path)
    await until(lambda: path.stat().st_size == 0)

    assert outbox.open_count == 0
    assert [bytes([number]) * 16 for number in range(1, 4)] == ledger.heard


async def test_the_file_of_a_dead_worker_is_adopted(ledger: Ledger, tmp_path: Path) -> None:
    """A worker that starts delivers what one that died left, and removes its file."""
    left = OutboxFile.create(tmp_path / "outbox" / "dead.outbox")
    left.append([charge(7).SerializeToString()])
    left.close()
    ledger.connected = True
    outbox = Outbox(tmp_path / "outbox", ledger)
    await outbox.start()
    await until(lambda: not left.path.exists())
    await outbox.close()

    assert [bytes([7]) * 16] == ledger.heard


async def test_the_file_of_a_living_worker_is_left_alone(ledger: Ledger, tmp_path: Path) -> None:
    """A file that another worker has locked is not read by anybody else."""
    alive = OutboxFile.create(tmp_path / "outbox" / "alive.outbox")
    alive.append([charge(7).SerializeToString()])
    outbox = Outbox(tmp_path / "outbox", ledger)
    await outbox.start()

    assert outbox.open_count == 0
    await outbox.close()
    assert holds_in(alive.path) == [b"\x07"]
    alive.close()


async def test_undelivered_charges_stay_when_the_worker_stops(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Closing keeps the file; the next worker delivers it."""
    first = Outbox(tmp_path / "outbox", ledger)
    await first.start()
    first.append(charge(5))
    await first.close()
    ledger.connected = True
    second = Outbox(tmp_path / "outbox", ledger)
    await second.start()
    await until(lambda: second.open_count == 0)
    await second.close()

    assert [bytes([5]) * 16] == ledger.heard
    assert files(tmp_path) == []


def test_a_file_is_let_go_of_once(tmp_path: Path) -> None:
    """A second removal closes nothing: its descriptor's number may be somebody else's by then."""
    file = OutboxFile.create(tmp_path / "outbox" / "one.outbox")
    freed = file._descriptor
    file.remove()
    with (tmp_path / "another").open("wb") as another:
        assert another.fileno() == freed
        file.remove()
        another.write(b"still open")
    assert not file.path.exists()


async def test_a_full_disk_keeps_charges_back(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk is full nothing counts as kept and nothing new is accepted; then it heals."""
    monkeypatch.setattr(outbox_module, "WRITE_RETRY_S", 0.01)
    await outbox.append(charge(1))
    own = outbox._own
    assert own is not None
    descriptor = own.file._descriptor
    saved = os.dup(descriptor)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, descriptor)

    kept = outbox.append(charge(2))
    await until(lambda: not outbox.accepting)
    assert not kept.done()

    os.dup2(saved, descriptor)
    os.close(saved)
    os.close(full)
    await asyncio.wait_for(kept, WAIT_S)
    await until(lambda: outbox.accepting)
    assert holds_in(files(tmp_path)[0]) == [b"\x01", b"\x02"]


async def test_one_bad_charge_does_not_hold_up_the_others(
    outbox: Outbox, ledger: Ledger, tmp_path: Path
) -> None:
    """What the ledger refuses for good is set aside for a person; what it may take is repeated."""
    ledger.refusals[charge(1).settle.hold_id] = error_pb2.Error(
        reason=error_pb2.ERROR_REASON_INVALID_ARGUMENT, message="bad token"
    )
    ledger.refusals[charge(2).settle.hold_id] = error_pb2.Error(
        reason=error_pb2.ERROR_REASON_OUTCOME_UNKNOWN
    )
    ledger.connected = True
    await asyncio.gather(*(outbox.append(charge(number)) for number in (1, 2, 3)))
    await until(lambda: outbox.open_count == 1)
    assert ledger.heard.count(charge(1).settle.hold_id) == 1
    ledger.refusals.clear()
    await until(lambda: outbox.open_count == 0)

    assert holds_in(tmp_path / "outbox" / REFUSED_NAME) == [b"\x01"]


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_tail_costs_the_torn_frame_alone(cut: int) -> None:
    """However much of the last frame is missing, those before it are read."""
    first, last = frame(b"first"), frame(b"the last of the frames")
    data = (first + last)[:-cut] if cut < len(last) else first
    assert list(frames(data)) == [b"first"]


@pytest.mark.parametrize("position", range(len(frame(b"second"))))
def test_a_flipped_bit_costs_one_frame(position: int) -> None:
    """Damage anywhere in one frame leaves its neighbours readable."""
    damaged = bytearray(frame(b"second"))
    damaged[position] ^= 0x40
    data = frame(b"first") + bytes(damaged) + frame(b"third")

    found = list(frames(data))
    assert b"second" not in found
    assert found[0] == b"first"
    assert found[-1] == b"third"


def test_a_write_after_a_torn_one_is_read() -> None:
    """A frame that was written again after half of it had been is found."""
    half = frame(b"the charge")[:9]
    assert list(frames(half + frame(b"the charge") + frame(b"next"))) == [b"the charge", b"next"]


async def test_an_answer_completes_from_the_outbox(gateway: Gateway) -> None:
    """With the ledger gone after the hold, the answer ends once its charge is on disk."""
    events = chat_events()
    core_gone = asyncio.Event()

    async def script(received: Received, answer: Answer) -> None:
        await answer.begin()
        await answer.chunk(events[0])
        await core_gone.wait()
        for event in events[1:]:
            await answer.chunk(event)
        await answer.end()

    gateway.provider.scripts.append(script)
    asking = asyncio.ensure_future(gateway.chat(stream=True, max_completion_tokens=9))
    await gateway.core.heard("reserve")
    await gateway.core_server.stop()
    core_gone.set()
    answer = await asking

    assert answer.content.endswith(b"data: [DONE]\n\n")
    (kept,) = gateway.kept_charges()
    assert kept.hold_id == gateway.core.operations[0].reserve.hold_id

    await gateway.core_server.start()
    await gateway.core.heard("settle")
    await until(lambda: gateway.kept_charges() == [])
    assert [kept] == gateway.core.settles()


async def test_a_refused_charge_is_not_lost(gateway: Gateway) -> None:
    """A settle that the ledger could not take is kept and repeated until it is taken."""
    gateway.core.settle_refusal = error_pb2.Error(reason=error_pb2.ERROR_REASON_OUTCOME_UNKNOWN)
    gateway.provider.scripts.append(chat_stream)
    answer = await gateway.chat(stream=True, max_completion_tokens=9)
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert len(gateway.kept_charges()) == 1
    gateway.core.settle_refusal = None

    await until(lambda: gateway.kept_charges() == [])
    assert len({settle.hold_id for settle in gateway.core.settles()}) == 1
