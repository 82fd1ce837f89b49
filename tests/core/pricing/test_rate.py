"""Exact costs: the right tier, variant and factor, and refusal instead of a guess."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mintgate_core.pricing import PriceBook, RateCard, Rates, Tier, Unit, Unpriced, rate
from mintgate_core.pricing.table import completed

CARD = completed(
    RateCard(
        "openai",
        "m",
        1_000,
        100,
        {
            "": Rates(
                {Unit.INPUT_TOKENS: 1_001, Unit.OUTPUT_TOKENS: 5_000, Unit.WEB_SEARCHES: 10_000},
                (Tier(500, {Unit.INPUT_TOKENS: 2_000, Unit.OUTPUT_TOKENS: 8_000}),),
            ),
            "service_tier=flex": Rates({Unit.INPUT_TOKENS: 500, Unit.OUTPUT_TOKENS: 2_500}),
            "service_tier=priority": Rates({Unit.INPUT_TOKENS: 3_000}),
            "processing=batch": Rates({Unit.OUTPUT_TOKENS: 1}),
        },
        {"inference_geo=us": 1_100, "discount=contract": 900},
    )
)


def price_of(unit: Unit, *variants: str, count: int = 1) -> int:
    return dict(rate(CARD, {unit: count}, variants).unit_prices)[unit]


def test_the_cost_is_rounded_up_once() -> None:
    """1,001 pico-USD is 2 nano-USD, but 1,000 tokens of it are 1,001 and not 2,000."""
    assert rate(CARD, {Unit.INPUT_TOKENS: 1}).amount_nano_usd == 2
    assert rate(CARD, {Unit.INPUT_TOKENS: 400}).amount_nano_usd == 401


def test_the_tier_is_chosen_by_all_input_together() -> None:
    """Cached and audio tokens count towards the threshold, output does not."""
    at = {Unit.INPUT_TOKENS: 200, Unit.CACHE_READ_TOKENS: 200, Unit.INPUT_AUDIO_TOKENS: 100}
    above = at | {Unit.INPUT_AUDIO_TOKENS: 101}
    output = {Unit.OUTPUT_TOKENS: 10_000}
    assert dict(rate(CARD, at | output).unit_prices)[Unit.OUTPUT_TOKENS] == 5_000
    assert dict(rate(CARD, above | output).unit_prices)[Unit.OUTPUT_TOKENS] == 8_000


def test_the_answer_names_its_card_and_only_the_units_used() -> None:
    """A rated answer carries the card's version and leaves out counts of zero."""
    rated = rate(CARD, {Unit.OUTPUT_TOKENS: 1, Unit.INPUT_TOKENS: 2, Unit.GROUNDED_REQUESTS: 0})
    assert rated.version == CARD.version
    assert rated.unit_prices == ((Unit.INPUT_TOKENS, 1_001), (Unit.OUTPUT_TOKENS, 5_000))


def test_a_cost_that_the_provider_states_is_the_whole_charge() -> None:
    """Ticks cost 100 pico-USD each, and every other unit of that answer is free, priced or not."""
    card = completed(RateCard("xai", "m", 0, 0, {"": Rates({Unit.INPUT_TOKENS: 2_000})}))
    units = {Unit.INPUT_TOKENS: 9, Unit.SOCIAL_SEARCHES: 2, Unit.BILLED_TICKS: 37_756_001}
    rated = rate(card, units, ["service_tier=priority"])
    assert rated.amount_nano_usd == 3_775_601
    assert dict(rated.unit_prices) == {
        Unit.INPUT_TOKENS: 0,
        Unit.SOCIAL_SEARCHES: 0,
        Unit.BILLED_TICKS: 100,
    }
    assert rate(card, units | {Unit.SOCIAL_SEARCHES: 0, Unit.BILLED_TICKS: 0}).amount_nano_usd == 18


def test_only_a_provider_that_states_its_costs_is_billed_by_them() -> None:
    """Ticks have a price where answers carry them, or where a card names one, and nowhere else."""
    with pytest.raises(Unpriced, match="BILLED_TICKS"):
        rate(CARD, {Unit.BILLED_TICKS: 1})
    marked_up = Rates({Unit.INPUT_TOKENS: 1, Unit.BILLED_TICKS: 120})
    card = completed(RateCard("xai", "m", 0, 0, {"": marked_up}))
    assert rate(card, {Unit.BILLED_TICKS: 10}).amount_nano_usd == 2


def test_a_factor_holds_for_media_and_not_for_fees() -> None:
    """Characters and milliseconds are scaled as tokens are; a flat fee stays."""
    prices = {Unit.INPUT_CHARACTERS: 15, Unit.INPUT_AUDIO_MS: 71_667, Unit.REQUESTS: 9}
    card = RateCard("deepgram", "m", 0, 0, {"": Rates(prices)}, {"mip_opt_out=true": 2_000})
    counts = dict.fromkeys(prices, 1)
    assert dict(rate(card, counts, ["mip_opt_out=true"]).unit_prices) == {
        Unit.INPUT_CHARACTERS: 30,
        Unit.INPUT_AUDIO_MS: 143_334,
        Unit.REQUESTS: 9,
    }


def test_an_unpriced_unit_is_refused() -> None:
    """A unit without a price raises Unpriced, and so does one that nobody knows."""
    with pytest.raises(Unpriced, match="GROUNDED_REQUESTS has no known price"):
        rate(CARD, {Unit.GROUNDED_REQUESTS: 1})
    with pytest.raises(Unpriced, match="unit 99"):
        rate(CARD, {99: 1})  # type: ignore[dict-item]


def test_a_negative_count_is_refused() -> None:
    """A count below zero would be a refund, so it raises ValueError."""
    with pytest.raises(ValueError, match="negative"):
        rate(CARD, {Unit.INPUT_TOKENS: -1})


@pytest.mark.parametrize(
    "variant",
    [
        "",
        "service_tier=default",
        "service_tier=standard",
        "service_tier=auto",
        "speed=standard",
        "inference_geo=not_available",
        "inference_geo=global",
        "colour=blue",
    ],
)
def test_a_variant_that_asks_for_nothing_special_is_the_standard(variant: str) -> None:
    """Default-like values and kinds that never cost more leave the standard price."""
    assert rate(CARD, {Unit.INPUT_TOKENS: 9}, [variant]) == rate(CARD, {Unit.INPUT_TOKENS: 9})
    both = [variant, "service_tier=flex"]
    assert rate(CARD, {Unit.INPUT_TOKENS: 9}, both) == rate(
        CARD, {Unit.INPUT_TOKENS: 9}, ["service_tier=flex"]
    )


def test_a_known_variant_has_its_own_price() -> None:
    """Flex is cheaper and priority dearer than the standard, each as its rates say."""
    assert price_of(Unit.INPUT_TOKENS, "service_tier=flex") == 500
    assert price_of(Unit.INPUT_TOKENS, "service_tier=priority") == 3_000
    assert price_of(Unit.OUTPUT_TOKENS, "service_tier=priority") == 5_000


def test_an_unknown_tier_is_never_cheaper_for_being_unknown() -> None:
    """A service tier without a price costs, unit by unit, the dearest that is known."""
    assert price_of(Unit.INPUT_TOKENS, "service_tier=warp") == 3_000
    assert price_of(Unit.OUTPUT_TOKENS, "service_tier=warp") == 5_000
    assert price_of(Unit.OUTPUT_TOKENS, "service_tier=warp", "processing=batch") == 5_000
    cheap = {name: CARD.rates[name] for name in ("", "service_tier=flex")}
    flex_only = rate(replace(CARD, rates=cheap), {Unit.INPUT_TOKENS: 1}, ["service_tier=warp"])
    assert flex_only.unit_prices == ((Unit.INPUT_TOKENS, 1_001),)
    plain = replace(CARD, rates={"": CARD.rates[""]}, multipliers_permille={})
    assert rate(plain, {Unit.INPUT_TOKENS: 7}, ["speed=warp"]).amount_nano_usd == 8


def test_multipliers_round_each_token_price_up_and_leave_fees_alone() -> None:
    """1,001 pico-USD times 1.1 is 1,102; a search costs what it did."""
    assert price_of(Unit.INPUT_TOKENS, "inference_geo=us") == 1_102
    assert price_of(Unit.WEB_SEARCHES, "inference_geo=us") == 10_000
    assert price_of(Unit.INPUT_TOKENS, "inference_geo=us", "discount=contract") == 991


def test_an_unknown_region_costs_the_dearest_known_one() -> None:
    """A region without a factor is billed at the largest factor, never below the standard."""
    assert price_of(Unit.INPUT_TOKENS, "inference_geo=moon") == 1_102
    cheaper = replace(CARD, multipliers_permille={"inference_geo=us": 500})
    moon = rate(cheaper, {Unit.INPUT_TOKENS: 1}, ["inference_geo=moon"])
    assert moon.unit_prices == ((Unit.INPUT_TOKENS, 1_001),)


def test_naming_a_variant_twice_changes_nothing() -> None:
    """Variants are a set: a repeated factor is applied once."""
    twice = rate(CARD, {Unit.INPUT_TOKENS: 9}, ["inference_geo=us"] * 2)
    assert twice == rate(CARD, {Unit.INPUT_TOKENS: 9}, ["inference_geo=us"])


@pytest.mark.parametrize(("model", "usd"), [("gemini-2.5-pro", 35), ("gemini-4-argon", 14)])
def test_gemini_search_has_one_price_however_it_is_counted(
    book: PriceBook, now_ms: int, model: str, usd: int
) -> None:
    """A grounded request and a single query cost the model's one search price."""
    card = book.find("", "gemini", model, now_ms)
    for unit in (Unit.WEB_SEARCHES, Unit.GROUNDED_REQUESTS):
        assert rate(card, {unit: 1_000}).amount_nano_usd == usd * 10**9


def test_worked_examples_from_the_price_lists(book: PriceBook, now_ms: int) -> None:
    """A cached Anthropic answer, a long OpenAI one and a generated image, computed by hand."""
    opus = book.find("", "anthropic", "claude-opus-5-5", now_ms)
    used = {
        Unit.INPUT_TOKENS: 20,  # $4
        Unit.CACHE_WRITE_5M_TOKENS: 1_024,  # $5
        Unit.CACHE_WRITE_1H_TOKENS: 1_024,  # $8
        Unit.CACHE_READ_TOKENS: 10_000,  # $0.20
        Unit.OUTPUT_TOKENS: 300,  # $20
        Unit.WEB_SEARCHES: 1,  # $0.01
    }
    tokens = 20 * 4_000 + 1_024 * 5_000 + 1_024 * 8_000 + 10_000 * 200 + 300 * 20_000
    assert rate(opus, used).amount_nano_usd == tokens + 10_000_000
    us = rate(opus, used, ["service_tier=standard", "inference_geo=us"])
    assert us.amount_nano_usd == tokens * 11 // 10 + 10_000_000
    assert rate(opus, {Unit.OUTPUT_TOKENS: 1}, ["speed=fast"]).amount_nano_usd == 40_000

    sol = book.find("", "openai", "gpt-6-sol", now_ms)
    long = {Unit.INPUT_TOKENS: 272_001, Unit.OUTPUT_TOKENS: 1_000}
    assert rate(sol, long).amount_nano_usd == 272_001 * 4_000 + 1_000 * 15_000

    image = book.find("", "openai", "gpt-image-1", now_ms)
    drawn = {Unit.INPUT_TOKENS: 40, Unit.INPUT_IMAGE_TOKENS: 10, Unit.OUTPUT_IMAGE_TOKENS: 1_056}
    assert rate(image, drawn).amount_nano_usd == 40 * 5_000 + 10 * 10_000 + 1_056 * 40_000
