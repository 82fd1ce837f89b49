"""Invariants that stay on in production: what breaks one is a bug, and nothing is written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mintgate_core.ledger import Books, Needs, decide, operation_id
from mintgate_core.ledger.errors import Bug
from mintgate_core.ledger.money import nano_from_pico_ceil
from mintgate_core.ledger.operations import Expire, Extend, Grant, HoldToken, Operation, Release
from mintgate_core.ledger.types import Entry, JournalKind, Line, LineKind, Subject
from mintgate_core.stores.base import Store
from mintgate_core.stores.conformance import SettableClock, Tenant, findings
from mintgate_core.stores.conformance.builders import new_id, settling, used
from mintgate_core.stores.memory import MemoryStore

SUBJECT = Subject("K", "acc", "openai", "gpt", "chat", "", "card")


def books() -> Books:
    """A wallet of 100 with a key of 50, and another wallet's line."""
    return Books(
        now_ms=1,
        lines={
            1: Line(1, 1, LineKind.WALLET, 100, 100),
            2: Line(2, 1, LineKind.KEY_CAP, 50, 50),
            3: Line(3, 9, LineKind.KEY_CAP, 50, 50),
        },
        keys={},
        holds={},
        entries={},
    )


@pytest.mark.parametrize(
    ("held", "spent", "text"),
    [(-1, 0, "held"), (0, -1, "spent"), (60, 0, "ceiling"), (25, 26, "ceiling")],
)
def test_line_that_would_break_is_a_bug(held: int, spent: int, text: str) -> None:
    """No line goes below zero or above its ceiling, whoever asks."""
    state = books()
    with pytest.raises(Bug, match=text):
        state.move([state.lines[2]], held=held, spent=spent)


def test_foreign_line_is_a_bug() -> None:
    """A token of one wallet cannot draw on a line of another."""
    token = HoldToken(new_id(), 1, (3,), 10, SUBJECT)
    with pytest.raises(Bug, match="one wallet"):
        decide(books(), [settling(token, 5)])


def test_second_entry_of_a_kind_is_a_bug() -> None:
    """The journal has one entry for an id and kind, and each adds up."""
    state = books()
    entry = Entry(new_id(), JournalKind.SETTLE, 1, 1, "K", (2,), 0, 10, 5, 5, 0, 1)
    state.record(entry)
    with pytest.raises(Bug, match="once"):
        state.record(entry)
    with pytest.raises(Bug, match="charged"):
        state.record(replace(entry, operation_id=new_id(), absorbed=1))


async def test_bug_in_a_batch_writes_nothing(clock: SettableClock) -> None:
    """One broken operation undoes its whole batch; given one by one the others go through."""
    store: Store = MemoryStore(clock)
    tenant = await Tenant.open(store, balance=1_000)
    stranger = await Tenant.open(store, balance=1_000)
    token = await tenant.reserve(tenant.master, 100)
    forged = replace(token, hold_id=new_id(), line_ids=stranger.master.line_ids)
    with pytest.raises(Bug):
        await store.apply([settling(token, 50), settling(forged, 50)])
    assert used(await tenant.wallet()) == (100, 0)
    await store.apply([settling(token, 50)])
    assert used(await tenant.wallet()) == (0, 50)
    assert await findings(store) == []


async def test_needs_name_everything_that_is_read(clock: SettableClock) -> None:
    """Wallets, ids, keys of reserves and lines of tokens; nothing else is loaded."""
    tenant = await Tenant.open(MemoryStore(clock), balance=1_000)
    token = await tenant.reserve(tenant.master, 100)
    operations: list[Operation] = [
        tenant.reserving(tenant.master, 5),
        settling(token, 5),
        Release(new_id(), 7),
        Expire(new_id(), 8),
        Extend(new_id(), 8, 1),
        Grant(new_id(), 9, 1),
    ]
    needs = Needs.of(operations)
    assert needs.wallet_ids == {tenant.account.wallet_id, 7, 8, 9}
    assert needs.key_ids == {tenant.master.key_id}
    assert needs.line_ids == set(tenant.master.line_ids)
    assert needs.operation_ids == {operation_id(operation) for operation in operations}


def test_lowered_cap_pulls_the_ceiling_down_with_use() -> None:
    """The ceiling never rises by itself, and is the cap again once use allows it."""
    line = Line(2, 1, LineKind.KEY_CAP, 100, 100, held=60, spent=30)
    line.recap(50)
    assert (line.cap, line.ceiling, line.room) == (50, 90, -40)
    line.move(held=-60, spent=10)
    assert (line.ceiling, line.room) == (50, 10)
    line.recap(200)
    assert (line.ceiling, line.room) == (200, 160)


@pytest.mark.parametrize(("pico", "nano"), [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2)])
def test_rounding_is_up(pico: int, nano: int) -> None:
    """Part of a nano-USD is a whole one."""
    assert nano_from_pico_ceil(pico) == nano
