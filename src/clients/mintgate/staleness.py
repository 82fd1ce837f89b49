"""When packaged prices are too old to be trusted without a look, in words."""

from __future__ import annotations

from datetime import UTC, datetime

MS_PER_DAY = 86_400_000


def stale_text(read_at_ms: int, now_ms: int, stale_days: int) -> str:
    """Return a warning when the data is older than `stale_days`; "" for fresh, or for 0 days."""
    age_days = (now_ms - read_at_ms) // MS_PER_DAY
    if not stale_days or not read_at_ms or age_days <= stale_days:
        return ""
    day = datetime.fromtimestamp(read_at_ms // 1_000, tz=UTC).date()
    return f"the packaged prices were read on {day}, {age_days} days ago"
