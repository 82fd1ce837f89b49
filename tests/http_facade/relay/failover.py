"""A real core on a store whose history can change, as by a standby that lacks the last commits."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mintgate.ids import new_id
from mintgate.v1 import unit_pb2
from mintgate.v1.ledger_pb2 import (
    EVENT_STATUS_COMPLETED,
    SETTLED_BY_USAGE,
    Bound,
    Operation,
    OperationResult,
    Reserve,
    Settle,
)
from mintgate_core.app import CoreOptions, serving
from mintgate_core.bootstrap import FirstAccount
from mintgate_core.clock import wall_clock_ms
from mintgate_core.ledger.types import JournalKind
from mintgate_core.secrets_of_keys import digest
from mintgate_core.stores.memory import MemoryStore

from tests.ports import free_port

KEY = "qlk_live_" + "ab" * 32
OPERATOR, SERVICE = "operator-" + "o" * 32, "service-" + "s" * 32
WALLET_NANO_USD = 10**12


class HistoricStore(MemoryStore):
    """A store with an epoch, and a standby to fail over to."""

    history = 0x0000000100000001

    @property
    def epoch(self) -> int:
        return self.history

    def standby(self) -> HistoricStore:
        """What a standby has now: the books as they are, under the next history."""
        behind = copy.deepcopy(self)
        behind.history = self.history + 1
        return behind

    def settled_ids(self) -> set[bytes]:
        """Holds whose charge is in the journal, in time or late."""
        kinds = {JournalKind.SETTLE, JournalKind.LATE_SETTLE}
        return {hold_id for hold_id, found in self.entries.items() if kinds & found.keys()}


@dataclass
class Cluster:
    """One address, and which store stands behind it."""

    directory: Path
    store: HistoricStore = field(default_factory=HistoricStore)
    port: int = field(default_factory=free_port)

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def core(self, store: HistoricStore | None = None, port: int = 0) -> AsyncIterator[Any]:
        """Serve a store, by default the present one at the one address."""
        options = CoreOptions(
            self.directory / "unused.db",
            OPERATOR,
            SERVICE,
            port=port or self.port,
            first=FirstAccount(KEY, WALLET_NANO_USD),
            sweep=False,
        )
        async with serving(store or self.store, options, wall_clock_ms) as core:
            yield core


def reserve() -> Operation:
    return Operation(
        reserve=Reserve(
            hold_id=new_id(),
            secret_sha256=digest(KEY),
            provider="openai",
            model="gpt-4o-mini",
            bound=Bound(input_tokens=100, output_tokens=10),
        )
    )


def settle(reserved: Operation, result: OperationResult) -> Operation:
    return Operation(
        settle=Settle(
            hold_id=reserved.reserve.hold_id,
            hold_token=result.reserved.hold_token,
            units=[unit_pb2.UnitCount(unit=unit_pb2.UNIT_INPUT_TOKENS, count=10)],
            settled_by=SETTLED_BY_USAGE,
            status=EVENT_STATUS_COMPLETED,
        )
    )
