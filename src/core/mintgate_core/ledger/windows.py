"""Calendar windows: when one begins and ends, and what a changed cap means for the open one.

Pure arithmetic on a given time; nothing here asks what time it is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from mintgate_core.ledger.money import UNLIMITED
from mintgate_core.ledger.types import Key, Line, LineKind, OpenWindow, WindowCap, WindowPeriod

LINE_ID_RANDOM_BITS = 21
"""A line id is 42 bits of milliseconds and these, so that new rows stand side by side."""


@lru_cache(maxsize=4_096)
def _bounds_of_day(
    period: WindowPeriod, zone: str, year: int, month: int, day: int
) -> tuple[int, int]:
    first = datetime(year, month, day)  # noqa: DTZ001 - a wall clock's reading; the zone follows
    if period is WindowPeriod.DAY:
        after = first + timedelta(days=1)
    elif period is WindowPeriod.WEEK:
        first -= timedelta(days=first.weekday())
        after = first + timedelta(days=7)
    else:
        first = first.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
    # A midnight that the zone skips is read at the offset before the change, which is the
    # moment at which the skipped hour ends; one that comes twice is read the first time.
    return tuple(
        int(edge.replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000 for edge in (first, after)
    )  # type: ignore[return-value]  # two edges


def window_bounds(period: WindowPeriod, zone: str, now_ms: int) -> tuple[int, int]:
    """Start and end, milliseconds since 1970, of the window that a moment lies in.

    Windows follow the zone's wall clock: a day lasts 23 or 25 hours where it changes.
    Raises `zoneinfo.ZoneInfoNotFoundError` for a zone that does not exist.
    """
    local = datetime.fromtimestamp(now_ms // 1_000, UTC).astimezone(ZoneInfo(zone))
    return _bounds_of_day(period, zone, local.year, local.month, local.day)


def current_window(key: Key, now_ms: int) -> OpenWindow | None:
    """The open window if it is not over.

    A clock that went back to before its start does not end it: a window that was
    closed is never opened again, so that its cap cannot be drawn on twice.
    """
    if key.window_cap is None or key.window is None or key.window.end_ms <= now_ms:
        return None
    return key.window


def open_window(key: Key, cap: WindowCap, now_ms: int, line_id: int) -> tuple[OpenWindow, Line]:
    """A fresh window for a key, and its line."""
    start_ms, end_ms = window_bounds(cap.period, cap.zone, now_ms)
    line = Line(
        line_id=line_id,
        wallet_id=key.wallet_id,
        kind=LineKind.KEY_WINDOW,
        cap=cap.cap_nano_usd,
        ceiling=cap.cap_nano_usd,
        key_id=key.key_id,
        window_start_ms=start_ms,
    )
    return OpenWindow(line_id, start_ms, end_ms), line


def lifetime_line(key: Key) -> Line:
    """The line of a new key's cap over its whole life."""
    cap = UNLIMITED if key.cap_nano_usd is None else key.cap_nano_usd
    (line_id,) = key.line_ids
    return Line(line_id, key.wallet_id, LineKind.KEY_CAP, cap, cap, key_id=key.key_id)


def changed_caps(before: Key, after: Key) -> tuple[Key, dict[int, int]]:
    """The key to keep after a change, and the new cap of each line that the change moves.

    Another period or zone ends the open window; the next reserve opens one of the
    new kind.
    """
    caps: dict[int, int] = {}
    if after.cap_nano_usd != before.cap_nano_usd:
        caps[after.line_ids[0]] = UNLIMITED if after.cap_nano_usd is None else after.cap_nano_usd
    if after.window_cap != before.window_cap and before.window is not None:
        if _same_calendar(before.window_cap, after.window_cap) and after.window_cap is not None:
            caps[before.window.line_id] = after.window_cap.cap_nano_usd
        else:
            after = replace(after, window=None)
    return after, caps


def _same_calendar(before: WindowCap | None, after: WindowCap | None) -> bool:
    if before is None or after is None:
        return False
    return (before.period, before.zone) == (after.period, after.zone)


def line_id_of(now_ms: int, seed: int) -> int:
    """A line id from a moment and any number.

    Two of the same millisecond collide with a chance of one in two million, and
    the store's primary key then refuses the second.
    """
    return (now_ms << LINE_ID_RANDOM_BITS) | (seed & ((1 << LINE_ID_RANDOM_BITS) - 1))
