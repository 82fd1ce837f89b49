"""Tells how long audio is from its bytes as they pass, where its answer states no usage."""

from __future__ import annotations

MS_PER_S = 1_000

_HEADER_BYTES = 4
_ID3_HEADER_BYTES = 10
_SYNC_FIRST = 0xFF
_SYNC_REST = 0xE0
_VERSION_1, _VERSION_RESERVED = 3, 1
_LAYER_3 = 1
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_HZ_1 = (44_100, 48_000, 32_000, 0)
_SAMPLES_1, _SAMPLES_2 = 1_152, 576


class PcmClock:
    """Raw samples; a WAV header before them counts as less than a millisecond of sound."""

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._size_bytes = 0

    def see(self, chunk: bytes) -> None:
        """Count a chunk."""
        self._size_bytes += len(chunk)

    @property
    def elapsed_ms(self) -> int:
        """How long what passed is, rounded up."""
        return -(-self._size_bytes * MS_PER_S // self._bytes_per_s)


class Mp3Clock:
    """Walks the frames of MPEG audio, layer III (ISO/IEC 11172-3 and 13818-3).

    Each frame states its own bit rate and sample rate and so its length in bytes and in
    time, whatever a header at the beginning claims. What is no frame is skipped.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._skip_bytes = 0
        self._at_start = True
        self._elapsed_ms = 0.0

    @property
    def elapsed_ms(self) -> int:
        """How long what passed is, rounded up."""
        return int(-(-self._elapsed_ms // 1))

    def see(self, chunk: bytes) -> None:
        """Walk the frames that begin in a chunk."""
        data = self._rest + chunk
        at = self._tag_end(data) if self._at_start else self._skip_bytes
        if at < 0:
            self._rest = data
            return
        self._at_start = False
        end = len(data) - _HEADER_BYTES
        while at <= end:
            length_bytes, duration_ms = _frame(data, at)
            if length_bytes:
                self._elapsed_ms += duration_ms
                at += length_bytes
            else:
                found = data.find(_SYNC_FIRST, at + 1)
                at = len(data) if found < 0 else found
        self._rest = data[at:]
        self._skip_bytes = max(0, at - len(data))

    @staticmethod
    def _tag_end(data: bytes) -> int:
        """Where an ID3 tag at the beginning ends; -1 while that is not known."""
        if not data.startswith(b"ID3"[: len(data)]):
            return 0
        if len(data) < _ID3_HEADER_BYTES:
            return -1
        size = 0
        for byte in data[6:_ID3_HEADER_BYTES]:
            size = size << 7 | byte & 0x7F
        return _ID3_HEADER_BYTES + size


def _frame(data: bytes, at: int) -> tuple[int, float]:
    """Length (bytes) and duration (ms) of the frame that begins here; zeros if none does."""
    first, second, third = data[at], data[at + 1], data[at + 2]
    if first != _SYNC_FIRST or second & _SYNC_REST != _SYNC_REST:
        return 0, 0.0
    version, layer = second >> 3 & 3, second >> 1 & 3
    if version == _VERSION_RESERVED or layer != _LAYER_3:
        return 0, 0.0
    is_first = version == _VERSION_1
    kbits = (_KBITS_1 if is_first else _KBITS_2)[third >> 4]
    # Version 2 halves the sample rates of version 1, and version 2.5 (0) quarters them.
    hertz = _HZ_1[third >> 2 & 3] >> (0 if is_first else 1 if version else 2)
    if not kbits or not hertz:
        return 0, 0.0
    samples = _SAMPLES_1 if is_first else _SAMPLES_2
    length_bytes = samples // 8 * kbits * MS_PER_S // hertz + (third >> 1 & 1)
    return length_bytes, samples * MS_PER_S / hertz
