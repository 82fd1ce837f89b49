"""xAI's videos: what they are held for, when they have ended, and what they cost then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_BILLED_TICKS, UNIT_INPUT_IMAGES, UNIT_OUTPUT_VIDEO_MS
from mintgate_facade.dialects.base import Ask, BrokenAnswer, Meter, RefusedRequest
from mintgate_facade.dialects.jobs import Done, Failed, Pending
from mintgate_facade.dialects.xai_video import OPERATION, Video

READER = Video()
JOB = Job(object_id="v-1", state=b'{"pictures": 2, "variants": ["video=720p"]}')
MODEL = "grok-imagine-video"
PICTURE = {"url": "https://a.example/1.png"}


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "prompt": "p", **fields}


def told(status: str | None, **fields: Any) -> bytes:
    return orjson.dumps({**({} if status is None else {"status": status}), **fields})


@pytest.mark.parametrize(
    ("fields", "ms", "pictures", "variants"),
    [
        ({"duration": 4, "resolution": "720p"}, 4_000, 0, ["video=720p"]),
        ({}, 15_000, 0, ["video=unstated"]),
        (
            {"image": PICTURE, "reference_images": [PICTURE] * 2, "resolution": "480p"},
            15_000,
            3,
            ["video=480p"],
        ),
    ],
)
def test_held_for(
    read: Callable[..., Ask], fields: dict[str, Any], ms: int, pictures: int, variants: list[str]
) -> None:
    """A video is held for by its length, its resolution and each picture that is given."""
    ask = read("xai", OPERATION, asked(**fields))
    units = {fee.unit: fee.count for fee in ask.bound.fees}
    expected = {UNIT_OUTPUT_VIDEO_MS: ms, **({UNIT_INPUT_IMAGES: pictures} if pictures else {})}
    assert units == expected
    assert list(ask.bound.variants) == variants
    assert ask.later is not None
    assert ask.later.units == units
    assert orjson.loads(ask.later.state) == {"pictures": pictures, "variants": variants}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"duration": 16}, "duration"),
        ({"duration": 0}, "duration"),
        ({"duration": "4"}, "duration"),
        ({"resolution": "4k"}, "resolution"),
        ({"video": PICTURE}, "video"),
        ({"output": {"upload_url": "https://a.example/1.mp4"}}, "output"),
        ({"reference_audios": [{"voice_id": "eve"}]}, "reference_audios"),
        ({"image": "https://a.example/1.png"}, "image"),
        ({"image": {"file_id": "f"}}, "image.url"),
        ({"image": {**PICTURE, "file_id": "f"}}, "image.url"),
        ({"reference_images": [PICTURE, {"url": ""}]}, "reference_images[1].url"),
        ({"reference_images": [PICTURE] * 8}, "reference_images"),
        ({"model": ""}, "model"),
    ],
)
def test_refused(
    refusal: Callable[..., RefusedRequest], fields: dict[str, Any], param: str
) -> None:
    """What has no bound, or leads elsewhere, is refused by its name."""
    assert refusal("xai", OPERATION, asked(**fields)).failure.param == param


def test_the_answer_names_the_video(
    read: Callable[..., Ask], meter_for: Callable[..., Meter]
) -> None:
    """Its id is known at the end of the answer; one that names none is charged as the whole."""
    ask = read("xai", OPERATION, asked(duration=2, resolution="480p"))
    meter = meter_for("xai", OPERATION, ask, "application/json")
    body = b'{"request_id": "v-1"}'
    assert meter.feed(body) + meter.close() == body
    assert meter.reading().provider_request_id == "v-1"
    for nameless in (b"{}", b"[", b'{"request_id": 7}'):
        meter = meter_for("xai", OPERATION, ask, "application/json")
        meter.feed(nameless)
        meter.close()
        reading = meter.reading()
        assert (reading.provider_request_id, reading.basis) == ("", SETTLED_BY_COUNTED)
        assert reading.units == {UNIT_OUTPUT_VIDEO_MS: 2_000}


@pytest.mark.parametrize("body", [b"", told("pending", progress=40)])
def test_working(body: bytes) -> None:
    """While a video is made nothing is charged."""
    assert READER.read(JOB, body) == Pending()


@pytest.mark.parametrize("status", ["done", None])
def test_ticks_are_the_charge(status: str | None) -> None:
    """The cost that xAI states is charged; what it is for is kept beside it."""
    stated = {"model": MODEL, "usage": {"cost_in_usd_ticks": 99}, "video": {"duration": 4.5}}
    done = READER.read(JOB, told(status, **stated))
    assert isinstance(done, Done)
    assert not done.cut
    assert done.reading.units == {
        UNIT_BILLED_TICKS: 99,
        UNIT_OUTPUT_VIDEO_MS: 4_500,
        UNIT_INPUT_IMAGES: 2,
    }
    assert (done.reading.basis, done.reading.model) == (SETTLED_BY_USAGE, MODEL)


def test_without_ticks() -> None:
    """The seconds that were made, and the pictures that were given, at what was asked for."""
    done = READER.read(JOB, told("done", video={"duration": 4}))
    assert isinstance(done, Done)
    assert done.reading.units == {UNIT_OUTPUT_VIDEO_MS: 4_000, UNIT_INPUT_IMAGES: 2}
    assert done.reading.variants == ("video=720p",)
    assert done.reading.basis == SETTLED_BY_COUNTED


def test_ends_without_a_video() -> None:
    """A failure is free unless it states a cost; what expired or says nothing costs the hold."""
    assert READER.read(JOB, told("failed", error={"code": "x"})) == Failed()
    billed = READER.read(JOB, told("failed", usage={"cost_in_usd_ticks": 7}))
    assert isinstance(billed, Done)
    assert billed.cut
    assert billed.reading.units[UNIT_BILLED_TICKS] == 7
    for unsaid in (told("expired"), told("done"), told("done", video={"duration": "long"})):
        done = READER.read(JOB, unsaid)
        assert isinstance(done, Done)
        assert done.reading.basis == SETTLED_BY_HOLD


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"{}", told("asleep"), b'{"status": []}'])
def test_what_is_no_video_is_asked_for_again(body: bytes) -> None:
    """Bytes that tell no status end nothing."""
    with pytest.raises(BrokenAnswer):
        READER.read(JOB, body)


def test_ids_cannot_leave_their_place() -> None:
    """An id is one segment of the path, and nothing stops a video."""
    poll = READER.poll(Job(object_id="../x?y#z"))
    assert (poll.method, poll.path) == ("GET", "/videos/..%2Fx%3Fy%23z")
    assert READER.cancel("v-1") is None
