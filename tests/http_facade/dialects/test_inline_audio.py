"""Audio within a request: its bytes bound its length, or nothing but the window does."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache

import pytest
from mintgate_facade.dialects.base import Ask
from mintgate_facade.dialects.inline_audio import bytes_bound

from tests.http_facade.uploads.sounds import silence

Read = Callable[..., Ask]
SECONDS = 120
TOKENS_PER_S = 32
MIME = {"m4a": "audio/mp4", "mp3": "audio/mpeg"}


@cache
def recording(kind: str) -> str:
    return base64.b64encode(silence(kind, SECONDS)).decode()


def gemini(read: Read, mime: str, data: str) -> Ask:
    part = {"inlineData": {"mimeType": mime, "data": data}}
    document = {"contents": [{"parts": [part]}]}
    return read("gemini", "generate", document, path_model="gemini-2.5-flash")


def openai(read: Read, form: str, data: str) -> Ask:
    part = {"type": "input_audio", "input_audio": {"data": data, "format": form}}
    return read("openai", "chat", {"model": "m", "messages": [{"role": "user", "content": [part]}]})


@pytest.mark.parametrize("kind", ["wav", "mp3", "flac", "ogg", "m4a", "webm"])
def test_a_long_silence_is_held_for(read: Read, kind: str) -> None:
    """However few bytes a recording has, each of its seconds is held for."""
    bound = gemini(read, MIME.get(kind, f"audio/{kind}"), recording(kind)).bound

    assert bound.input_open or bound.input_tokens >= SECONDS * TOKENS_PER_S
    assert bound.input_open is (kind not in {"wav", "mp3"})


@pytest.mark.parametrize(("said", "kind"), [("wav", "flac"), ("mp3", "ogg"), ("mp3", "wav")])
def test_what_is_said_must_be_what_it_is(read: Read, said: str, kind: str) -> None:
    """A recording of another form than it is said to be is bounded by nothing."""
    assert openai(read, said, recording(kind)).bound.input_open
    assert gemini(read, f"audio/{said}", recording(kind)).bound.input_open


def test_usual_recordings_are_bounded_by_their_bytes(read: Read) -> None:
    """What the SDKs send, and in whichever alphabet, needs no whole context window."""
    for kind in ("wav", "mp3"):
        data = recording(kind)
        safe = data.replace("+", "-").replace("/", "_")
        assert not openai(read, kind, data).bound.input_open
        assert not gemini(read, f"audio/x-{kind}; rate=1", safe).bound.input_open


def wav(*, hertz: int = 16_000, codec: int = 1, bits: int = 16, twice: bool = False) -> str:
    """A header of WAV with nothing behind it."""
    numbers = ((codec, 2), (1, 2), (hertz, 4), (hertz * bits // 8, 4), (bits // 8, 2), (bits, 2))
    form = b"fmt \x10\0\0\0" + b"".join(n.to_bytes(size, "little") for n, size in numbers)
    body = b"LIST\x03\0\0\0abc\0" + form * (1 + twice) + b"data\xff\xff\xff\xff"
    return base64.b64encode(b"RIFF\xff\xff\xff\xffWAVE" + body).decode()


def test_a_header_cannot_stretch_its_samples() -> None:
    """A rate of one sample a second, a codec that packs, or a second header bounds nothing."""
    assert bytes_bound("wav", wav())
    assert bytes_bound("audio/wav", wav(codec=3, bits=32))
    assert not bytes_bound("wav", wav(hertz=1))
    assert not bytes_bound("wav", wav(codec=0x55))
    assert not bytes_bound("wav", wav(twice=True))
    assert not bytes_bound("wav", wav()[:40])


def test_a_tag_hides_nothing() -> None:
    """What stands behind an ID3 tag tells the form, not the tag."""
    tag = b"ID3\x04\0\0\0\0\x01\x05" + bytes(133)
    frame = b"\xff\xfb\x90\xc4" + bytes(20)

    assert bytes_bound("mp3", base64.b64encode(tag + frame).decode())
    assert bytes_bound("audio/aac", base64.b64encode(b"\xff\xf1" + bytes(20)).decode())
    assert not bytes_bound("mp3", base64.b64encode(tag + b"fLaC" + bytes(20)).decode())
    assert not bytes_bound("aac", base64.b64encode(tag + frame).decode())


@pytest.mark.parametrize(
    "data", ["", "A", "====", "\ud800", "é" * 50, "data:audio/wav;base64,AA=="]
)
@pytest.mark.parametrize("kind", ["wav", "mp3", "aac", "", "audio/l16"])
def test_what_is_no_recording_is_bounded_by_nothing(kind: str, data: str) -> None:
    """Nothing that cannot be read is taken for short."""
    assert not bytes_bound(kind, data)
