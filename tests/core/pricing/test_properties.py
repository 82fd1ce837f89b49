"""For any card, bound and answer: the hold covers the charge, and the charge explains itself."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from mintgate_core.pricing import (
    BoundSpec,
    RateCard,
    Rates,
    Tier,
    Unit,
    Unpriced,
    in_force,
    quote,
    rate,
)
from mintgate_core.pricing.source import BaseCatalogue
from mintgate_core.pricing.table import completed
from mintgate_core.pricing.units import COUNTED_UNITS, INPUT_UNITS, OUTPUT_UNITS

VARIANTS = (
    "",
    "service_tier=default",
    "service_tier=flex",
    "service_tier=priority",
    "service_tier=warp",
    "speed=fast",
    "speed=warp",
    "processing=batch",
    "inference_geo=us",
    "inference_geo=moon",
    "colour=blue",
    "image=hd/1024x1024",
    "image=warp",
    "addon=diarize",
    "addon=redact",
    "addon=warp",
    "hours=01:00-04:00",
    "hours=22:00-00:30",
)
COUNTS = st.integers(0, 3_000)
PRICES = st.integers(0, 10**13)
UNITS = [unit for unit in Unit if unit]

type_units = tuple[Unit, ...]


@st.composite
def rates(draw: DrawFn, *, standard: bool) -> Rates:
    needed = {Unit.INPUT_TOKENS: PRICES, Unit.OUTPUT_TOKENS: PRICES} if standard else {}
    optional = {unit: PRICES for unit in UNITS if unit not in needed}
    prices = draw(st.fixed_dictionaries(needed, optional=optional))
    thresholds = sorted(draw(st.sets(COUNTS, max_size=3)))
    named = st.dictionaries(st.sampled_from(sorted(prices)), PRICES) if prices else st.just({})
    return Rates(prices, tuple(Tier(threshold, draw(named)) for threshold in thresholds))


HOUR_MS = 3_600_000


@st.composite
def cards(draw: DrawFn) -> RateCard:
    known = draw(st.lists(st.sampled_from(VARIANTS[1:]), unique=True, max_size=5))
    factors = st.dictionaries(st.sampled_from(VARIANTS[1:]), st.integers(1, 3_000), max_size=3)
    return RateCard(
        provider=draw(st.sampled_from(("openai", "anthropic", "gemini", "xai"))),
        model="m",
        context_window=draw(COUNTS),
        max_output_tokens=draw(COUNTS),
        rates={"": draw(rates(standard=True))}
        | {variant: draw(rates(standard=False)) for variant in known},
        multipliers_permille=draw(factors),
    )


def some(units: frozenset[Unit]) -> SearchStrategy[type_units]:
    return st.lists(st.sampled_from(sorted(units)), unique=True, max_size=4).map(tuple)


BOUNDS = st.builds(
    BoundSpec,
    input_tokens=COUNTS,
    input_open=st.booleans(),
    input_units=some(INPUT_UNITS),
    passes=st.integers(0, 3),
    output_tokens=st.none() | COUNTS,
    output_open=st.booleans(),
    choices=st.integers(0, 3),
    output_units=some(OUTPUT_UNITS),
    fees=st.dictionaries(
        st.sampled_from(sorted(COUNTED_UNITS - {Unit.CACHE_STORAGE_TOKEN_HOURS})), st.integers(0, 5)
    ),
    input_kept_ms=st.just(0) | st.integers(0, 10 * HOUR_MS),
    variants=st.lists(st.sampled_from(VARIANTS), max_size=4).map(tuple),
)


@st.composite
def spread(draw: DrawFn, units: type_units, total: int) -> dict[Unit, int]:
    """Any split of at most `total` over `units`, often all of it on one."""
    counts: dict[Unit, int] = {}
    for unit in draw(st.permutations(sorted(set(units)))):
        counts[unit] = draw(st.sampled_from((0, total)) | st.integers(0, total))
        total -= counts[unit]
    return counts


@st.composite
def answers(draw: DrawFn, card: RateCard, bound: BoundSpec) -> dict[Unit, int]:
    """Units of an answer that keeps to the bound."""
    passes, choices = max(1, bound.passes), max(1, bound.choices)
    window = card.context_window
    capped = min(bound.input_tokens, window) if window else bound.input_tokens
    input_tokens = (window if bound.input_open else capped) * passes
    stated = None if bound.output_open else bound.output_tokens
    limit = (card.max_output_tokens or window) if stated is None else stated
    return {
        **draw(spread((Unit.INPUT_TOKENS, *bound.input_units), input_tokens)),
        **draw(spread(bound.output_units or (Unit.OUTPUT_TOKENS,), limit * choices * passes)),
        **{unit: draw(st.integers(0, most)) for unit, most in bound.fees.items()},
        Unit.CACHE_STORAGE_TOKEN_HOURS: draw(
            st.integers(0, -(-input_tokens * bound.input_kept_ms // HOUR_MS))
        ),
    }


def check_covered(data: st.DataObject, card: RateCard, bound: BoundSpec) -> None:
    try:
        quoted = quote(card, bound)
    except Unpriced:
        assume(False)
        raise
    used = data.draw(answers(card, bound))
    stated = data.draw(st.sets(st.sampled_from(bound.variants))) if bound.variants else ()
    at_ms = data.draw(st.integers(0, 1_440)) * 60_000
    assert quoted.amount_nano_usd >= rate(in_force(card, at_ms), used, stated).amount_nano_usd


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data(), cards(), BOUNDS)
def test_a_quote_covers_any_answer_within_its_bound(
    data: st.DataObject, card: RateCard, bound: BoundSpec
) -> None:
    """No answer that keeps to the bound costs more than what was held for it."""
    check_covered(data, completed(card), bound)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data(), BOUNDS)
def test_a_quote_covers_any_answer_of_the_real_catalogue(
    base: BaseCatalogue, data: st.DataObject, bound: BoundSpec
) -> None:
    """The same for every real card of every moment, at sizes around its own thresholds."""
    provider = data.draw(st.sampled_from(base.providers))
    model = data.draw(st.sampled_from(base.models(provider)))
    card = data.draw(st.sampled_from(base.timeline(provider, model).cards))
    edges = {tier.above_input_tokens for r in card.rates.values() for tier in r.tiers}
    near = data.draw(st.sampled_from(sorted(edges | {card.context_window, 1_000})))
    known = st.sampled_from((*VARIANTS, *card.rates, *card.multipliers_permille))
    check_covered(
        data,
        card,
        replace(
            bound,
            input_tokens=near + data.draw(st.integers(0, 2)),
            variants=tuple(data.draw(st.lists(known, max_size=3))),
        ),
    )


@settings(max_examples=150, deadline=None)
@given(
    cards(),
    st.dictionaries(st.sampled_from(UNITS), st.integers(0, 2**40)),
    st.lists(st.sampled_from(VARIANTS)),
)
def test_a_charge_can_be_computed_again_from_its_own_prices(
    card: RateCard, units: dict[Unit, int], variants: list[str]
) -> None:
    """The sum of counts times applied prices, rounded up once, is the amount."""
    card = completed(card)
    priced = {unit: n for unit, n in units.items() if unit in card.rates[""].prices}
    rated = rate(card, priced, variants)
    pico = sum(priced[unit] * price for unit, price in rated.unit_prices)
    assert rated.amount_nano_usd == -(-pico // 1_000)


@settings(max_examples=80, deadline=None)
@given(cards())
def test_completing_a_card_twice_is_completing_it_once(card: RateCard) -> None:
    """A complete card comes back equal, also after storage, so reloading changes no price."""
    once = completed(card)
    assert completed(once) == once
    assert completed(RateCard.from_json(once.to_json())) == once


@settings(max_examples=80, deadline=None)
@given(cards())
def test_every_level_of_a_complete_card_prices_the_same_units(card: RateCard) -> None:
    """No variant and no tier loses a unit that the standard price has."""
    once = completed(card)
    standard = once.rates[""].prices.keys()
    for name, each in once.rates.items():
        if name.startswith("addon="):
            assert each == once.rates[name]
            continue
        for level in (each.prices, *(tier.prices for tier in each.tiers)):
            assert standard <= level.keys()
