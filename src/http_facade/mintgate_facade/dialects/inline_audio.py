"""Whether the bytes of a recording within a request bound how long it is.

A token of audio is 30 to 100 ms of sound. Where each byte is less than that, the bytes bound the
tokens. FLAC, Ogg, MP4 and WebM can say silence, or a wide gap in time, in a few bytes, and a
header of WAV can claim a rate of one sample a second: the length of those is not bounded.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping

BYTES_PER_S_MIN = 64
"""What a second must take at least: 32 tokens a second are no more than the 85 characters of
base64 that these bytes are."""

_PREFIX_BYTES = 4_096
"""How far into a file of WAV its format may stand."""
_CHUNK_HEAD_BYTES = 8
_FORMAT_BYTES = 16
_ID3_HEADER_BYTES = 10
_SYNC = 0xFFE0
"""How every frame of MPEG audio begins."""
_PLAIN_CODECS = frozenset({1, 3, 6, 7})
"""Samples as integers or as floats, a-law, mu-law: each has the size that its header states."""


def bytes_bound(kind: str, data: str) -> bool:
    """Whether audio of a MIME type or a file ending, in base64, is of a form that is bounded.

    What a recording is said to be and what it is must agree: a provider may go by either.
    """
    name = kind.partition(";")[0].strip().lower().removeprefix("audio/").removeprefix("x-")
    form = _FORMS.get(name)
    return form is not None and form(data)


def _is_wav(data: str) -> bool:
    """Whether it is RIFF whose samples have a plain form, and a rate of many bytes a second."""
    head = _bytes(data, 0, _PREFIX_BYTES)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return False
    at, bounded = 12, False
    while len(head) >= at + _CHUNK_HEAD_BYTES:
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        at += _CHUNK_HEAD_BYTES
        if name == b"data":
            return bounded
        if name == b"fmt ":
            if bounded:
                # Which of two a provider reads is not known.
                return False
            bounded = _is_plain(head[at : at + _FORMAT_BYTES])
            if not bounded:
                return False
        at += size + size % 2
    return False


def _is_plain(form: bytes) -> bool:
    if len(form) < _FORMAT_BYTES:
        return False
    codec, channels, hertz = (
        int.from_bytes(form[start:end], "little") for start, end in ((0, 2), (2, 4), (4, 8))
    )
    sample_bits = int.from_bytes(form[14:16], "little")
    return codec in _PLAIN_CODECS and hertz * channels * sample_bits // 8 >= BYTES_PER_S_MIN


def _is_mp3(data: str) -> bool:
    """Whether it begins with a frame of MPEG audio, whose slowest has 1,000 bytes a second."""
    first = _frame(data)
    layer, rate = first[1] >> 1 & 3, first[2] >> 4
    # A free rate (0) states no length, and 15 is none.
    return _is_sync(first) and layer != 0 and rate not in {0, 15}


def _is_aac(data: str) -> bool:
    """Whether it begins with a frame of ADTS: a header of seven bytes for at most 0.6 seconds."""
    first = _frame(data)
    return _is_sync(first) and first[1] >> 1 & 3 == 0


def _is_sync(frame: bytes) -> bool:
    return int.from_bytes(frame[:2], "big") & _SYNC == _SYNC


def _frame(data: str) -> bytes:
    """The first four bytes behind a tag, if there is one."""
    tag = _bytes(data, 0, _ID3_HEADER_BYTES)
    at = 0
    if tag[:3] == b"ID3" and len(tag) == _ID3_HEADER_BYTES:
        for byte in tag[6:]:
            at = at << 7 | byte & 0x7F
        at += _ID3_HEADER_BYTES
    return _bytes(data, at, 4).ljust(4, b"\0")


def _bytes(data: str, at: int, size: int) -> bytes:
    """A piece of what base64 stands for; empty where it is no base64."""
    begin, end = at // 3 * 4, -(-(at + size) // 3) * 4
    # Google's SDK for Python writes the alphabet that is safe in addresses.
    quads = data[begin:end].replace("-", "+").replace("_", "/")
    try:
        piece = binascii.a2b_base64(quads.encode(), strict_mode=True)
    except (binascii.Error, ValueError):
        return b""
    return piece[at % 3 : at % 3 + size]


_FORMS: Mapping[str, Callable[[str], bool]] = {
    "aac": _is_aac,
    "mp3": _is_mp3,
    "mpeg": _is_mp3,
    "vnd.wave": _is_wav,
    "wav": _is_wav,
    "wave": _is_wav,
}
