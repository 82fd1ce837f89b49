"""What is received, and what of it is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mintgate_facade.providers.base import uploaded
from mintgate_facade.uploads.durations import Durations
from mintgate_facade.uploads.receive import Upload, Uploads

from tests.http_facade.uploads.sounds import silence
from tests.http_facade.uploads.test_form import TYPE, form, part

ROUTE = uploaded("/audio/transcriptions", "transcription", measured=True)


async def received(directory: Path, body: bytes) -> Upload:
    durations = Durations(3_600_000)
    uploads = Uploads(directory, 100 << 20, durations)

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with uploads.received(receive, {"content-type": TYPE}, len(body), ROUTE) as upload:
            return upload
    finally:
        durations.close()


async def test_the_file_of_a_form_is_measured(tmp_path: Path) -> None:
    """A recording that comes with fields around it is as long as it sounds."""
    body = form(
        part("model", b"m"), part("file", silence("wav", 2), filename="a.wav"), part("x", b"")
    )
    (file,) = (await received(tmp_path, body)).files
    assert file.duration_ms == 2_000


async def test_of_several_files_none_is_measured(tmp_path: Path) -> None:
    """A form of a thousand recordings, which no route takes, keeps no decoder busy."""
    sound = part("file", silence("wav", 2), filename="a.wav")
    files = (await received(tmp_path, form(sound, sound))).files
    assert [(file.duration_ms, bool(file.unreadable)) for file in files] == [(0, True)] * 2


async def test_an_empty_file_has_no_length(tmp_path: Path) -> None:
    """A file without a byte does not pass for one that was measured."""
    (file,) = (await received(tmp_path, form(part("file", b"", filename="a.wav")))).files
    assert file.unreadable
