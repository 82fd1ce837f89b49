"""Settling: a charge is durable when the ledger says so, or when the outbox has it on disk."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from mintgate.v1.ledger_pb2 import Operation, OperationResult, Release, Settle, Settled

from mintgate_facade.relay.link import LinkAwayError, Submitter
from mintgate_facade.relay.outbox import Outbox, is_retried

_log = logging.getLogger("mintgate.charges")

SETTLE_LINK_WAIT_S = 2.0
"""How long the end of an answer waits for the ledger before the charge goes to the outbox."""
OUTBOX_WAIT_S = 30.0
"""How long it then waits for the disk; after that the answer is broken off, never completed."""
RELEASE_WAIT_S = 1.0
"""How long an error answer waits for its release, so that a retry finds the money again."""


class NotDurableError(Exception):
    """Neither the ledger nor the disk has taken the charge; it stays queued in memory."""


@dataclass(slots=True, eq=False)
class Charge:
    """A settle under way."""

    operation: Operation
    answer: asyncio.Future[OperationResult] | None


class Charges:
    """Settles and releases holds."""

    def __init__(self, link: Submitter, outbox: Outbox) -> None:
        self._link = link
        self._outbox = outbox

    @property
    def accepting(self) -> bool:
        """Whether a charge made now would be kept if the ledger went away."""
        return self._outbox.accepting

    def begin(self, settle: Settle, traceparent: str = "") -> Charge:
        """Send a settle on its way; costs no wait."""
        operation = Operation(settle=settle, traceparent=traceparent)
        answer = None
        if self._link.connected:
            try:
                answer = self._link.submit(operation, SETTLE_LINK_WAIT_S)
            except LinkAwayError:
                answer = None
        return Charge(operation, answer)

    async def durable(self, charge: Charge) -> Settled | None:
        """Wait until the charge cannot be lost.

        Returns what the ledger booked, or None when the charge is in the
        outbox. Raises `NotDurableError` when the disk fails, too.
        """
        try:
            result = None if charge.answer is None else await charge.answer
        except LinkAwayError:
            result = None
        except asyncio.CancelledError:
            self._outbox.append(charge.operation)
            raise
        if result is not None and result.HasField("settled"):
            return result.settled
        if result is not None and not is_retried(result):
            _log.error("a charge was refused: %s", result.error.message)
        kept = self._outbox.append(charge.operation)
        done, _ = await asyncio.wait((kept,), timeout=OUTBOX_WAIT_S)
        if not done:
            raise NotDurableError
        return None

    async def release(self, hold_id: bytes, hold_token: bytes) -> None:
        """Give a hold back; what the ledger does not hear of is freed by the hold's expiry."""
        operation = Operation(release=Release(hold_id=hold_id, hold_token=hold_token))
        try:
            await self._link.submit(operation, RELEASE_WAIT_S)
        except LinkAwayError as failure:
            _log.warning("hold %s is left to expire: %s", hold_id.hex(), failure)

    def keep(self, settle: Settle) -> None:
        """Put a charge in the outbox without waiting, when the request itself is being stopped."""
        self._outbox.append(Operation(settle=settle))
