"""When calendar windows begin and end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate_core.ledger.types import WindowPeriod
from mintgate_core.ledger.windows import window_bounds

ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia")
MOMENTS = st.integers(1_500_000_000_000, 2_200_000_000_000)


def ms(text: str) -> int:
    """A moment with its offset, milliseconds since 1970."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000


@pytest.mark.parametrize(
    ("period", "zone", "at", "start", "end"),
    [
        (WindowPeriod.DAY, "UTC", "2027-03-01T00:00Z", "2027-03-01T00:00Z", "2027-03-02T00:00Z"),
        (
            WindowPeriod.WEEK,
            "UTC",
            "2027-01-03T12:00+00:00",
            "2026-12-28T00:00+00:00",
            "2027-01-04",
        ),
        (
            WindowPeriod.MONTH,
            "UTC",
            "2028-02-29T23:59+00:00",
            "2028-02-01T00:00+00:00",
            "2028-03-01",
        ),
        (
            WindowPeriod.DAY,
            "Europe/Berlin",
            "2027-10-31T12:00+01:00",
            "2027-10-31T00:00+02:00",
            "2027-11-01T00:00+01:00",
        ),
        # Midnight of 4 November 2018 did not exist in Sao Paulo.
        (
            WindowPeriod.DAY,
            "America/Sao_Paulo",
            "2018-11-04T12:00-02:00",
            "2018-11-04T01:00-02:00",
            "2018-11-05T00:00-02:00",
        ),
    ],
)
def test_known_windows(period: WindowPeriod, zone: str, at: str, start: str, end: str) -> None:
    """Days, ISO weeks and months end at the zone's midnight, also where its clock changes."""
    assert window_bounds(period, zone, ms(at)) == (ms(start), ms(end))


@given(at_ms=MOMENTS, period=st.sampled_from(WindowPeriod), zone=st.sampled_from(ZONES))
def test_windows_tile_time(at_ms: int, period: WindowPeriod, zone: str) -> None:
    """A moment lies in its window, and the next window begins where it ends."""
    start_ms, end_ms = window_bounds(period, zone, at_ms)
    assert start_ms <= at_ms < end_ms
    assert window_bounds(period, zone, start_ms) == (start_ms, end_ms)
    assert window_bounds(period, zone, end_ms - 1) == (start_ms, end_ms)
    assert window_bounds(period, zone, end_ms)[0] == end_ms


@given(at_ms=MOMENTS, zone=st.sampled_from(ZONES))
def test_days_nest_in_weeks_and_months(at_ms: int, zone: str) -> None:
    """A week begins on a Monday and a month on a first, each with the day that begins there."""
    for period in (WindowPeriod.WEEK, WindowPeriod.MONTH):
        start_ms, _ = window_bounds(period, zone, at_ms)
        assert window_bounds(WindowPeriod.DAY, zone, start_ms)[0] == start_ms
        local = datetime.fromtimestamp(start_ms / 1_000, UTC).astimezone(ZoneInfo(zone))
        assert local.weekday() == 0 if period is WindowPeriod.WEEK else local.day == 1
        assert local.time() < (datetime.min + timedelta(hours=2)).time()  # noqa: DTZ901 - a time
