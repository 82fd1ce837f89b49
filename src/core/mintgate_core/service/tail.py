"""Wakes those who follow the charges of a wallet when one is made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mintgate_core.ledger.operations import Answer, Expired, Operation, Settled

WAIT_S = 5.0
"""How long a follower sleeps without news; charges made by another process show up then."""


class Tail:
    """One event a followed wallet."""

    def __init__(self) -> None:
        self._events: dict[int, asyncio.Event] = {}

    def committed(self, operations: Sequence[Operation], answers: Sequence[Answer]) -> None:
        """Called by a lane after each batch."""
        if not self._events:
            return
        for operation, answer in zip(operations, answers, strict=True):
            if isinstance(answer, Settled | Expired):
                event = self._events.pop(operation.wallet_id, None)
                if event is not None:
                    event.set()

    def next_charge(self, wallet_id: int) -> asyncio.Event:
        """What the next charge of a wallet will set.

        Ask before reading, so that a charge made during the read is not slept through.
        """
        return self._events.setdefault(wallet_id, asyncio.Event())

    @staticmethod
    async def wait(charge: asyncio.Event) -> None:
        """Return once the charge was made, or after a while."""
        try:
            async with asyncio.timeout(WAIT_S):
                await charge.wait()
        except TimeoutError:
            pass
