"""Quotes, sums and single charges: each says the same about the same money."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from mintgate import InvalidArgument, Minted, ModelUnpriced
from mintgate.v1 import ledger_pb2, meter_pb2

from tests.core.service.harness import (
    MODEL,
    OTHER_MODEL,
    PROVIDER,
    START_MS,
    Link,
    Rig,
    TurnedClock,
    counts,
    refusal_of,
)

HELD, COST = 200_000, 20_000
"""What the harness's reserve holds and what its settle charges, nano-USD."""

HOUR_MS = 3_600_000
SEED = 20_261_123
EVENTS = 1_000
LATE_SHARE = 0.3
NANO_PER_PICO = 1_000

BOUNDS = {
    "plain": ledger_pb2.Bound(input_tokens=100, output_tokens=50),
    "unstated": ledger_pb2.Bound(input_tokens=100),
    "open": ledger_pb2.Bound(input_open=True, output_tokens=1),
    "beyond the window": ledger_pb2.Bound(input_tokens=2**40, output_tokens=1),
    "loops": ledger_pb2.Bound(input_tokens=7, output_tokens=3, passes=5, choices=4),
}


@pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
async def test_a_quote_is_what_a_reserve_holds(
    rig: Rig, user: Minted, bound: ledger_pb2.Bound
) -> None:
    """Without the quote of a policy that fits, quote and hold are the same to the nano-dollar."""
    await rig.client().keys.update(user.key.id, unbounded_output="reject")
    quote = await rig.client(user.secret).meter.quote(provider=PROVIDER, model=MODEL, bound=bound)
    (held,) = await rig.apply(rig.reserve(user.secret, bound=bound))
    assert held.reserved.amount_nano_usd == quote.amount_nano_usd > 0
    assert held.reserved.output_tokens == quote.output_tokens
    assert (await rig.client().ledger.balance()).held_nano_usd == quote.amount_nano_usd
    (price,) = await rig.client().meter.prices(provider=PROVIDER, model=MODEL)
    assert quote.price_version == price.price_version


async def test_a_quote_holds_nothing(rig: Rig) -> None:
    """Asking what a request would hold leaves the books as they were."""
    before = await rig.client().ledger.balance()
    await rig.client().meter.quote(provider=PROVIDER, model=MODEL, bound=BOUNDS["plain"])
    assert await rig.client().ledger.balance() == before


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"provider": "Not A Slug"}, "provider"),
        ({"provider": ""}, "provider"),
        ({"bound": ledger_pb2.Bound(passes=65)}, "bound.passes"),
        ({"bound": ledger_pb2.Bound(fees=counts(web_searches=2**40), output_tokens=0)}, "model"),
    ],
)
async def test_a_bad_quote_names_the_field(rig: Rig, values: dict[str, Any], field: str) -> None:
    """What cannot be quoted is refused by the field at fault."""
    request = meter_pb2.QuoteRequest(**{"provider": PROVIDER, "model": MODEL, **values})
    _, error = await refusal_of(rig.meter.Quote(request, metadata=rig.auth()))
    assert error.field == field


async def test_an_unpriced_model_is_not_quoted(rig: Rig) -> None:
    """Nothing is quoted as free because it is unknown."""
    for provider, model in ((PROVIDER, "x"), ("nobody", MODEL), (PROVIDER, "m" * 10_000)):
        with pytest.raises(ModelUnpriced):
            await rig.client().meter.quote(provider=provider, model=model, bound=BOUNDS["plain"])


async def test_usage_defaults_to_the_month_in_utc(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """Without a window it is from the month's first millisecond in UTC to now, both counted."""
    month_ms = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * 1_000
    for at_ms in (month_ms - 1, month_ms, month_ms + 40 * HOUR_MS):
        clock.now_ms = at_ms
        await rig.charge(user.secret)
    usage = await rig.client().meter.usage()
    assert (usage.from_ms, usage.to_ms) == (month_ms, clock.now_ms + 1)
    assert usage.totals.request_count == 2
    before = await rig.client().meter.usage(from_ms=START_MS, to_ms=month_ms)
    assert before.totals.request_count == 1
    assert (await rig.client().meter.usage(from_ms=1)).totals.request_count == 3


@pytest.mark.parametrize(
    ("field", "window"),
    [
        ("from_ms", {"from_ms": -1}),
        ("to_ms", {"to_ms": -1}),
        ("from_ms", {"from_ms": 2**53 + 1}),
        ("to_ms", {"to_ms": 2**53 + 1}),
        ("from_ms", {"from_ms": START_MS + 1, "to_ms": START_MS}),
        ("from_ms", {"from_ms": START_MS + HOUR_MS}),
    ],
)
async def test_a_window_that_is_none_is_refused(
    rig: Rig, field: str, window: dict[str, Any]
) -> None:
    """Times out of range, and an end before the start, are named."""
    with pytest.raises(InvalidArgument) as caught:
        await rig.client().meter.usage(**window)
    assert caught.value.field == field


async def test_usage_names_keys_and_puts_the_dearest_first(rig: Rig) -> None:
    """Sums by key and by model carry names and stand in order of cost."""
    keys = rig.client().keys
    small = await keys.mint("small", external_user_id="u-small")
    large = await keys.mint("large", external_user_id="u-large")
    await rig.charge(small.secret, latency_ms=30)
    await rig.charge(large.secret)
    await rig.charge(large.secret, model=OTHER_MODEL)
    usage = await rig.client().meter.usage()
    assert [(k.key_name, k.external_user_id, k.key_prefix) for k in usage.by_key] == [
        ("large", "u-large", large.key.prefix),
        ("small", "u-small", small.key.prefix),
    ]
    assert [(m.model, m.totals.cost_nano_usd) for m in usage.by_key[0].by_model] == [
        (OTHER_MODEL, 10 * COST),
        (MODEL, COST),
    ]
    assert [(m.model, m.totals.request_count) for m in usage.by_model] == [
        (OTHER_MODEL, 1),
        (MODEL, 2),
    ]
    assert usage.by_key[1].totals.latency_ms == 30
    one = await rig.client().meter.usage(key_id=small.key.id)
    assert [k.key_id for k in one.by_key] == [small.key.id]
    assert one.totals == usage.by_key[1].totals


class Traffic:
    """Random charges of several keys and models over several hours, and what was asked for."""

    def __init__(self, rig: Rig, clock: TurnedClock, secrets: list[str]) -> None:
        self.rig = rig
        self.clock = clock
        self.secrets = secrets
        self.random = random.Random(SEED)  # noqa: S311 - a fixed seed, nothing to hide.

    async def run(self, link: Link, batches: int, size: int) -> None:
        """Reserve and settle, some by hold, some late after an expiry that was metered."""
        for _ in range(batches):
            asked = [self._reserve() for _ in range(size)]
            answers = zip(asked, await link.send(*asked), strict=True)
            # A capped key is refused from some point on.
            holds = [(hold, held) for hold, held in answers if held.HasField("reserved")]
            late = self.random.random() < LATE_SHARE
            if late:
                await link.send(*[self._progress(hold, held) for hold, held in holds])
                self.clock.advance(HOUR_MS // 2)
                while await self.rig.sweep():
                    pass
            settled = await link.send(*[self._settle(hold, held) for hold, held in holds])
            assert all(result.settled.late == late for result in settled)
            self.clock.advance(self.random.randrange(HOUR_MS))

    def _reserve(self) -> ledger_pb2.Operation:
        pick = self.random
        provider, model = pick.choice(
            [(PROVIDER, MODEL), (PROVIDER, OTHER_MODEL), ("openai", "gpt-4o-mini")]
        )
        bound = ledger_pb2.Bound(input_tokens=100, output_tokens=100)
        secret = pick.choice(self.secrets)
        return self.rig.reserve(secret, provider=provider, model=model, bound=bound)

    def _progress(self, hold: ledger_pb2.Operation, held: Any) -> ledger_pb2.Operation:
        progress = ledger_pb2.Progress(
            hold_id=hold.reserve.hold_id,
            hold_token=held.reserved.hold_token,
            units=counts(output_tokens=self.random.randrange(3)),
        )
        return ledger_pb2.Operation(progress=progress)

    def _settle(self, hold: ledger_pb2.Operation, held: Any) -> ledger_pb2.Operation:
        pick = self.random
        units = counts(
            input_tokens=pick.randrange(100) * pick.choice([1, 1, 1, 20]),
            cache_read_tokens=pick.randrange(3) * 10,
            output_tokens=pick.randrange(150),
        )
        settled_by = pick.choice([1, 1, 1, 2, 3])
        return self.rig.settle(
            hold, held, units=units, settled_by=settled_by, latency_ms=pick.randrange(9_999)
        )


def recomputed(event: meter_pb2.Event) -> int:
    """An event's cost from its own row: units times prices, rounded up once."""
    if event.settled_by == ledger_pb2.SETTLED_BY_HOLD:
        return max(0, event.held_nano_usd - event.prior_nano_usd)
    price = {each.unit: each.pico_usd for each in event.unit_prices}
    pico = sum(each.count * price[each.unit] for each in event.units)
    return max(0, -(-pico // NANO_PER_PICO) - event.prior_nano_usd)


def totals_of(events: list[meter_pb2.Event]) -> meter_pb2.UsageTotals:
    """What usage must say of these events; a charge on top of an expiry is no new request."""
    return meter_pb2.UsageTotals(
        request_count=sum(event.prior_nano_usd == 0 for event in events),
        input_tokens=sum(event.input_tokens for event in events),
        output_tokens=sum(event.output_tokens for event in events),
        cache_read_tokens=sum(
            each.count
            for event in events
            if not event.prior_nano_usd
            for each in event.units
            if each.unit == 2  # UNIT_CACHE_READ_TOKENS
        ),
        cost_nano_usd=sum(event.charged_nano_usd for event in events),
        absorbed_nano_usd=sum(event.absorbed_nano_usd for event in events),
        latency_ms=sum(event.latency_ms for event in events),
    )


async def test_sums_are_the_sums_of_their_events(rig: Rig, clock: TurnedClock) -> None:
    """Over 1,000 random events every sum of every window equals its events exactly.

    Each event's cost follows from its own row alone.
    """
    keys = rig.client().keys
    caps = (None, None, None, 3_500_000)
    secrets = [(await keys.mint("x", cap_nano_usd=cap)).secret for cap in caps]
    async with rig.link() as link:
        await Traffic(rig, clock, secrets).run(link, batches=12, size=EVENTS // 10)
    meter = rig.client().meter
    events = [event async for event in meter.events(page_size=999)]
    assert len(events) >= EVENTS
    assert [recomputed(event) for event in events] == [event.actual_nano_usd for event in events]
    assert any(event.absorbed_nano_usd for event in events)
    assert {event.late for event in events} == {True, False}
    cuts = [START_MS - 1, START_MS + HOUR_MS, START_MS + HOUR_MS + 1, events[300].at_ms]
    for from_ms in cuts:
        for to_ms in (*(cut for cut in cuts if cut >= from_ms), clock.now_ms + HOUR_MS):
            within = [event for event in events if from_ms <= event.at_ms < to_ms]
            usage = await meter.usage(from_ms=from_ms, to_ms=to_ms)
            assert usage.totals == totals_of(within)
            for key in usage.by_key:
                own = [event for event in within if event.key_id == key.key_id]
                assert key.totals == totals_of(own)
                for model in key.by_model:
                    same = [event for event in own if event.model == model.model]
                    assert model.totals == totals_of(same)
            for model in usage.by_model:
                assert model.totals == totals_of([e for e in within if e.model == model.model])
    balance = await rig.client().ledger.balance()
    assert balance.spent_nano_usd == sum(event.charged_nano_usd for event in events)


async def test_events_page_newest_first_without_a_gap(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """Pages of any size give each event once; the last names no next."""
    other = await rig.client().keys.mint("bob")
    for secret in (user.secret, other.secret, user.secret, other.secret, user.secret):
        await rig.charge(secret)
        clock.advance(10)
    meter = rig.client().meter
    for size in (1, 2, 4, 5, 6):
        assert [e.sequence async for e in meter.events(page_size=size)] == [6, 5, 4, 3, 2]
        own = [e.sequence async for e in meter.events(key_id=user.key.id, page_size=size)]
        assert own == [6, 4, 2]
    assert (await meter.events_page(page_size=5)).next_before_sequence == 0
    assert (await meter.events_page(page_size=4)).next_before_sequence == 3
    window = meter.events(from_ms=START_MS + 10, to_ms=START_MS + 30)
    assert [e.sequence async for e in window] == [4, 3]
    before = await meter.events_page(before_sequence=4)
    assert [e.sequence for e in before.events] == [3, 2]


@pytest.mark.parametrize("field", ["from_ms", "to_ms", "before_sequence"])
async def test_a_page_of_events_has_its_limits(rig: Rig, field: str) -> None:
    """Negative positions are refused by name."""
    request = meter_pb2.ListEventsRequest()
    setattr(request, field, -1)
    status, error = await refusal_of(rig.meter.ListEvents(request, metadata=rig.auth()))
    assert (status, error.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
