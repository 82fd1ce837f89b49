"""The length of audio is read off its bytes as they pass."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from mintgate_facade.dialects.audio_clock import Mp3Clock, PcmClock

from tests.http_facade.uploads.sounds import silence


@cache
def recording() -> bytes:
    return silence("mp3", 4)


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 40_000), max_size=12))
def test_mp3_in_any_pieces(cuts: list[int]) -> None:
    """However it is cut, an MP3 is as long as its frames."""
    whole = recording()
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    clock = Mp3Clock()
    for start, end in pairwise(edges):
        clock.see(whole[start:end])
    assert 4_000 <= clock.elapsed_ms <= 4_120


@given(noise=st.binary(max_size=2_000), cut=st.integers(0, 2_000))
def test_noise_has_some_length(noise: bytes, cut: int) -> None:
    """What is no MP3 ends the walk in no error and no loop."""
    clock = Mp3Clock()
    clock.see(noise[:cut])
    clock.see(noise[cut:])
    assert clock.elapsed_ms >= 0


def test_a_tag_before_the_sound_is_skipped() -> None:
    """Pictures in an ID3 tag are no sound, in whatever pieces they come."""
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 8, 0]) + b"\xff\xfb\x90\x64" * 256
    clock = Mp3Clock()
    for at in range(0, len(tag), 3):
        clock.see(tag[at : at + 3])
    clock.see(recording())
    assert 4_000 <= clock.elapsed_ms <= 4_120


def test_pcm_is_counted_up() -> None:
    """A part of a millisecond is one."""
    clock = PcmClock(48_000)
    clock.see(bytes(48_000))
    clock.see(b"x")
    assert clock.elapsed_ms == 1_001
