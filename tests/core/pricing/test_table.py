"""Fallbacks: what a source leaves out is billed as what it is a kind of."""

from __future__ import annotations

from decimal import Decimal

import pytest
from mintgate_core.pricing import RateCard, Rates, Tier, Unit
from mintgate_core.pricing.table import Price, compile_rates, completed, pico_usd_each
from mintgate_core.pricing.units import COUNTED_UNITS, INPUT_UNITS, OUTPUT_UNITS


def test_input_and_output_alone_price_every_token() -> None:
    """With only two prices named, all kinds of input cost the one and all output the other."""
    prices = compile_rates({Unit.INPUT_TOKENS: Price(2), Unit.OUTPUT_TOKENS: Price(9)}).prices
    assert prices == {**dict.fromkeys(INPUT_UNITS, 2), **dict.fromkeys(OUTPUT_UNITS, 9)}


def test_what_cannot_be_priced_stays_absent() -> None:
    """No output price means no price for any output, and no other price is ever invented."""
    prices = compile_rates({Unit.INPUT_TOKENS: Price(2)}).prices
    assert prices.keys().isdisjoint(OUTPUT_UNITS | COUNTED_UNITS)


@pytest.mark.parametrize(
    ("named", "unit", "expected"),
    [
        ({Unit.CACHE_WRITE_5M_TOKENS: 3}, Unit.CACHE_WRITE_1H_TOKENS, 3),
        ({Unit.CACHE_WRITE_5M_TOKENS: 1}, Unit.CACHE_WRITE_1H_TOKENS, 2),
        ({Unit.CACHE_READ_TOKENS: 1}, Unit.CACHE_READ_AUDIO_TOKENS, 1),
        ({Unit.INPUT_AUDIO_TOKENS: 8}, Unit.CACHE_READ_AUDIO_TOKENS, 8),
        (
            {Unit.INPUT_AUDIO_TOKENS: 8, Unit.CACHE_READ_TOKENS: 1},
            Unit.CACHE_READ_AUDIO_TOKENS,
            8,
        ),
        ({Unit.CACHE_READ_IMAGE_TOKENS: 5}, Unit.CACHE_READ_IMAGE_TOKENS, 5),
    ],
)
def test_a_missing_price_falls_to_the_dearest_of_its_kind(
    named: dict[Unit, int], unit: Unit, expected: int
) -> None:
    """Long writes cost at least the short one; cached audio at most what its parents do."""
    table = {u: Price(p) for u, p in ({Unit.INPUT_TOKENS: 2} | named).items()}
    assert compile_rates(table).prices[unit] == expected


def test_fallbacks_hold_above_each_threshold() -> None:
    """A unit without a price of its own follows its parent into the tier."""
    rates = compile_rates(
        {
            Unit.INPUT_TOKENS: Price(2, ((100, 4), (200, 6))),
            Unit.CACHE_READ_TOKENS: Price(1, ((200, 3),)),
            Unit.WEB_SEARCHES: Price(50),
        }
    )
    assert [tier.above_input_tokens for tier in rates.tiers] == [100, 200]
    seen = [
        (
            rates.at(n)[Unit.INPUT_AUDIO_TOKENS],
            rates.at(n)[Unit.CACHE_READ_TOKENS],
            rates.at(n)[Unit.WEB_SEARCHES],
        )
        for n in (100, 200, 201)
    ]
    assert seen == [(2, 1, 50), (4, 1, 50), (6, 3, 50)]


def test_a_variant_replaces_unit_by_unit_and_drops_the_replaced_tiers() -> None:
    """A flat price in a variant ends the standard's tiers of that unit, and only of that one."""
    card = completed(
        RateCard(
            "openai",
            "m",
            0,
            0,
            {
                "": Rates(
                    {Unit.INPUT_TOKENS: 2, Unit.OUTPUT_TOKENS: 10},
                    (Tier(100, {Unit.INPUT_TOKENS: 4, Unit.OUTPUT_TOKENS: 20}),),
                ),
                "service_tier=priority": Rates({Unit.INPUT_TOKENS: 5}),
            },
        )
    )
    above = card.rates["service_tier=priority"].at(101)
    assert (above[Unit.INPUT_TOKENS], above[Unit.CACHE_READ_TOKENS]) == (5, 5)
    assert above[Unit.OUTPUT_TOKENS] == 20


def test_prices_are_converted_exactly_and_otherwise_rounded_up() -> None:
    """A dollar price a million tokens becomes whole pico-USD a token, never less."""
    assert pico_usd_each(Decimal("0.0025"), 1_000_000) == 2_500
    assert pico_usd_each(10, 1_000) == 10_000_000_000
    assert pico_usd_each(Decimal("0.0000001"), 1_000_000) == 1
    assert Price(3, ((5, 7),)).scaled(1_100) == Price(4, ((5, 8),))
