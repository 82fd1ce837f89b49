"""Prices by the time of day: read strictly, held at the dearest hour, frozen at one moment."""

from __future__ import annotations

import pytest
from mintgate_core.pricing import BoundSpec, RateCard, Rates, Unit, in_force, quote, rate
from mintgate_core.pricing.hours import check_hours, minutes_of
from mintgate_core.pricing.table import completed

MINUTE_MS = 60_000
CARD = completed(
    RateCard(
        "deepseek",
        "m",
        0,
        0,
        {
            "": Rates({Unit.INPUT_TOKENS: 100}),
            "hours=01:00-04:00": Rates({Unit.INPUT_TOKENS: 200}),
            "hours=22:30-00:30": Rates({Unit.INPUT_TOKENS: 50}),
            "service_tier=priority": Rates({Unit.INPUT_TOKENS: 150}),
        },
    )
)


@pytest.mark.parametrize(
    ("minute", "price"),
    [(0, 50), (29, 50), (30, 100), (59, 100), (60, 200), (239, 200), (240, 100), (1_350, 50)],
)
def test_the_hour_of_the_request_decides(minute: int, price: int) -> None:
    """From the first minute of a span up to the last before its end, over midnight too."""
    day_ms = 20_000 * 86_400_000
    reduced = in_force(CARD, day_ms + minute * MINUTE_MS + 59_999)
    assert rate(reduced, {Unit.INPUT_TOKENS: 1}).unit_prices == ((Unit.INPUT_TOKENS, price),)
    assert set(reduced.rates) == {"", "service_tier=priority"}


def test_a_hold_covers_every_hour() -> None:
    """A request that is held a minute before the peak is held at the peak's price."""
    bound = BoundSpec(input_tokens=10, output_tokens=0)
    assert quote(CARD, bound).fixed_pico_usd == 2_000


def test_a_card_without_hours_is_itself() -> None:
    """Nothing is copied and no version changes where the hour does not matter."""
    plain = completed(RateCard("openai", "m", 0, 0, {"": Rates({Unit.INPUT_TOKENS: 1})}))
    assert in_force(plain, 0) is plain


@pytest.mark.parametrize(
    "text", ["hours=1:00-2:00", "hours=24:00-01:00", "hours=01:00-01:00", "hours=01:60-02:00"]
)
def test_hours_are_read_strictly(text: str) -> None:
    """What is not two times of a day is an error, and so is no time at all."""
    with pytest.raises(ValueError, match="hours="):
        minutes_of(text)


def test_hours_of_one_card_do_not_overlap() -> None:
    """Two spans may touch, over midnight too, and share no minute."""
    check_hours(["hours=22:00-01:00", "hours=01:00-02:00", "service_tier=flex"])
    with pytest.raises(ValueError, match="overlaps"):
        check_hours(["hours=22:00-01:01", "hours=01:00-02:00"])
