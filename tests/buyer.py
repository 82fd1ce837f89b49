"""One user of a gateway: a key of their own, and what the books say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mintgate.v1.keys_pb2 import Key
from mintgate.v1.ledger_pb2 import (
    EVENT_STATUS_COMPLETED,
    SETTLED_BY_HOLD,
    SETTLED_BY_USAGE,
    EventStatus,
    SettledBy,
)
from mintgate.v1.meter_pb2 import Event

from tests.harness import Installation, eventually

PICO_PER_NANO = 1_000
SETTLE_WAIT_S = 10.0


@dataclass(frozen=True)
class Charge:
    """What one event must say. Amounts in nano-USD, computed by the test itself."""

    provider: str
    model: str
    cost_nano_usd: int
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int = 0
    settled_by: SettledBy.ValueType = SETTLED_BY_USAGE
    status: EventStatus.ValueType = EVENT_STATUS_COMPLETED


@dataclass(frozen=True)
class Buyer:
    """A minted standard key."""

    gateway: Installation
    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def mint(cls, gateway: Installation, cap_usd: str | None = "100", **options: Any) -> Buyer:
        """Mint a key; the options are those of `Client.keys.mint`."""
        return cls(gateway, *gateway.mint(cap_usd, **options))

    @property
    def bearer(self) -> dict[str, str]:
        """The header that most clients send."""
        return {"authorization": f"Bearer {self.secret}"}

    def key(self) -> Key:
        """The key as the books have it now."""
        with self.gateway.client() as client:
            return client.keys.get(self.key_id)

    def events(self) -> list[Event]:
        """Every charge, oldest first."""
        return self.gateway.events(self.key_id)

    def charges(self) -> dict[str, list[Event]]:
        """Every charge by the id of its request."""
        found: dict[str, list[Event]] = {}
        for event in self.events():
            found.setdefault(event.request_id, []).append(event)
        return found

    def charged(self, *expected: Charge) -> list[Event]:
        """Check that exactly these charges were made, to the nano-dollar, and return them.

        An answer that a client has in full is charged by then, so nothing here waits.
        """
        events = self.events()
        assert [_facts(event) for event in events] == list(expected)
        for event in events:
            assert event.held_nano_usd >= event.charged_nano_usd
            assert event.absorbed_nano_usd == 0
            assert event.actual_nano_usd == event.charged_nano_usd
            assert not event.overrun
            assert not event.late
            assert _recomputed(event) == event.charged_nano_usd
        key = self.key()
        assert key.spent_nano_usd == sum(event.charged_nano_usd for event in events)
        assert key.held_nano_usd == 0
        return events

    def settled(self) -> Event:
        """Wait for the one charge of a request that its client did not see the end of."""
        events: list[Event] = eventually(self.events, SETTLE_WAIT_S, "the charge")
        (event,) = events
        assert event.held_nano_usd >= event.charged_nano_usd
        assert event.absorbed_nano_usd == 0
        if event.settled_by != SETTLED_BY_HOLD:
            assert _recomputed(event) == event.charged_nano_usd
        key = self.key()
        assert (key.spent_nano_usd, key.held_nano_usd) == (event.charged_nano_usd, 0)
        return event

    def untouched(self) -> None:
        """Check that nothing was charged and nothing is held any more."""
        key = self.key()
        assert (key.spent_nano_usd, key.held_nano_usd) == (0, 0)
        assert self.events() == []


def charged_once(events: Sequence[Event]) -> None:
    """Check one request's charge; or what an expiry charged first, and then the rest, late."""
    first, *rest = events
    assert first.prior_nano_usd == 0
    if rest:
        (late,) = rest
        assert late.late
        assert late.prior_nano_usd == first.actual_nano_usd
        # An expiry charges an estimate; what it took too much is not given back.
        assert late.actual_nano_usd == max(0, _recomputed(late) - first.actual_nano_usd)


def _facts(event: Event) -> Charge:
    return Charge(
        provider=event.provider,
        model=event.model,
        cost_nano_usd=event.charged_nano_usd,
        input_tokens=event.input_tokens,
        output_tokens=event.output_tokens,
        reasoning_tokens=event.reasoning_tokens,
        settled_by=event.settled_by,
        status=event.status,
    )


def _recomputed(event: Event) -> int:
    """The cost from the row alone: units times unit prices, rounded up once."""
    prices = {price.unit: price.pico_usd for price in event.unit_prices}
    pico_usd = sum(unit.count * prices[unit.unit] for unit in event.units)
    return -(-pico_usd // PICO_PER_NANO)
