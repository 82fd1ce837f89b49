"""What a request chose: sizes, addons and hours, and never a cheap guess for what is unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mintgate_core.pricing import BoundSpec, RateCard, Rates, Unit, Unpriced, quote, rate
from mintgate_core.pricing.table import completed

PICTURES = completed(
    RateCard(
        "openai",
        "painter",
        0,
        0,
        {
            "": Rates({Unit.OUTPUT_IMAGES: 40}),
            "image=standard/1792x1024": Rates({Unit.OUTPUT_IMAGES: 80}),
            "image=hd/1792x1024": Rates({Unit.OUTPUT_IMAGES: 120}),
            "image=low/512x512": Rates({Unit.OUTPUT_IMAGES: 10}),
        },
    )
)
SPEECH = completed(
    RateCard(
        "deepgram",
        "listener",
        0,
        0,
        {
            "": Rates({Unit.INPUT_AUDIO_MS: 1_000}),
            "speech=streaming": Rates({Unit.INPUT_AUDIO_MS: 1_500}),
            "addon=diarize": Rates({Unit.INPUT_AUDIO_MS: 400}),
            "addon=redact": Rates({Unit.INPUT_AUDIO_MS: 300}),
        },
        {"mip_opt_out=true": 2_000},
    )
)


def picture(*variants: str) -> int:
    return dict(rate(PICTURES, {Unit.OUTPUT_IMAGES: 1}, variants).unit_prices)[Unit.OUTPUT_IMAGES]


def second(*variants: str) -> int:
    return dict(rate(SPEECH, {Unit.INPUT_AUDIO_MS: 1}, variants).unit_prices)[Unit.INPUT_AUDIO_MS]


def held(card: RateCard, unit: Unit, *variants: str) -> int:
    bound = BoundSpec(output_tokens=0, fees={unit: 1}, variants=variants)
    return quote(card, bound).fixed_pico_usd


def test_a_choice_costs_its_own_price() -> None:
    """Size and quality are one variant, cheaper or dearer than what nothing was said about."""
    assert [picture(), picture("image=low/512x512"), picture("image=hd/1792x1024")] == [40, 10, 120]


def test_an_unknown_choice_costs_the_dearest_known() -> None:
    """A size that nobody has priced is never cheaper than one that somebody has."""
    assert picture("image=auto") == 120
    assert held(PICTURES, Unit.OUTPUT_IMAGES, "image=auto") == 120
    assert picture("video=8k") == 40


def test_addons_are_added_and_factors_hold_for_the_sum() -> None:
    """Each addon costs its own on top of the base that applies."""
    assert second("addon=diarize") == 1_400
    assert second("speech=streaming", "addon=redact", "addon=diarize") == 2_200
    assert second("addon=redact", "mip_opt_out=true") == 2_600
    assert held(SPEECH, Unit.INPUT_AUDIO_MS, "addon=redact", "mip_opt_out=true") == 2_600


def test_an_unknown_addon_costs_the_dearest_known_or_is_refused() -> None:
    """Where a card sells addons the dearest bounds a new one; where it sells none, nothing does."""
    assert second("addon=entities") == held(SPEECH, Unit.INPUT_AUDIO_MS, "addon=entities") == 1_400
    with pytest.raises(Unpriced, match="addon=diarize has no known price"):
        held(PICTURES, Unit.OUTPUT_IMAGES, "addon=diarize")
    plain = replace(SPEECH, multipliers_permille={})
    with pytest.raises(Unpriced, match="mip_opt_out=true"):
        held(plain, Unit.INPUT_AUDIO_MS, "mip_opt_out=true")


def test_an_addon_prices_nothing_by_itself() -> None:
    """A unit that only an addon names has no price."""
    card = replace(SPEECH, rates={**SPEECH.rates, "addon=x": Rates({Unit.INPUT_PAGES: 1})})
    with pytest.raises(Unpriced, match="INPUT_PAGES"):
        rate(card, {Unit.INPUT_PAGES: 1}, ["addon=x"])
