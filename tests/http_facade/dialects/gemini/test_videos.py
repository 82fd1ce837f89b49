"""Videos: held by their seconds, charged for those that were made, their files named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_OUTPUT_VIDEO_MS
from mintgate_facade.dialects.base import (
    Ask,
    BrokenAnswer,
    Meter,
    ObjectName,
    Reading,
    RefusedRequest,
)
from mintgate_facade.dialects.gemini.videos import Video, files_of
from mintgate_facade.dialects.jobs import Done, Failed, Pending

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]
MeterFor = Callable[..., Meter]

MODEL = "veo-3.1-generate-preview"
PICTURE = {"bytesBase64Encoded": "AAAA", "mimeType": "image/png"}
URI = "https://generativelanguage.googleapis.com/v1beta/files/"
NAME = f"models/{MODEL}/operations/op-1"


def video(parameters: dict[str, Any] | None = None, **instance: Any) -> dict[str, Any]:
    document: dict[str, Any] = {"instances": [{"prompt": "A hen", **instance}]}
    return document if parameters is None else {**document, "parameters": parameters}


@pytest.mark.parametrize(
    ("document", "length_ms", "resolution"),
    [
        (video(), 8_000, "720p"),
        (video({"durationSeconds": 4, "resolution": "1080p"}), 4_000, "1080p"),
        (video({"duration_seconds": "6", "sampleCount": 2}), 12_000, "720p"),
        (video({"sampleCount": 1, "numberOfVideos": 3}), 24_000, "720p"),
        (video({"resolution": "4k", "generateAudio": True, "seed": 5}), 8_000, "4k"),
        (video(image=PICTURE, last_frame={"inlineData": {"data": "AAAA"}}), 8_000, "720p"),
        (video(referenceImages=[{"image": PICTURE, "referenceType": "asset"}]), 8_000, "720p"),
    ],
)
def test_videos_are_held_by_their_seconds(
    read: Read, document: dict[str, Any], length_ms: int, resolution: str
) -> None:
    """Their number times their length, at the price of their resolution."""
    ask = read("gemini", "video", document, path_model=MODEL)
    assert {fee.unit: fee.count for fee in ask.bound.fees} == {UNIT_OUTPUT_VIDEO_MS: length_ms}
    assert list(ask.bound.variants) == [f"video={resolution}"]
    assert ask.later is not None
    assert ask.later.units == {UNIT_OUTPUT_VIDEO_MS: length_ms}
    assert ask.creates == "operation"


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({}, "instances"),
        ({"instances": [{}, {}]}, "instances"),
        ({**video(), "labels": {}}, "labels"),
        (video({"durationSeconds": 0}), "parameters.durationSeconds"),
        (video({"durationSeconds": 61}), "parameters.durationSeconds"),
        (video({"durationSeconds": 4.5}), "parameters.durationSeconds"),
        (video({"durationSeconds": True}), "parameters.durationSeconds"),
        (video({"durationSeconds": "9" * 30}), "parameters.durationSeconds"),
        (video({"sampleCount": 5}), "parameters.sampleCount"),
        (video({"resolution": "8k"}), "parameters.resolution"),
        (video({"storageUri": "gs://b"}), "parameters.storageUri"),
        (video({"pubsubTopic": "t"}), "parameters.pubsubTopic"),
        (video({"brandNew": 1}), "parameters.brandNew"),
        (video(video={"uri": URI + "abc"}), "instances[0].video"),
        (video(image={"gcsUri": "gs://b/c"}), "instances[0].image.gcsUri"),
        (
            video(referenceImages=[{"image": {"fileUri": URI + "abc"}}]),
            "instances[0].referenceImages[0].image.fileUri",
        ),
    ],
)
def test_what_cannot_be_bounded_is_refused(
    refusal: Refusal, document: dict[str, Any], param: str
) -> None:
    """The refusal names the field at fault."""
    assert refusal("gemini", "video", document, path_model=MODEL).failure.param == param


@pytest.mark.parametrize(
    ("answer", "operation"), [({"name": NAME}, "op-1"), ({"name": "operations/op-1"}, ""), ({}, "")]
)
def test_an_answer_names_its_operation(
    read: Read, meter_for: MeterFor, answer: dict[str, Any], operation: str
) -> None:
    """One that names none is charged for all that was asked for, since nobody can ask for it."""
    ask = read("gemini", "video", video({"sampleCount": 2}), path_model=MODEL)
    meter = meter_for("gemini", "video", ask, "application/json")
    meter.feed(orjson.dumps(answer))
    meter.close()
    reading = meter.reading()
    assert reading.provider_request_id == operation
    assert reading.units == {UNIT_OUTPUT_VIDEO_MS: 16_000}
    assert reading.basis == SETTLED_BY_COUNTED


def done(**answer: Any) -> dict[str, Any]:
    return {"name": NAME, "done": True, "response": {"generateVideoResponse": answer}}


def samples(*ids: str) -> list[dict[str, Any]]:
    return [{"video": {"uri": f"{URI}{each}:download?alt=media"}} for each in ids]


STATE = orjson.dumps({"model": MODEL, "each_ms": 6_000, "variant": "video=4k"})
JOB = Job(object_id="op/1", state=STATE)


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        ({"name": NAME}, Pending()),
        ({"name": NAME, "done": True, "error": {"code": 13}}, Failed()),
        (done(raiMediaFilteredCount=1), Failed()),
        (
            done(generatedSamples=samples("a", "b"), raiMediaFilteredCount=1),
            Done(Reading({UNIT_OUTPUT_VIDEO_MS: 12_000}, SETTLED_BY_USAGE, ("video=4k",))),
        ),
        (done(), Done(Reading(basis=SETTLED_BY_HOLD))),
    ],
)
def test_only_videos_that_were_made_cost(document: dict[str, Any], outcome: object) -> None:
    """Filtered ones and a failed operation are free; an end that says nothing costs the hold."""
    assert Video().read(JOB, orjson.dumps(document)) == outcome


@pytest.mark.parametrize("body", [b"{}", b"[]", b"{"])
def test_what_is_no_operation_is_asked_again(body: bytes) -> None:
    """Nothing is settled by bytes that are not Google's."""
    with pytest.raises(BrokenAnswer):
        Video().read(JOB, body)


def test_an_operation_is_asked_for_below_its_model() -> None:
    """No id leads out of that path."""
    assert Video().poll(JOB).path == f"/v1beta/models/{MODEL}/operations/op%2F1"


def test_files_of_videos_are_named() -> None:
    """Those at the provider, whatever else an answer holds."""
    odd = [{"video": {"uri": "https://elsewhere.invalid/files/c"}}, {"video": None}, 5]
    document = done(generatedSamples=[*samples("a"), *odd, {"video": {"uri": "files/b"}}])
    assert files_of(document) == [ObjectName("file", "a"), ObjectName("file", "b")]
    assert files_of({"name": NAME}) == []
    assert files_of(done(generatedSamples=5)) == []
