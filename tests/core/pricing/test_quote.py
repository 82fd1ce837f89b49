"""Worst cases: every limit that binds, every price that could apply, and refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mintgate_core.pricing import (
    BoundSpec,
    PriceBook,
    RateCard,
    Rates,
    Tier,
    Unit,
    Unpriced,
    quote,
    rate,
)
from mintgate_core.pricing.table import completed
from mintgate_core.pricing.variants import MANY

CARD = completed(
    RateCard(
        "openai",
        "m",
        1_000,
        100,
        {
            "": Rates(
                {
                    Unit.INPUT_TOKENS: 2_000,
                    Unit.CACHE_WRITE_5M_TOKENS: 3_000,
                    Unit.OUTPUT_TOKENS: 5_000,
                    Unit.OUTPUT_AUDIO_TOKENS: 9_000,
                    Unit.WEB_SEARCHES: 10_000,
                },
                (Tier(500, {Unit.INPUT_TOKENS: 4_000, Unit.OUTPUT_TOKENS: 8_000}),),
            ),
            "service_tier=priority": Rates({Unit.INPUT_TOKENS: 6_000, Unit.OUTPUT_TOKENS: 7_000}),
            "service_tier=flex": Rates({Unit.INPUT_TOKENS: 1, Unit.OUTPUT_TOKENS: 1}),
        },
        {"inference_geo=us": 1_100, "discount=contract": 900},
    )
)


def fixed(**bound: object) -> int:
    return quote(CARD, BoundSpec(**bound)).fixed_pico_usd  # type: ignore[arg-type]


def per_output_token(**bound: object) -> int:
    return quote(CARD, BoundSpec(output_tokens=1, **bound)).unit_pico_usd  # type: ignore[arg-type]


def test_a_quote_is_input_plus_output_rounded_up_once() -> None:
    """The amount is the sum of both parts, in nano-USD, never rounded down."""
    quoted = quote(replace(CARD, rates={"": Rates({Unit.INPUT_TOKENS: 1, Unit.OUTPUT_TOKENS: 1})}),
                   BoundSpec(input_tokens=1, output_tokens=1_000))  # fmt: skip
    assert (quoted.fixed_pico_usd, quoted.unit_pico_usd, quoted.amount_nano_usd) == (1, 1, 2)


def test_the_context_window_caps_each_pass() -> None:
    """A body of any size costs at most a full window; the price above the threshold counts."""
    assert fixed(input_tokens=10**9) == 1_000 * 4_000
    assert fixed(input_tokens=10**9, passes=3) == 3_000 * 4_000
    assert fixed(input_tokens=100) == 100 * 2_000


def test_a_request_without_output_carries_many_items() -> None:
    """The window bounds one text of an embedding, also where its model has an output price."""
    assert fixed(input_tokens=5_000, output_tokens=0) == 5_000 * 4_000
    assert fixed(input_tokens=5_000, output_tokens=1) == 1_000 * 4_000
    assert fixed(input_tokens=5_000, input_open=True, output_tokens=0) == 5_000 * 4_000


def test_open_input_is_a_full_window() -> None:
    """Content that is not in the request costs the whole window, however small the body."""
    assert fixed(input_tokens=1, input_open=True) == 1_000 * 4_000


def test_open_output_is_the_models_largest() -> None:
    """Where no limit holds the output, the largest is held and no smaller one is affordable."""
    open_ended = quote(CARD, BoundSpec(output_tokens=1, output_open=True, choices=2))
    assert open_ended.fixed_pico_usd == 2 * 100 * 5_000
    assert (open_ended.unit_pico_usd, open_ended.stated, open_ended.tokens) == (0, True, 200)


def test_the_tier_is_reached_by_all_passes_together() -> None:
    """Usage is summed over passes, so two passes below the threshold can pass it."""
    assert fixed(input_tokens=500) == 500 * 2_000
    assert fixed(input_tokens=251, passes=2) == 502 * 4_000


def test_a_tier_that_is_cheaper_does_not_lower_the_worst_case() -> None:
    """A bound above a threshold may still be met by an answer below it."""
    rates = Rates({Unit.INPUT_TOKENS: 9, Unit.OUTPUT_TOKENS: 9}, (
        Tier(10, {Unit.INPUT_TOKENS: 1, Unit.OUTPUT_TOKENS: 1}),))  # fmt: skip
    quoted = quote(replace(CARD, rates={"": rates}), BoundSpec(input_tokens=20, output_tokens=1))
    assert (quoted.fixed_pico_usd, quoted.unit_pico_usd) == (20 * 9, 9)


def test_the_dearest_unit_counts() -> None:
    """Input that may be written to a cache costs the write; output that may be audio, the audio."""
    assert fixed(input_tokens=10, input_units=(Unit.CACHE_WRITE_5M_TOKENS,)) == 10 * 3_000
    both = (Unit.OUTPUT_TOKENS, Unit.OUTPUT_AUDIO_TOKENS)
    assert per_output_token(output_units=both) == 9_000
    assert per_output_token() == 5_000


def test_the_dearest_variant_counts_and_the_standard_always_does() -> None:
    """Priority raises the quote; flex cannot lower it, since it may not be granted."""
    assert fixed(input_tokens=10, variants=("service_tier=priority",)) == 10 * 6_000
    assert fixed(input_tokens=10, variants=("service_tier=flex",)) == 10 * 2_000
    above = per_output_token(input_tokens=501, variants=("service_tier=priority",))
    assert above == 8_000


def test_multipliers_that_raise_count_and_those_that_lower_do_not() -> None:
    """The factor for a region is held; a discount only shows in the exact cost."""
    variants = ("inference_geo=us", "discount=contract")
    assert fixed(input_tokens=10, variants=variants) == 10 * 2_200
    assert fixed(fees={Unit.WEB_SEARCHES: 3}, output_tokens=0, variants=variants) == 30_000


def test_choices_and_passes_multiply_the_output() -> None:
    """Each choice of each pass may use the whole limit; 0 of either means 1."""
    assert per_output_token(choices=3, passes=2) == 5_000 * 6
    assert per_output_token(choices=0, passes=0) == 5_000


def test_a_stated_limit_is_taken_as_it_is() -> None:
    """A stated limit is neither raised nor lowered, even above the model's largest output."""
    quoted = quote(CARD, BoundSpec(output_tokens=10**6, output_tokens_min=16))
    assert (quoted.output_tokens, quoted.stated, quoted.output_tokens_min) == (10**6, True, 16)


def test_without_a_limit_the_models_largest_output_counts() -> None:
    """No stated limit: the largest output, else the window, else refused."""
    assert quote(CARD, BoundSpec()).output_tokens == 100
    assert not quote(CARD, BoundSpec()).stated
    assert quote(replace(CARD, max_output_tokens=0), BoundSpec()).output_tokens == 1_000
    unknown = replace(CARD, max_output_tokens=0, context_window=0)
    with pytest.raises(Unpriced, match="state a limit"):
        quote(unknown, BoundSpec())


def test_an_unknown_window_leaves_the_body_as_the_bound() -> None:
    """Without a window the bytes bound holds; open input is refused."""
    unknown = replace(CARD, context_window=0)
    assert quote(unknown, BoundSpec(input_tokens=5_000)).fixed_pico_usd == 5_000 * 4_000
    with pytest.raises(Unpriced, match="context window"):
        quote(unknown, BoundSpec(input_open=True))


def test_an_embeddings_window_does_not_cap_a_batch() -> None:
    """A model without output takes many items in one request, each with its own window."""
    embedding = completed(RateCard("openai", "e", 8_192, 0, {"": Rates({Unit.INPUT_TOKENS: 10})}))
    quoted = quote(embedding, BoundSpec(input_tokens=300_000, output_tokens=0))
    assert (quoted.fixed_pico_usd, quoted.unit_pico_usd) == (3_000_000, 0)
    opened = quote(embedding, BoundSpec(input_tokens=300_000, input_open=True, output_tokens=0))
    assert opened.fixed_pico_usd == 3_000_000


def test_what_has_no_price_is_refused() -> None:
    """A unit or fee that could be billed but has no price raises Unpriced; zero of it does not."""
    with pytest.raises(Unpriced, match="GROUNDED_REQUESTS"):
        quote(CARD, BoundSpec(fees={Unit.GROUNDED_REQUESTS: 1}))
    assert quote(CARD, BoundSpec(fees={Unit.GROUNDED_REQUESTS: 0})).fixed_pico_usd == 0
    with pytest.raises(Unpriced, match="unit 99"):
        quote(CARD, BoundSpec(input_tokens=1, input_units=(99,)))  # type: ignore[arg-type]


def test_a_unit_that_only_a_variant_prices_is_refused() -> None:
    """The variant may not be granted, and then nothing would price what was forwarded."""
    searching = Rates({Unit.WEB_SEARCHES: 5})
    card = completed(
        replace(CARD, rates={"": Rates({Unit.INPUT_TOKENS: 1}), "service_tier=flex": searching})
    )
    bound = BoundSpec(output_tokens=0, fees={Unit.WEB_SEARCHES: 1}, variants=("service_tier=flex",))
    with pytest.raises(Unpriced, match="WEB_SEARCHES"):
        quote(card, bound)


@pytest.mark.parametrize(
    ("provider", "model", "variant"),
    [
        ("openai", "gpt-6-luna", "service_tier=ultrafast"),
        ("openai", "o1", "service_tier=priority"),
        ("anthropic", "claude-opus-4-7", "speed=fast"),
        ("gemini", "gemini-2.0-flash", "service_tier=priority"),
    ],
)
def test_a_surcharge_without_a_price_is_refused(
    book: PriceBook, now_ms: int, provider: str, model: str, variant: str
) -> None:
    """A variant known to cost a multiple is refused on a model that has no price for it."""
    card = book.find("", provider, model, now_ms)
    assert quote(card, BoundSpec(output_tokens=1)).amount_nano_usd > 0
    with pytest.raises(Unpriced, match=variant):
        quote(card, BoundSpec(output_tokens=1, variants=(variant,)))


def test_a_harmless_unknown_variant_is_the_standard() -> None:
    """A variant of a kind that never costs more leaves the quote as it is."""
    assert fixed(input_tokens=10, variants=("colour=blue",)) == fixed(input_tokens=10)


def test_media_are_held_at_their_largest_count() -> None:
    """Work that is no tokens is bounded beside them, at the dearest variant that could apply."""
    card = RateCard(
        "openai",
        "m",
        0,
        0,
        {
            "": Rates({Unit.OUTPUT_IMAGES: 40_000, Unit.INPUT_CHARACTERS: 15}),
            "service_tier=priority": Rates({Unit.OUTPUT_IMAGES: 90_000}),
        },
        {"inference_geo=us": 1_100},
    )
    fees = {Unit.OUTPUT_IMAGES: 3, Unit.INPUT_CHARACTERS: 1_000}
    plain = BoundSpec(output_tokens=0, fees=fees)
    assert quote(completed(card), plain).fixed_pico_usd == 3 * 40_000 + 15_000
    dear = replace(plain, variants=("service_tier=priority", "inference_geo=us"))
    assert quote(completed(card), dear).fixed_pico_usd == 3 * 99_000 + 1_000 * 17
    assert quote(completed(card), plain).tokens == 0


def many(**bound: object) -> BoundSpec:
    return BoundSpec(variants=("processing=batch", MANY), **bound)  # type: ignore[arg-type]


BATCHED = replace(CARD, rates={
    **CARD.rates,
    "processing=batch": Rates({Unit.INPUT_TOKENS: 1_000, Unit.OUTPUT_TOKENS: 2_500}),
})  # fmt: skip


def test_a_cache_costs_its_input_and_its_storage() -> None:
    """Every token that may be kept is held for all its time, by the begun token-hour."""
    stored = {Unit.INPUT_TOKENS: 2_000, Unit.CACHE_STORAGE_TOKEN_HOURS: 10}
    card = replace(CARD, rates={"": Rates(stored)}, context_window=0)
    kept = BoundSpec(input_tokens=100, output_tokens=0, input_kept_ms=5_400_000)
    assert quote(card, kept).fixed_pico_usd == 100 * 2_000 + 150 * 10
    moment = BoundSpec(input_tokens=100, output_tokens=0, input_kept_ms=1)
    assert quote(card, moment).fixed_pico_usd == 100 * 2_000 + 10
    with pytest.raises(Unpriced, match="CACHE_STORAGE_TOKEN_HOURS"):
        quote(CARD, moment)


def test_many_requests_cost_the_sum_at_the_batch_price() -> None:
    """Neither the window nor a tier is reached by a sum, and the standard price does not count."""
    quoted = quote(BATCHED, many(input_tokens=9_000, output_tokens=700, largest_input_tokens=400))
    assert quoted.fixed_pico_usd == 9_000 * 1_000 + 700 * 2_500
    assert (quoted.unit_pico_usd, quoted.tokens, quoted.stated) == (0, 9_700, True)
    units = {Unit.INPUT_TOKENS: 9_000, Unit.OUTPUT_TOKENS: 700}
    rated = rate(BATCHED, units, ("processing=batch", MANY))
    assert rated.amount_nano_usd == quoted.amount_nano_usd


def test_answers_of_many_without_a_limit_are_the_models_largest() -> None:
    """What states no limit is held at the largest output, once for each."""
    quoted = quote(BATCHED, many(output_tokens=7, unlimited_answers=3, largest_input_tokens=1))
    assert quoted.fixed_pico_usd == (7 + 3 * 100) * 2_500


def test_many_requests_without_a_batch_price() -> None:
    """A model that has no batch price is held and charged at the standard one."""
    assert quote(CARD, many(input_tokens=600, largest_input_tokens=300)).fixed_pico_usd == (
        600 * 2_000
    )
    rated = rate(CARD, {Unit.INPUT_TOKENS: 600}, ("processing=batch", MANY))
    assert rated.amount_nano_usd == 600 * 2


def test_one_of_many_that_may_reach_a_long_context_price_is_refused() -> None:
    """The sum of their usage could not tell which of them did."""
    with pytest.raises(Unpriced, match="500 tokens"):
        quote(CARD, many(input_tokens=600, largest_input_tokens=501))
    assert quote(CARD, many(input_tokens=600, largest_input_tokens=500)).fixed_pico_usd
