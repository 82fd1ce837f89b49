"""Audio is as long as it sounds, whatever its file says."""

from __future__ import annotations

import io
import os
import signal
import struct
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import pytest
from mintgate_facade.uploads.durations import Durations, Length, UnreadableAudioError

from tests.http_facade.uploads.sounds import KINDS, silence

HOUR_MS = 3_600_000


@pytest.fixture
async def durations() -> AsyncIterator[Durations]:
    measured = Durations(HOUR_MS)
    yield measured
    measured.close()


def on_disk(content: bytes) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's block closes it
    file.write(content)
    file.flush()
    return file


async def measure(durations: Durations, content: bytes) -> Length:
    with on_disk(content) as file:
        return await durations.of(file)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_format_is_measured(durations: Durations, kind: str) -> None:
    """What was encoded is found again, but for the frame that encoders add at an end."""
    length = await measure(durations, silence(kind, 7.5))
    assert 7_500 <= length.duration_ms <= 7_600
    assert length.channels == 1


async def test_a_header_that_lies_is_not_believed(durations: Durations) -> None:
    """A WAV header that claims a tenth of its samples leaves the rest unread, and held for."""
    honest = silence("wav", 10)
    at = honest.index(b"data") + 4
    lie = honest[:at] + struct.pack("<I", 32_000) + honest[at + 4 :]
    length = await measure(durations, lie)
    assert length.duration_ms + length.unread_ms >= 10_000


async def test_flac_that_claims_a_second(durations: Durations) -> None:
    """The total of a FLAC file's STREAMINFO is ignored: its frames are decoded."""
    honest = bytearray(silence("flac", 20))
    # The low 32 bits of the number of samples end the 34 bytes of STREAMINFO before its MD5.
    honest[22:26] = struct.pack(">I", 16_000)
    assert (await measure(durations, bytes(honest))).duration_ms >= 20_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"this is text, not sound" * 50,
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        bytes(4_096),
        b"\x89PNG\r\n\x1a\n" + bytes(200),
    ],
    ids=["empty", "text", "playlist", "concatenation", "zeros", "picture"],
)
async def test_what_is_not_audio_is_told(durations: Durations, content: bytes) -> None:
    """No audio, no length; and a file that names others is never followed."""
    with pytest.raises(UnreadableAudioError):
        await measure(durations, content)


async def test_longer_than_allowed(durations: Durations) -> None:
    """An hour too much is noticed when it is reached, not when it was decoded to its end."""
    short = Durations(5_000)
    try:
        with pytest.raises(UnreadableAudioError, match="longer than 5 seconds"):
            await measure(short, silence("flac", 60))
    finally:
        short.close()


async def test_a_decoder_that_dies_is_replaced(
    durations: Durations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash is the file's problem alone: the next file is measured by a new process."""
    sound = silence("wav", 1)
    await measure(durations, sound)
    (probe,) = durations._free
    process = probe._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with pytest.raises(UnreadableAudioError, match="cannot be decoded"):
        await measure(durations, sound)
    assert (await measure(durations, sound)).duration_ms == 1_000


async def test_a_decoder_that_hangs_is_ended() -> None:
    """A file that takes too long is given up, and its process with it."""
    hasty = Durations(HOUR_MS, wait_s=0.0001)
    try:
        with pytest.raises(UnreadableAudioError, match="cannot be decoded"):
            await measure(hasty, silence("mp3", 1))
        assert hasty._free == []
    finally:
        hasty.close()


async def test_the_decoder_has_no_secrets(
    durations: Durations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's keys are not in the environment of what reads strangers' files."""
    monkeypatch.setenv("OPENAI_API_KEY", "operator-key")
    await measure(durations, silence("wav", 1))
    (probe,) = durations._free
    process = probe._process
    assert process is not None
    environment = Path(f"/proc/{process.pid}/environ").read_bytes()  # noqa: ASYNC240 - no disk
    assert b"operator-key" not in environment


async def test_the_file_is_left_at_its_length(durations: Durations) -> None:
    """Measuring changes nothing: the same bytes can be sent on."""
    content = silence("ogg", 2)
    with on_disk(content) as file:
        await durations.of(file)
        file.seek(0)
        assert file.read() == content
    assert io.BytesIO(content).read(4) == b"OggS"
