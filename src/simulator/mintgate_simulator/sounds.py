"""Silence in the formats that speech models answer in, and the length of audio they are sent."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av

PCM_HZ = 24_000
PCM_SAMPLE_BYTES = 2
_MP3_FRAME = bytes.fromhex("fffb9064") + bytes(414)
"""MPEG 1, layer III, 128 kbit/s, 44.1 kHz, no padding: 417 bytes and one to align, 26.12 ms."""
_MP3_FRAME_BYTES = 417
_MP3_FRAME_S = 1_152 / 44_100


def pcm(seconds: float) -> bytes:
    """24 kHz, 16 bits, one channel."""
    return bytes(int(seconds * PCM_HZ) * PCM_SAMPLE_BYTES)


def wav(seconds: float) -> bytes:
    """The same behind a RIFF header."""
    samples = pcm(seconds)
    byte_rate = PCM_HZ * PCM_SAMPLE_BYTES
    form = struct.pack("<HHIIHH", 1, 1, PCM_HZ, byte_rate, PCM_SAMPLE_BYTES, 16)
    head = b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt " + struct.pack("<I", 16)
    return head + form + b"data" + struct.pack("<I", len(samples)) + samples


def mp3(seconds: float) -> bytes:
    """Frames of silence; never shorter than asked for."""
    return _MP3_FRAME[:_MP3_FRAME_BYTES] * -(-int(seconds * 1_000) // int(_MP3_FRAME_S * 1_000))


def seconds_of(file: bytes) -> float | None:
    """How long an uploaded file is; ``None`` when it is no audio."""
    try:
        with av.open(io.BytesIO(file), "r", metadata_errors="ignore") as container:
            # A sum of floats would make eight seconds a little more, which are billed as nine.
            length = Fraction(0)
            for frame in container.decode(audio=0):
                length += Fraction(frame.samples, frame.sample_rate)
            return float(length)
    except (av.FFmpegError, ValueError, IndexError):
        return None


def channels_of(file: bytes) -> int:
    """How many channels an uploaded file has; 1 where that cannot be told."""
    try:
        with av.open(io.BytesIO(file), "r", metadata_errors="ignore") as container:
            return max((stream.channels for stream in container.streams.audio), default=1)
    except (av.FFmpegError, ValueError, IndexError):
        return 1
