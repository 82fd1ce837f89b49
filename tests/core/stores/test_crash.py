"""A writer that is killed in the middle of its work loses nothing that it answered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mintgate_core.ledger.types import JournalKind
from mintgate_core.stores.base import PAGE_ROWS_MAX
from mintgate_core.stores.conformance import Tenant, findings
from mintgate_core.stores.sqlite import SqliteStore

ROUNDS = 4
ANSWERED_BEFORE_KILL = (3, 40, 120, 250)
"""Answered settles to wait for in each round, so that every round dies elsewhere."""

OPERATIONS_A_ROUND = 1_000_000
WRITER = Path(__file__).with_name("crash_writer.py")


async def test_killed_writer_loses_no_answer(tmp_path: Path) -> None:
    """After kill -9 every answered charge is in the journal once, and the audit finds nothing."""
    path = tmp_path / "mintgate.db"
    store = SqliteStore.open(path)
    tenant = await Tenant.open(store, balance=10**9)
    await store.close()
    answered: dict[str, int] = {}
    for number in range(ROUNDS):
        answered |= _write_and_kill(path, number)
        tenant.store = store = SqliteStore.open(path)
        try:
            charges = await charges_of(tenant)
            assert {hold_id: charges.get(hold_id) for hold_id in answered} == answered
            assert await findings(store) == []
        finally:
            await store.close()
    # One in four was answered twice, at most.
    assert len(answered) >= sum(ANSWERED_BEFORE_KILL) // 2


def _write_and_kill(path: Path, number: int) -> dict[str, int]:
    """Run the writer until enough was answered, kill it, and return all that it answered."""
    with subprocess.Popen(
        [sys.executable, str(WRITER), str(path), str(1 + number * OPERATIONS_A_ROUND)],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(ANSWERED_BEFORE_KILL[number])]
        writer.kill()
        # Whatever it had said before it died was answered too.
        lines += writer.stdout.readlines()
    whole = [line.split() for line in lines if line.endswith("\n")]
    return {hold_id: int(charged) for hold_id, charged in whole}


async def charges_of(tenant: Tenant) -> dict[str, int]:
    """What the journal charged for each hold; an id that was charged twice fails."""
    charges: dict[str, int] = {}
    after_seq = 0
    while page := await tenant.store.journal(tenant.account.wallet_id, after_seq, PAGE_ROWS_MAX):
        after_seq = page[-1].seq
        for entry in page:
            if entry.kind is not JournalKind.GRANT:
                assert entry.operation_id.hex() not in charges
                charges[entry.operation_id.hex()] = entry.charged
    return charges
