"""Recordings of several kinds, as Hypothesis draws them."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from tests.http_facade.uploads.sounds import silence


@cache
def _recording(kind: str, seconds: float, channels: int) -> bytes:
    return silence(kind, seconds, channels)


recordings = st.builds(
    _recording,
    st.sampled_from(["wav", "mp3", "flac", "ogg", "m4a", "webm"]),
    st.sampled_from([0.3, 2, 11.7]),
    st.sampled_from([1, 2]),
)
