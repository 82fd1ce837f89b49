"""Keeps the holds of running requests alive, and bounds how long a client may stall one.

One task a worker: every few seconds it tells the ledger, in one batch, what each
running request has used. That renews the hold's time to live, and is what an
expiry would charge if this process died.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mintgate.v1.ledger_pb2 import Operation, Progress
from mintgate.v1.unit_pb2 import UnitCount

from mintgate_facade.relay.failures import ENDED_BY_REVOCATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mintgate_facade.dialects.base import Failure, Meter
    from mintgate_facade.relay.link import Submitter

_log = logging.getLogger("mintgate.holds")

PROGRESS_INTERVAL_S = 5.0
HOLD_TTL_MS = 120_000
"""The ledger's own time to live of a hold that names none."""
SEND_WAIT_S = 120.0
"""How long a client may take not one byte before its request is given up."""

REVOKED_KEYS_MAX = 10_000
"""Revoked keys remembered for requests whose reserve was granted just before; a reserve is
answered within seconds, and ever later ones are refused by the ledger."""


@dataclass(slots=True, eq=False)
class ActiveHold:
    """A hold whose request runs."""

    hold_id: bytes
    hold_token: bytes
    interrupt: Callable[[], None]
    """Gives the request up."""
    key_id: str = ""
    ended_by: Failure | None = None
    """Why the gateway itself ends the request, for its client; None while it may go on."""
    meter: Meter | None = None
    """Set once the provider's answer has begun."""
    resolved: bool = False
    """Its charge or release is on its way, so there is nothing to report any more."""
    streaming: bool = False
    """Its answer goes to the client in pieces."""
    sending_since_s: float = 0.0
    """Loop time at which the client was last given bytes it has not taken; 0 when none wait."""


class ActiveHolds:
    """The holds of this worker's running requests."""

    def __init__(self, link: Submitter, ttl_ms: int = 0) -> None:
        """Renew holds for `ttl_ms`; 0 leaves it to the ledger."""
        self._link = link
        self._ttl_ms = ttl_ms
        # Two reports may be lost before a hold with a short life expires.
        self._interval_s = min(PROGRESS_INTERVAL_S, (ttl_ms or HOLD_TTL_MS) / 3_000)
        self._holds: dict[bytes, ActiveHold] = {}
        self._by_key: dict[str, set[ActiveHold]] = {}
        self.revoked_count = 0
        """Requests that were ended because their key was revoked."""
        self._revoked: OrderedDict[str, None] = OrderedDict()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._holds)

    def streaming_count(self) -> int:
        """How many of the requests are streams under way."""
        return sum(hold.streaming for hold in self._holds.values())

    def add(self, hold: ActiveHold) -> None:
        """Keep a hold alive until it is removed."""
        self._holds[hold.hold_id] = hold
        self._by_key.setdefault(hold.key_id, set()).add(hold)
        self._empty.clear()
        if hold.key_id in self._revoked:
            # The news of the revocation overtook the answer to the reserve.
            _end(hold, ENDED_BY_REVOCATION)

    def remove(self, hold: ActiveHold) -> None:
        """Forget it: its request is over."""
        self._holds.pop(hold.hold_id, None)
        if hold.ended_by is ENDED_BY_REVOCATION:
            self.revoked_count += 1
        of_key = self._by_key.get(hold.key_id, set())
        of_key.discard(hold)
        if not of_key:
            self._by_key.pop(hold.key_id, None)
        if not self._holds:
            self._empty.set()

    def revoke(self, key_ids: Iterable[str]) -> None:
        """End what these keys have running, now and when it turns up late."""
        for key_id in key_ids:
            if key_id in self._revoked:
                continue
            self._revoked[key_id] = None
            if len(self._revoked) > REVOKED_KEYS_MAX:
                self._revoked.popitem(last=False)
            of_key = tuple(self._by_key.get(key_id, ()))
            if of_key:
                _log.info("key %s was revoked: %d requests end", key_id, len(of_key))
            for hold in of_key:
                _end(hold, ENDED_BY_REVOCATION)

    def end_all(self, failure: Failure) -> None:
        """End every running request and tell its client why."""
        for hold in list(self._holds.values()):
            _end(hold, failure)

    async def empty(self) -> None:
        """Wait until no request runs."""
        await self._empty.wait()

    async def run(self) -> None:
        """Report at intervals, for ever."""
        while True:
            await asyncio.sleep(self._interval_s)
            self.tick(asyncio.get_running_loop().time())

    def tick(self, now_s: float) -> None:
        """Report once; give up requests whose client has stalled."""
        for hold in list(self._holds.values()):
            if hold.sending_since_s and now_s - hold.sending_since_s > SEND_WAIT_S:
                hold.interrupt()
            if not hold.resolved:
                self._link.post(Operation(progress=self._progress(hold)))

    def _progress(self, hold: ActiveHold) -> Progress:
        progress = Progress(hold_id=hold.hold_id, hold_token=hold.hold_token, ttl_ms=self._ttl_ms)
        try:
            reading = None if hold.meter is None else hold.meter.reading()
        except Exception:  # noqa: BLE001 - see below
            # A defect in reading one answer must not let the other holds run out.
            _log.exception("hold %s cannot be read", hold.hold_id.hex())
            return progress
        if reading is not None:
            progress.units.extend(unit_counts(reading.units))
            progress.variants.extend(reading.variants)
        return progress


def _end(hold: ActiveHold, failure: Failure) -> None:
    if hold.ended_by is None:
        hold.ended_by = failure
        hold.interrupt()


def unit_counts(units: Mapping[int, int]) -> list[UnitCount]:
    """Units as the ledger takes them; zero counts are left out."""
    return [UnitCount(unit=unit, count=count) for unit, count in units.items() if count]  # type: ignore[arg-type]  # the enum's numbers
