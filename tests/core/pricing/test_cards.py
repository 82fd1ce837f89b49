"""Rate cards: exact, versioned by what they price, and the same after storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from mintgate_core.pricing import RateCard, Rates, Tier, Unit

PRICES = {Unit.INPUT_TOKENS: 2_000_000, Unit.OUTPUT_TOKENS: 8_000_000}
CARD = RateCard(
    provider="openai",
    model="m",
    context_window=128_000,
    max_output_tokens=16_000,
    rates={
        "": Rates(PRICES, (Tier(1_000, {Unit.INPUT_TOKENS: 4_000_000}),)),
        "service_tier=flex": Rates({Unit.INPUT_TOKENS: 1}),
    },
    multipliers_permille={"inference_geo=us": 1_100},
    effective_at_ms=7,
    source="test",
)


def test_a_stored_card_comes_back_equal() -> None:
    """from_json undoes to_json, version and source included."""
    again = RateCard.from_json(CARD.to_json())
    assert again == CARD
    assert again.version == CARD.version
    assert again.source == "test"


def test_the_version_follows_what_is_priced_and_nothing_else() -> None:
    """Any priced field changes the version; the source and the order of units do not."""
    assert len(CARD.version) == 16
    assert replace(CARD, source="elsewhere").version == CARD.version
    reordered = dict(reversed(PRICES.items()))
    rates = {**CARD.rates, "": Rates(reordered, CARD.rates[""].tiers)}
    assert replace(CARD, rates=rates).version == CARD.version
    changed = [
        replace(CARD, model="n"),
        replace(CARD, provider="gemini"),
        replace(CARD, context_window=1),
        replace(CARD, max_output_tokens=1),
        replace(CARD, effective_at_ms=8),
        replace(CARD, multipliers_permille={}),
        replace(CARD, rates={"": CARD.rates[""]}),
        replace(CARD, rates={**CARD.rates, "": Rates(PRICES)}),
    ]
    assert len({CARD.version, *(card.version for card in changed)}) == len(changed) + 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rates({Unit.INPUT_TOKENS: 0.5}),  # type: ignore[dict-item]
        lambda: Rates({Unit.INPUT_TOKENS: True}),
        lambda: Rates({Unit.INPUT_TOKENS: -1}),
        lambda: Rates({Unit.INPUT_TOKENS: 2**53 + 1}),
        lambda: Rates({Unit.UNSPECIFIED: 1}),
        lambda: Rates({99: 1}),  # type: ignore[dict-item]
        lambda: Rates(PRICES, (Tier(5, {}), Tier(5, {}))),
        lambda: Rates(PRICES, (Tier(9, {}), Tier(5, {}))),
        lambda: Rates(PRICES, (Tier(5, {Unit.WEB_SEARCHES: 1}),)),
        lambda: Tier(-1, PRICES),
        lambda: replace(CARD, rates={}),
        lambda: replace(CARD, provider=""),
        lambda: replace(CARD, model=""),
        lambda: replace(CARD, context_window=-1),
        lambda: replace(CARD, max_output_tokens=1.0),  # type: ignore[arg-type]
        lambda: replace(CARD, effective_at_ms=-1),
        lambda: replace(CARD, multipliers_permille={"inference_geo=us": 0}),
    ],
)
def test_a_card_that_cannot_be_exact_is_refused(make: Callable[[], object]) -> None:
    """Fractions, negatives, unknown units and disordered tiers raise ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - each case has a text of its own
        make()


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "3", CARD.to_json().replace("INPUT_TOKENS", "INPUT_TEA")],
)
def test_a_malformed_row_is_a_value_error(text: str) -> None:
    """Reading what is not a card raises ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError):  # noqa: PT011 - as above
        RateCard.from_json(text)


def test_a_card_cannot_be_changed_in_place() -> None:
    """The mappings of a card are read-only copies of what it was made from."""
    source = dict(PRICES)
    rates = Rates(source)
    source[Unit.INPUT_TOKENS] = 0
    assert rates.prices == PRICES
    with pytest.raises(TypeError):
        rates.prices[Unit.INPUT_TOKENS] = 0  # type: ignore[index]


def test_a_tier_holds_above_its_threshold_and_not_at_it() -> None:
    """Exactly the threshold is still the lower price; one token more is the tier's."""
    rates = CARD.rates[""]
    assert rates.at(1_000)[Unit.INPUT_TOKENS] == 2_000_000
    assert rates.at(1_001)[Unit.INPUT_TOKENS] == 4_000_000
