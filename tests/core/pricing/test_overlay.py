"""The overlay: it fills gaps, every row of it does, and it never replaces a price."""

from __future__ import annotations

from functools import cache

import pytest
from mintgate_core.pricing import PriceBook, PriceDataError, Unit, rate
from mintgate_core.pricing.overlay import Draft, fill, load_overlay, parse_overlay
from mintgate_core.pricing.source import BaseCatalogue
from mintgate_core.pricing.table import Price

HEAD = 'revision = "2026-01-01"\n'


def test_it_never_changes_a_price_that_the_source_names(
    base: BaseCatalogue, bare: BaseCatalogue, now_ms: int
) -> None:
    """Plain input and output, and every variant of the source, cost the same with and without."""
    for provider in bare.providers:
        for model in bare.models(provider):
            with_it = base.timeline(provider, model).at(now_ms)
            without = bare.timeline(provider, model).at(now_ms)
            assert with_it is not None
            assert without is not None
            for variant, rates in without.rates.items():
                for unit in (Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS, Unit.WEB_SEARCHES):
                    if unit in rates.prices:
                        assert with_it.rates[variant].prices[unit] == rates.prices[unit]


def test_every_row_fills_a_gap_of_every_model_it_names(base: BaseCatalogue, now_ms: int) -> None:
    """A row that fills nothing is out of date and must go; one for later is tried on its day."""
    draft = cache(base._draft)
    for row in load_overlay().rows:
        assert row.source
        at_ms = max(now_ms, row.effective_at_ms)
        models = row.models or base.models(row.provider)
        filled = {model for model in models if fill(row, draft(row.provider, model, at_ms))}
        assert filled, row
        assert filled == row.models or not row.models, row


def test_a_price_that_is_announced_takes_over_on_its_day(book: PriceBook) -> None:
    """Of two rows that fill one gap the later one holds as soon as it is in force."""
    day_ms = 1_798_761_600_000
    for at_ms, pico_usd in ((day_ms - 1, 500_000), (day_ms, 1_000_000)):
        card = book.find("", "gemini", "gemini-3.8-flash", at_ms)
        assert card.rates[""].prices[Unit.CACHE_STORAGE_TOKEN_HOURS] == pico_usd


def test_an_alias_is_no_model_of_its_own(base: BaseCatalogue, book: PriceBook, now_ms: int) -> None:
    """Each further name leads to its model, and no row prices it a second time."""
    for provider, name, model in load_overlay().aliases():
        assert name not in base.models(provider)
        found = book.find("", provider, name.replace("*", "x"), now_ms)
        assert found.model == model


def test_inference_in_the_us_costs_a_tenth_more(book: PriceBook, now_ms: int) -> None:
    """Anthropic's region factor holds on tokens from its day on, and for no other provider."""
    card = book.find("", "anthropic", "claude-opus-4-6", now_ms)
    assert card.multipliers_permille == {"inference_geo=us": 1_100}
    assert card.source.startswith("genai-prices 0.2.3 + overlay ")
    assert not book.find("", "anthropic", "claude-opus-4-6", 0).multipliers_permille
    assert not book.find("", "openai", "gpt-5", now_ms).multipliers_permille


def test_a_twelve_hour_write_costs_twice_the_short_one(book: PriceBook, now_ms: int) -> None:
    """OpenAI models with a write fee price the long write under every variant and tier."""
    card = book.find("", "openai", "gpt-6-astra", now_ms)
    for rates in card.rates.values():
        for level in (rates.prices, *(tier.prices for tier in rates.tiers)):
            long, short = level[Unit.CACHE_WRITE_1H_TOKENS], level[Unit.CACHE_WRITE_5M_TOKENS]
            assert long == 2 * short
    older = book.find("", "openai", "gpt-5", now_ms).rates[""].prices
    assert older[Unit.CACHE_WRITE_1H_TOKENS] == older[Unit.INPUT_TOKENS]


@pytest.mark.parametrize(
    ("provider", "model", "variant", "unit", "usd_per_million"),
    [
        ("openai", "gpt-6-astra", "service_tier=ultrafast", Unit.OUTPUT_TOKENS, 300),
        ("openai", "gpt-6.1-sol", "service_tier=ultrafast", Unit.CACHE_WRITE_1H_TOKENS, 30),
        ("gemini", "gemini-2.5-pro", "service_tier=priority", Unit.OUTPUT_TOKENS, 18),
        ("gemini", "gemini-4-argon", "service_tier=flex", Unit.INPUT_TOKENS, 1),
        ("openai", "gpt-4o-audio-preview", "", Unit.OUTPUT_AUDIO_TOKENS, 80),
    ],
)
def test_second_hand_prices_come_out_as_published(
    book: PriceBook, now_ms: int, *, provider: str, model: str, variant: str, unit: Unit,
    usd_per_million: int,
) -> None:  # fmt: skip
    """Prices made from factors are the very figures of the list they were taken from."""
    card = book.find("", provider, model, now_ms)
    used = rate(card, {unit: 1_000}, [variant])
    assert used.amount_nano_usd == usd_per_million * 1_000_000


def test_cached_input_keeps_its_price_where_flex_does_not_halve_it(
    book: PriceBook, now_ms: int
) -> None:
    """Gemini 2.5's flex halves input but not what is read from the cache."""
    card = book.find("", "gemini", "gemini-2.5-flash", now_ms)
    standard, flex = card.rates[""].prices, card.rates["service_tier=flex"].prices
    assert flex[Unit.INPUT_TOKENS] * 2 == standard[Unit.INPUT_TOKENS]
    assert flex[Unit.CACHE_READ_TOKENS] == standard[Unit.CACHE_READ_TOKENS]
    assert flex[Unit.WEB_SEARCHES] == standard[Unit.WEB_SEARCHES]


def test_rows_that_find_no_gap_change_nothing() -> None:
    """Each kind of row leaves alone what is already there, and says so."""
    overlay = parse_overlay(
        HEAD
        + """
        [[price]]
        provider = "openai"
        usd_per_million = { INPUT_TOKENS = 1 }
        source = "s"
        [[ratio]]
        provider = "openai"
        unit = "INPUT_TOKENS"
        of = "OUTPUT_TOKENS"
        permille = 500
        source = "s"
        [[variant]]
        provider = "openai"
        variant = "service_tier=flex"
        permille = 500
        source = "s"
        [[limit]]
        provider = "openai"
        context_window = 5
        source = "s"
        """
    )
    prices = {Unit.INPUT_TOKENS: Price(7), Unit.OUTPUT_TOKENS: Price(7)}
    draft = Draft("openai", "m", dict(prices), {"service_tier=flex": dict(prices)}, {}, 9, 9)
    assert not overlay.fill(draft, at_ms=0)
    assert draft.standard == draft.variants["service_tier=flex"] == prices
    assert draft.context_window == 9


def test_a_row_holds_from_its_day_on() -> None:
    """Before its effective day a row fills nothing; on that day, from midnight UTC, it does."""
    overlay = parse_overlay(
        HEAD
        + """
        [[multiplier]]
        provider = "anthropic"
        variant = "inference_geo=us"
        permille = 1100
        effective = 2026-02-05
        source = "s"
        """
    )
    (starts_ms,) = overlay.moments_ms("anthropic", "m")
    assert starts_ms == 1_770_249_600_000
    assert not overlay.moments_ms("openai", "m")
    draft = Draft("anthropic", "m", {})
    assert not overlay.fill(draft, starts_ms - 1)
    assert overlay.fill(draft, starts_ms)
    assert draft.multipliers_permille == {"inference_geo=us": 1_100}


@pytest.mark.parametrize(
    "text",
    [
        "[[prise]]\nprovider = 'openai'\nsource = 's'",
        "[[price]]\nprovider = 'openai'",
        "[[price]]\nsource = 's'",
        "[[price]]\nprovider = 'openai'\nsource = 's'\nusd_per_million = { TEA = 1 }",
        "[[limit]]\nprovider = 'openai'\nsource = 's'\ncontext_windows = 1",
    ],
)
def test_a_malformed_row_stops_the_load(text: str) -> None:
    """Unknown tables, units and fields, and rows without provenance, are errors."""
    with pytest.raises(PriceDataError):
        parse_overlay(HEAD + text)
