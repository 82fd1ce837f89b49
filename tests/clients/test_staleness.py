"""Old prices are told of, in days, and only when they are old."""

from __future__ import annotations

import pytest
from mintgate.staleness import MS_PER_DAY, stale_text

READ_MS = 1_795_392_000_000


@pytest.mark.parametrize(
    ("age_days", "stale_days", "told"), [(60, 60, False), (61, 60, True), (500, 0, False)]
)
def test_prices_are_old_after_the_named_days(*, age_days: int, stale_days: int, told: bool) -> None:
    """On the last day nothing is said, after it the day and the age are; 0 days never warn."""
    text = stale_text(READ_MS, READ_MS + age_days * MS_PER_DAY + 5, stale_days)
    expected = f"the packaged prices were read on 2026-11-23, {age_days} days ago"
    assert text == (expected if told else "")


def test_data_that_says_no_day_is_not_old() -> None:
    """A core of an older release does not say when its data was read."""
    assert not stale_text(0, READ_MS, 1)
