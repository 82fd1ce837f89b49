"""Prices set at run time: for whom, from when, and what a charge says of them afterwards."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from mintgate import InvalidArgument, Minted, ModelUnpriced
from mintgate.v1 import ledger_pb2, meter_pb2, unit_pb2

from tests.core.service.harness import (
    INPUT_PICO_USD,
    MODEL,
    OPERATOR,
    OTHER_MODEL,
    OUTPUT_PICO_USD,
    PROVIDER,
    SERVICE,
    Rig,
    TurnedClock,
    counts,
    price_of,
    refusal_of,
)

COST = 20_000
"""What the harness's settle charges at the harness's prices, nano-USD."""

INPUT, OUTPUT = unit_pb2.UNIT_INPUT_TOKENS, unit_pb2.UNIT_OUTPUT_TOKENS


def times(factor: int, effective_at_ms: int = 0) -> meter_pb2.ModelPrice:
    """MODEL at a multiple of its price, from a moment on."""
    return price_of(
        MODEL, factor * INPUT_PICO_USD, factor * OUTPUT_PICO_USD, effective_at_ms=effective_at_ms
    )


def prices(**pico: int) -> list[unit_pb2.UnitPrice]:
    """Unit prices by the unit's name."""
    return [unit_pb2.UnitPrice(unit=count.unit, pico_usd=count.count) for count in counts(**pico)]


async def test_an_account_pays_its_own_price(rig: Rig, user: Minted) -> None:
    """A master's price is its account's; for all others the operator's stays in force."""
    stranger = await rig.second_account()
    theirs = await stranger.keys.mint("eve")
    kept = await rig.client().meter.put_price(times(3))
    assert kept.source == "override"
    assert (await rig.charge(user.secret)).charged_nano_usd == 3 * COST
    assert (await rig.charge(theirs.secret)).charged_nano_usd == COST


async def test_the_operator_prices_for_all_or_for_one(rig: Rig, user: Minted) -> None:
    """Without an account it is for everyone, and an account's own price goes before it."""
    operator = rig.client(OPERATOR)
    stranger = await rig.second_account()
    theirs = await stranger.keys.mint("eve")
    await operator.meter.put_price(times(2))
    assert (await rig.charge(user.secret)).charged_nano_usd == 2 * COST
    await operator.meter.put_price(times(5), account_id=theirs.key.account_id)
    await operator.meter.put_price(times(7))
    assert (await rig.charge(user.secret)).charged_nano_usd == 7 * COST
    assert (await rig.charge(theirs.secret)).charged_nano_usd == 5 * COST


async def test_a_price_takes_effect_at_its_moment(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """Set for tomorrow, it is in the history today and in force tomorrow, to the millisecond."""
    meter = rig.client(OPERATOR).meter
    start_ms = clock.now_ms + 1_000
    await meter.put_price(times(2, start_ms))
    clock.advance(999)
    assert (await rig.charge(user.secret)).charged_nano_usd == COST
    (now,) = await meter.prices(provider=PROVIDER, model=MODEL)
    assert now.effective_at_ms == 0
    clock.advance(1)
    assert (await rig.charge(user.secret)).charged_nano_usd == 2 * COST
    (now,) = await meter.prices(provider=PROVIDER, model=MODEL)
    assert now.effective_at_ms == start_ms


async def test_the_history_is_newest_first_and_survives_a_restart(
    rig: Rig, clock: TurnedClock
) -> None:
    """Every price that a model has had or will have, with versions that differ, is kept."""
    meter = rig.client(OPERATOR).meter
    for days in (2, 1, 3):
        await meter.put_price(times(days, clock.now_ms + days))
    history = await meter.price_history(provider=PROVIDER, model=MODEL)
    assert [p.effective_at_ms - clock.now_ms for p in history[:3]] == [3, 2, 1]
    assert history[3].effective_at_ms == 0
    assert len({p.price_version for p in history}) == 4
    await rig.restart()
    again = await rig.client(OPERATOR).meter.price_history(provider=PROVIDER, model=MODEL)
    assert again == history


async def test_a_version_is_a_digest_of_the_price(rig: Rig) -> None:
    """The same price set twice has the same version; a nano-dollar's difference another."""
    meter = rig.client(OPERATOR).meter
    first = await meter.put_price(times(2))
    second = await meter.put_price(times(3))
    third = await meter.put_price(times(2))
    assert first.price_version == third.price_version != second.price_version
    assert len(await meter.price_history(provider=PROVIDER, model=MODEL)) == 1


async def test_a_charge_can_be_traced_to_its_price(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """An event names the version it was rated at, with that version's unit prices."""
    meter = rig.client(OPERATOR).meter
    for factor in (2, 3):
        await meter.put_price(times(factor, clock.now_ms))
        await rig.charge(user.secret)
        clock.advance(1)
    await meter.put_price(times(4, clock.now_ms))
    history = {
        p.price_version: p for p in await meter.price_history(provider=PROVIDER, model=MODEL)
    }
    events = [event async for event in rig.client().meter.events()]
    assert [event.charged_nano_usd for event in events] == [3 * COST, 2 * COST]
    for event in events:
        card = {p.unit: p.pico_usd for p in history[event.price_version].rates[0].prices}
        assert {p.unit: p.pico_usd for p in event.unit_prices}.items() <= card.items()
        assert [count.unit for count in event.units] == [INPUT, OUTPUT]


async def test_limits_that_are_left_out_are_taken_over(rig: Rig) -> None:
    """A price without limits keeps those of the price that it replaces."""
    price = times(2)
    price.context_window = price.max_output_tokens = 0
    kept = await rig.client().meter.put_price(price)
    before = price_of()
    assert (kept.context_window, kept.max_output_tokens) == (
        before.context_window,
        before.max_output_tokens,
    )


async def test_tiers_and_variants_are_kept_and_applied(rig: Rig, user: Minted) -> None:
    """A long input is billed at its tier as a whole; a variant and a multiplier as they say."""
    price = meter_pb2.ModelPrice(
        provider=PROVIDER,
        model="rich",
        context_window=10_000,
        max_output_tokens=1_000,
        rates=[
            meter_pb2.RateSet(
                prices=prices(input_tokens=1_000, output_tokens=2_000),
                tiers=[
                    meter_pb2.RateTier(
                        above_input_tokens=100,
                        prices=prices(input_tokens=3_000, output_tokens=4_000),
                    )
                ],
            ),
            meter_pb2.RateSet(
                variant="service_tier=priority",
                prices=prices(input_tokens=10_000, output_tokens=20_000),
            ),
        ],
        multipliers_permille={"inference_geo=us": 1_100},
    )
    kept = await rig.client().meter.put_price(price)
    assert kept.rates[0].tiers[0].above_input_tokens == 100
    assert dict(kept.multipliers_permille) == {"inference_geo=us": 1_100}
    cases: list[tuple[int, list[str], int]] = [
        (100, [], 100 * 1 + 10 * 2),
        (101, [], 101 * 3 + 10 * 4),
        (100, ["service_tier=priority"], 100 * 10 + 10 * 20),
        (100, ["inference_geo=us"], 132),
    ]
    for input_tokens, variants, nano in cases:
        hold = rig.reserve(
            user.secret,
            model="rich",
            bound=ledger_pb2.Bound(input_tokens=200, output_tokens=20, variants=variants),
        )
        units = counts(input_tokens=input_tokens, output_tokens=10)
        async with rig.link() as link:
            (held,) = await link.send(hold)
            (result,) = await link.send(rig.settle(hold, held, units=units, variants=variants))
        assert result.settled.charged_nano_usd == nano, (input_tokens, variants)
        assert held.reserved.amount_nano_usd >= nano


async def test_a_key_sees_the_prices_of_what_it_may_use(rig: Rig) -> None:
    """The list is narrowed to the caller's own providers and patterns; a facade's is not."""
    narrow = await rig.client().keys.mint(
        "narrow", allowed_providers=[PROVIDER, "openai"], allowed_models=["small", "gpt-4o-mini*"]
    )
    seen = {(p.provider, p.model) for p in await rig.client(narrow.secret).meter.prices()}
    assert (PROVIDER, MODEL) in seen
    assert {provider for provider, _ in seen} == {PROVIDER, "openai"}
    assert all(model == MODEL or model.startswith("gpt-4o-mini") for _, model in seen)
    assert len(await rig.client(SERVICE).meter.prices()) > len(seen)


async def test_prices_are_listed_by_provider_and_by_name(rig: Rig) -> None:
    """Filters pick a provider or a model; a dated name finds its model; all are sorted."""
    meter = rig.client(SERVICE).meter
    ours = await meter.prices(provider=PROVIDER)
    assert [p.model for p in ours] == [OTHER_MODEL, MODEL]
    (dated,) = await meter.prices(provider="openai", model="gpt-4o-mini-2024-07-18")
    assert dated.model == "gpt-4o-mini"
    everything = await meter.prices()
    assert len(everything) > 100
    names = [(p.provider, p.model) for p in everything]
    assert names == sorted(set(names))
    assert {p.model for p in await meter.prices(model=MODEL)} == {MODEL}
    assert await meter.prices(provider="nobody") == []


async def test_an_unknown_model_has_neither_price_nor_history(rig: Rig) -> None:
    """MODEL_UNPRICED, not an empty list, for one model that is not known."""
    meter = rig.client().meter
    for call in (
        meter.prices(provider=PROVIDER, model="x"),
        meter.price_history(provider=PROVIDER, model="x"),
    ):
        with pytest.raises(ModelUnpriced):
            await call


def rate(**changes: Any) -> meter_pb2.RateSet:
    return meter_pb2.RateSet(**{"prices": prices(input_tokens=1), **changes})


BAD: list[tuple[str, dict[str, Any]]] = [
    ("price.provider", {"provider": "No Slug"}),
    ("price.model", {"model": ""}),
    ("price.model", {"model": "m" * 257}),
    ("price.rates", {"rates": []}),
    ("price.rates", {"rates": [rate(variant=f"a={i}") for i in range(65)]}),
    ("price.rates", {"rates": [rate(), rate()]}),
    ("price.rates.variant", {"rates": [rate(), rate(variant="x" * 257)]}),
    ("price", {"rates": [rate(variant="service_tier=flex")]}),
    ("price.rates.prices", {"rates": [rate(prices=[])]}),
    ("price.rates.prices", {"rates": [rate(prices=prices(input_tokens=1) * 2)]}),
    ("price.rates.prices", {"rates": [rate(prices=[unit_pb2.UnitPrice(unit=99)])]}),  # type: ignore[arg-type]
    ("price.rates", {"rates": [rate(prices=[unit_pb2.UnitPrice(pico_usd=1)])]}),
    ("price.rates", {"rates": [rate(prices=prices(input_tokens=-1))]}),
    ("price.rates", {"rates": [rate(prices=prices(input_tokens=2**53 + 1))]}),
    ("price.rates.tiers", {"rates": [rate(tiers=[meter_pb2.RateTier()] * 9)]}),
    (
        "price.rates",
        {"rates": [rate(tiers=[meter_pb2.RateTier(prices=prices(output_tokens=1))])]},
    ),
    ("price", {"context_window": -1}),
    ("price", {"max_output_tokens": 2**40 + 1}),
    ("price", {"effective_at_ms": -1}),
    ("price", {"multipliers_permille": {"inference_geo=us": 0}}),
    ("price.multipliers_permille", {"multipliers_permille": {f"a={i}": 1 for i in range(17)}}),
]


async def test_a_bad_price_names_the_field(rig: Rig) -> None:
    """What cannot be a price is refused by the field at fault, and the old one stays."""
    before = await rig.client().meter.prices(provider=PROVIDER)
    for field, change in BAD:
        values: dict[str, Any] = {"provider": PROVIDER, "model": MODEL, "rates": [rate()], **change}
        request = meter_pb2.PutPriceRequest(price=meter_pb2.ModelPrice(**values))
        status, error = await refusal_of(rig.meter.PutPrice(request, metadata=rig.auth()))
        assert (status, error.field) == (grpc.StatusCode.INVALID_ARGUMENT, field), change
    assert await rig.client().meter.prices(provider=PROVIDER) == before


async def test_a_settle_takes_the_price_of_the_hour_of_its_reserve(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """A hold covers the dearest hour, and its charge is of the hour in which it was made."""
    price = times(1)
    peak = meter_pb2.RateSet(variant="hours=13:00-14:01", prices=times(3).rates[0].prices)
    price.rates.append(peak)
    await rig.client(OPERATOR).meter.put_price(price)
    reserve = rig.reserve(user.secret)
    async with rig.link() as link:
        (held,) = await link.send(reserve)
        clock.advance(61_000)
        (late,) = await link.send(rig.settle(reserve, held))
    assert held.reserved.amount_nano_usd == 3 * 200_000
    assert late.settled.charged_nano_usd == 3 * COST
    assert (await rig.charge(user.secret)).charged_nano_usd == COST


async def test_a_provider_that_states_a_cost_is_charged_by_it_alone(rig: Rig, user: Minted) -> None:
    """The event keeps the tokens at no price, and follows from its own row."""
    price = times(1)
    price.rates[0].prices.append(unit_pb2.UnitPrice(unit=unit_pb2.UNIT_BILLED_TICKS, pico_usd=100))
    await rig.client(OPERATOR).meter.put_price(price)
    stated = counts(input_tokens=10, output_tokens=5, billed_ticks=123_457)
    charged = await rig.charge(user.secret, units=stated)
    assert charged.charged_nano_usd == 12_346
    (event,) = [event async for event in rig.client().meter.events()]
    assert [price.pico_usd for price in event.unit_prices] == [0, 0, 100]
    assert (event.input_tokens, event.output_tokens) == (10, 5)
    assert not [f for check in await rig.core.store.audit() for f in check.findings]


async def test_many_prices_are_set_together_or_not_at_all(
    rig: Rig, user: Minted, clock: TurnedClock
) -> None:
    """One bad price among them leaves every other as it was; good ones hold from their moments."""
    meter = rig.client(OPERATOR).meter
    bad = times(5)
    bad.rates[0].variant = "hours=noon"
    with pytest.raises(InvalidArgument):
        await meter.put_prices([times(2), bad])
    with pytest.raises(InvalidArgument):
        await meter.put_prices([])
    assert (await rig.charge(user.secret)).charged_nano_usd == COST
    soon = times(3, clock.now_ms + 1)
    soon.source = "list of tomorrow"
    kept = await meter.put_prices([times(2), soon])
    assert [price.source for price in kept] == ["override", "list of tomorrow"]
    assert (await rig.charge(user.secret)).charged_nano_usd == 2 * COST
    clock.advance(1)
    assert (await rig.charge(user.secret)).charged_nano_usd == 3 * COST
    await rig.restart()
    assert (await rig.charge(user.secret)).charged_nano_usd == 3 * COST
