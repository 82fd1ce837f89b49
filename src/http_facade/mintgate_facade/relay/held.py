"""An open hold and its one resolution: a charge or a release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mintgate.v1 import ledger_pb2
from mintgate.v1.ledger_pb2 import Reserved, Settle
from mintgate.v1.objects_pb2 import ObjectName, Record
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS

from mintgate_facade.dialects.base import Reading
from mintgate_facade.relay.client_watch import ClientWatch
from mintgate_facade.relay.holds import ActiveHold, ActiveHolds, unit_counts

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from mintgate_facade.dialects.base import Ask, Failure, Meter
    from mintgate_facade.relay.charges import Charge, Charges
    from mintgate_facade.relay.exchange import Exchange

DRAIN_WAIT_S = 60.0
"""How long the answer of a client that has left is read on, where its key says so."""
PROVIDER_REQUEST_ID_CHARACTERS_MAX = 128
MADE_MAX = 16
"""Objects that one answer is recorded to have made; three previews are usual."""


class Held:
    """The money side of one running request. Resolved exactly once."""

    def __init__(
        self,
        exchange: Exchange,
        ask: Ask,
        reserved: Reserved,
        charges: Charges,
        holds: ActiveHolds,
    ) -> None:
        drains = reserved.on_disconnect == ledger_pb2.ON_DISCONNECT_DRAIN
        self.ask = ask
        self.reserved = reserved
        self.meter: Meter | None = None
        self.http_status = 0
        self.provider_request_id = ""
        self.charge: Charge | None = None
        self.unseen: Reading | None = None
        """What is charged for work that may have begun, should no answer ever come."""
        self.watch = ClientWatch(exchange.scope, exchange.receive, DRAIN_WAIT_S if drains else None)
        self.active = ActiveHold(
            exchange.id, reserved.hold_token, self.watch.interrupt, key_id=reserved.key_id
        )
        self._exchange = exchange
        self._charges = charges
        self._holds = holds
        self._released = False
        self._deferred = False
        self._settling: Span | None = None
        holds.add(self.active)

    def answer_begins(self, meter: Meter | None) -> None:
        """From now on usage is counted by `meter`; None when the answer cannot be read."""
        self.meter = meter
        self.active.meter = meter

    async def release(self) -> None:
        """Give the hold back: the provider has done no work."""
        self.active.resolved = True
        self._released = True
        await self._charges.release(self._exchange.id, self.reserved.hold_token)

    def defer(self) -> None:
        """Leave it to whoever polls the job that the hold has become."""
        self.active.resolved = True
        self._deferred = True

    @property
    def deferred(self) -> bool:
        """The hold is that of a job."""
        return self._deferred

    def begin_charge(self, status: ledger_pb2.EventStatus.ValueType) -> Charge:
        """Send the charge on its way; a second call returns the first one's charge."""
        if self.charge is None:
            self.active.resolved = True
            traceparent = ""
            if self._exchange.trace is not None:
                self._settling, traceparent = self._exchange.trace.ledger("settle")
            self.charge = self._charges.begin(self._settle(status), traceparent)
        return self.charge

    async def charged(self, status: ledger_pb2.EventStatus.ValueType) -> None:
        """Charge what was read, and wait until it cannot be lost.

        Of a job only its exact end is charged here. Raises `NotDurableError`.
        """
        if self._deferred and (self.meter is None or not self.meter.final):
            return
        charge = self.begin_charge(status)
        try:
            settled = await self._charges.durable(charge)
        finally:
            if self._settling is not None:
                self._settling.end()
        if settled is not None:
            self._exchange.cost_nano_usd = settled.charged_nano_usd

    def end_status(self) -> ledger_pb2.EventStatus.ValueType:
        """How a complete answer ended for its client."""
        if self.watch.gone:
            return ledger_pb2.EVENT_STATUS_CLIENT_GONE
        return ledger_pb2.EVENT_STATUS_COMPLETED

    @property
    def ended_by(self) -> Failure | None:
        """Why the gateway itself ended the request; None when somebody else did."""
        return self.active.ended_by

    def cut_status(self) -> ledger_pb2.EventStatus.ValueType:
        """How an answer whose wait was interrupted ended for its client."""
        if self.active.ended_by is not None:
            return ledger_pb2.EVENT_STATUS_ENDED_BY_GATEWAY
        # A client leaves at the provider's own error event: then it is the provider's end.
        if self.meter is not None and self.meter.failed:
            return ledger_pb2.EVENT_STATUS_UPSTREAM_BROKEN
        return ledger_pb2.EVENT_STATUS_CLIENT_GONE

    def stop(self) -> None:
        """Resolve it at once if it still is open: what was read so far goes to the outbox."""
        if self.charge is None and not self._released and not self._deferred:
            self.active.resolved = True
            self._charges.keep(self._settle(ledger_pb2.EVENT_STATUS_UPSTREAM_BROKEN))

    def close(self) -> None:
        """Stop to watch the client and to keep the hold alive."""
        self.watch.stop()
        self._holds.remove(self.active)

    def _settle(self, status: ledger_pb2.EventStatus.ValueType) -> Settle:
        reading = self._reading(completed=status == ledger_pb2.EVENT_STATUS_COMPLETED)
        request_id = reading.provider_request_id or self.provider_request_id
        exchange = self._exchange
        elapsed_ms = exchange.elapsed_ms()
        return Settle(
            hold_id=exchange.id,
            hold_token=self.reserved.hold_token,
            units=unit_counts(reading.units),
            variants=reading.variants,
            settled_by=reading.basis,
            status=status,
            model=reading.model,
            provider_request_id=request_id[:PROVIDER_REQUEST_ID_CHARACTERS_MAX],
            http_status=self.http_status,
            latency_ms=elapsed_ms,
            first_byte_ms=exchange.first_byte_ms or elapsed_ms,
            reasoning_tokens=reading.reasoning_tokens,
            records=self._records(),
        )

    def _records(self) -> list[Record]:
        """Whose the stored answer is, or what it has made: told in the charge, before its end.

        That of a job was told when the job was started.
        """
        if not self.ask.creates or self._deferred:
            return []
        reading = Reading() if self.meter is None else self.meter.reading()
        itself = () if self.ask.made is not None else (reading.provider_request_id,)
        names = [
            ObjectName(kind=self.ask.creates, object_id=object_id)
            for object_id in filter(None, (*reading.made[:MADE_MAX], *itself))
        ]
        ttl_ms = self.ask.creates_for_ms
        return [Record(name=name, note=reading.note, ttl_ms=ttl_ms) for name in names]

    def _reading(self, *, completed: bool) -> Reading:
        reading = None if self.meter is None else self.meter.reading()
        if reading is not None and reading.basis:
            return reading
        if self.meter is None and self.unseen is not None:
            return self.unseen
        if completed or (self.meter is None and self.http_status):
            # An answer that cannot be read is charged as the whole hold.
            return Reading(basis=ledger_pb2.SETTLED_BY_HOLD)
        # Nothing has arrived: the provider had the input and may have begun to work on it.
        if self.ask.counted is not None:
            return self.ask.counted
        units: dict[int, int] = {UNIT_INPUT_TOKENS: self.ask.delivered_input_tokens}
        return Reading(units=units, basis=ledger_pb2.SETTLED_BY_COUNTED)
