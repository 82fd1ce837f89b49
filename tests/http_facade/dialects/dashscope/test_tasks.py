"""Tasks of DashScope: what they are held for, when they have ended, and what they cost then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_OUTPUT_IMAGES, UNIT_OUTPUT_VIDEO_MS
from mintgate_facade.dialects.base import Ask, BrokenAnswer, Meter, RefusedRequest
from mintgate_facade.dialects.dashscope.task_end import TASKS
from mintgate_facade.dialects.jobs import Done, Failed, Pending

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]
MeterFor = Callable[..., Meter]
ASYNC = {"x-dashscope-async": "enable"}
HOUR_MS = 3_600_000


def asked(inputs: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    return {"model": "m", "input": inputs, "parameters": parameters}


CAT = {"prompt": "a cat"}
MESSAGES = {"messages": [{"role": "user", "content": [{"text": "a cat"}]}]}
SOUNDS = {"file_urls": ["https://a.example/1.wav", "https://a.example/2.wav"]}
STILL = {"media": [{"type": "first_frame", "url": "https://a.example/1.png"}]}


@pytest.mark.parametrize(
    ("operation", "document", "unit", "most"),
    [
        ("picture_task", asked(CAT, n=3), UNIT_OUTPUT_IMAGES, 3),
        ("picture_task", asked(CAT), UNIT_OUTPUT_IMAGES, 4),
        ("picture_task", asked(MESSAGES, enable_sequential=True), UNIT_OUTPUT_IMAGES, 12),
        ("picture_task", asked(CAT, enable_sequential=True, n=2), UNIT_OUTPUT_IMAGES, 2),
        ("video_task", asked(CAT, duration=7), UNIT_OUTPUT_VIDEO_MS, 7_000),
        ("video_task", asked(STILL), UNIT_OUTPUT_VIDEO_MS, 30_000),
        (
            "video_task",
            asked({**CAT, "function": "video-synthesis", "extend_prompt": True}, duration=2),
            UNIT_OUTPUT_VIDEO_MS,
            2_000,
        ),
        ("transcript_task", asked(SOUNDS), UNIT_INPUT_AUDIO_MS, 24 * HOUR_MS),
        ("transcript_task", asked(SOUNDS, channel_id=[0, 1]), UNIT_INPUT_AUDIO_MS, 48 * HOUR_MS),
        (
            "transcript_task",
            asked({"file_url": "https://a.example/1.wav"}),
            UNIT_INPUT_AUDIO_MS,
            12 * HOUR_MS,
        ),
    ],
)
def test_held_for(
    read: Read, operation: str, document: dict[str, Any], unit: int, most: int
) -> None:
    """A task is held for the most that it may make, and costs that where its end is never known."""
    ask = read("dashscope", operation, document, headers=ASYNC)
    assert [(fee.unit, fee.count) for fee in ask.bound.fees] == [(unit, most)]
    assert ask.bound.output_tokens == 0
    assert ask.later is not None
    assert (ask.later.operation, ask.later.units) == (operation, {unit: most})
    assert ask.creates == "task"


@pytest.mark.parametrize(
    ("operation", "document", "param"),
    [
        ("picture_task", asked({}), "input.prompt"),
        ("picture_task", asked(CAT, n=13), "parameters.n"),
        ("picture_task", asked(CAT, enable_interleave=True), "enable_interleave"),
        ("video_task", asked(CAT, duration=61), "parameters.duration"),
        ("video_task", asked(CAT, duration=-1), "parameters.duration"),
        ("video_task", asked(CAT, duration=2.5), "parameters.duration"),
        ("video_task", asked(CAT, resolution="huge"), "parameters.resolution"),
        ("video_task", asked(CAT, enable_thinking=True), "enable_thinking"),
        ("video_task", asked({**CAT, "function": "video_repainting"}), "input.function"),
        (
            "video_task",
            asked({**CAT, "reference_urls": ["https://a.example/1.mp4"]}),
            "input.reference_urls",
        ),
        ("video_task", asked({"media": [{"type": "video", "url": "u"}]}), "input.media[0].type"),
        ("video_task", asked({"media": [{"url": "u"}]}), "input.media[0].type"),
        ("transcript_task", asked({"file_urls": []}), "input.file_urls"),
        ("transcript_task", asked({"file_urls": ["u"] * 101}), "input.file_urls"),
        ("transcript_task", asked(SOUNDS, vocabulary_id="v"), "vocabulary_id"),
        ("transcript_task", {**asked(SOUNDS), "resources": [{"resource_id": "p"}]}, "resources"),
    ],
)
def test_refused(refusal: Refusal, operation: str, document: dict[str, Any], param: str) -> None:
    """What has no bound, or is stored for the whole account, is refused by its name."""
    assert refusal("dashscope", operation, document, headers=ASYNC).failure.param == param


@pytest.mark.parametrize("operation", ["picture_task", "video_task", "transcript_task"])
@pytest.mark.parametrize("headers", [{}, {"x-dashscope-async": "disable"}])
def test_synchronous(refusal: Refusal, operation: str, headers: dict[str, str]) -> None:
    """A request that would wait for its answer is told how to ask."""
    refused = refusal("dashscope", operation, asked({**CAT, **SOUNDS}), headers=headers)
    assert refused.failure.status == 403
    assert "X-DashScope-Async" in refused.failure.message


def test_the_answer_names_the_task(read: Read, meter_for: MeterFor) -> None:
    """Its id is known at the end of the answer; one that names none is charged as the whole."""
    ask = read("dashscope", "picture_task", asked(CAT, n=3), headers=ASYNC)
    meter = meter_for("dashscope", "picture_task", ask, "application/json")
    body = b'{"output": {"task_id": "t-1", "task_status": "PENDING"}}'
    assert meter.feed(body) + meter.close() == body
    assert meter.reading().provider_request_id == "t-1"
    for nameless in (b"{}", b"[", b'{"output": {"task_id": 7}}'):
        meter = meter_for("dashscope", "picture_task", ask, "application/json")
        meter.feed(nameless)
        meter.close()
        reading = meter.reading()
        assert (reading.provider_request_id, reading.basis) == ("", SETTLED_BY_COUNTED)
        assert reading.units == {UNIT_OUTPUT_IMAGES: 3}


def test_a_refusal_names_nothing(read: Read, meter_for: MeterFor) -> None:
    """A code within status 200 says that no task was begun."""
    ask = read("dashscope", "picture_task", asked(CAT), headers=ASYNC)
    meter = meter_for("dashscope", "picture_task", ask, "application/json")
    meter.feed(b'{"code": "Throttling.RateQuota", "message": "m"}')
    meter.close()
    assert meter.refused == 429


JOB = Job(object_id="t-1", state=orjson.dumps({"variants": ["video=720p"]}))


def told(status: Any, usage: Any = None) -> bytes:
    return orjson.dumps({"output": {"task_id": "t-1", "task_status": status}, "usage": usage})


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "SUSPENDED", "UNKNOWN"])
def test_working(status: str) -> None:
    """While a task runs, or is not known, nothing is charged."""
    assert TASKS["video_task"].read(JOB, told(status, {"duration": 5})) == Pending()


@pytest.mark.parametrize(
    ("operation", "usage", "units", "variants"),
    [
        ("picture_task", {"image_count": 2}, {UNIT_OUTPUT_IMAGES: 2}, ("video=720p",)),
        ("video_task", {"video_duration": 5}, {UNIT_OUTPUT_VIDEO_MS: 5_000}, ("video=720p",)),
        (
            "video_task",
            {"duration": 5.2, "output_video_duration": 5, "SR": 1080},
            {UNIT_OUTPUT_VIDEO_MS: 5_200},
            ("video=1080p",),
        ),
        ("transcript_task", {"duration": 9}, {UNIT_INPUT_AUDIO_MS: 9_000}, ("video=720p",)),
    ],
)
def test_ended(
    operation: str, usage: dict[str, Any], units: dict[int, int], variants: tuple[str, ...]
) -> None:
    """The usage at the end of a task is its charge, at the resolution that was made."""
    done = TASKS[operation].read(JOB, told("SUCCEEDED", usage))
    assert isinstance(done, Done)
    assert (done.reading.units, done.reading.basis) == (units, SETTLED_BY_USAGE)
    assert done.reading.variants == variants
    assert not done.cut


@pytest.mark.parametrize("status", ["FAILED", "CANCELED"])
@pytest.mark.parametrize("usage", [None, {}, {"image_count": 0}])
def test_what_made_nothing_is_free(status: str, usage: Any) -> None:
    """A task that failed or was cancelled costs only what its usage states."""
    assert TASKS["picture_task"].read(JOB, told(status, usage)) == Failed()
    done = TASKS["picture_task"].read(JOB, told(status, {"image_count": 1}))
    assert isinstance(done, Done)
    assert done.cut


@pytest.mark.parametrize("operation", ["picture_task", "video_task", "transcript_task"])
@pytest.mark.parametrize("usage", [None, {}, {"duration": "long"}])
def test_an_end_without_usage_costs_the_hold(operation: str, usage: Any) -> None:
    """Nothing is free because its usage is not stated."""
    done = TASKS[operation].read(JOB, told("SUCCEEDED", usage))
    assert isinstance(done, Done)
    assert done.reading.basis == SETTLED_BY_HOLD


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"{}",
        told(None),
        told("ASLEEP"),
        told(["PENDING"]),
        b'{"output": []}',
    ],
)
def test_what_is_no_task_is_asked_for_again(body: bytes) -> None:
    """Bytes that tell no status end nothing."""
    with pytest.raises(BrokenAnswer):
        TASKS["picture_task"].read(JOB, body)


def test_ids_cannot_leave_their_place() -> None:
    """An id is one segment of the path, whatever it is made of."""
    task = TASKS["picture_task"]
    poll = task.poll(Job(object_id="../x?y#z"))
    assert (poll.method, poll.path) == ("GET", "/api/v1/tasks/..%2Fx%3Fy%23z")
    cancel = task.cancel("../x")
    assert (cancel.method, cancel.path) == ("POST", "/api/v1/tasks/..%2Fx/cancel")
