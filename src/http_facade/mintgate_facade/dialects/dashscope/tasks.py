"""Reads requests whose answer only names a task: pictures, video, transcripts.

Sources: dashscope 2.0.2, v2/resources/_jobs.py, images.py, videos.py, audio/asr.py. What a task
cost is read at its end, by `task_end`.
"""

from __future__ import annotations

import re
from dataclasses import replace

import orjson
from mintgate.v1.unit_pb2 import UNIT_INPUT_AUDIO_MS, UNIT_OUTPUT_IMAGES, UNIT_OUTPUT_VIDEO_MS, Unit

from mintgate_facade.dialects.base import (
    Ask,
    Failure,
    FailureKind,
    LaterWork,
    Reading,
    RefusedRequest,
    RequestView,
)
from mintgate_facade.dialects.checks import (
    Fields,
    array,
    flag,
    forbid,
    integer,
    model_name,
    objects,
    refused,
    text,
)
from mintgate_facade.dialects.dashscope.content import Content
from mintgate_facade.dialects.dashscope.failed import failed_status
from mintgate_facade.dialects.dashscope.generation import sections
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.media import MS_PER_S, charge_of
from mintgate_facade.dialects.pieces import ask_for, most_of
from mintgate_facade.dialects.split import fields

PICTURES = "picture_task"
VIDEO = "video_task"
TRANSCRIPT = "transcript_task"
KIND = "task"
"""Of the object that the answer names."""
KEPT_MS = 24 * 3_600_000
"""A task is told of for a day after its end."""
ASYNC_HEADER = "x-dashscope-async"

PICTURES_MAX = 12
"""Of a group of pictures that belong together; of pictures apart from each other it is six."""
PICTURES_UNASKED = 4
DURATION_S_MAX = 60
"""No model makes a video that is longer than half of it."""
DURATION_S_UNASKED = 30
"""What Wan 3.0 makes at most; earlier models stop at 15 seconds, and most make five unasked."""
FILES_MAX = 100
FILE_S_MAX = 12 * 3_600
"""No longer recording is transcribed (Model Studio, "Audio file recognition")."""

_RESOLUTION = re.compile(r"\d{3,4}[pP]")
_SYNCHRONOUS = Failure(
    FailureKind.FORBIDDEN,
    "This route makes tasks. Send the header 'X-DashScope-Async: enable', and ask for the task by "
    "GET /api/v1/tasks/{task_id}.",
    param="X-DashScope-Async",
)
_PICTURES_FORBIDDEN = {
    "enable_interleave": "How many pictures it draws then is left to the model. Leave it out.",
    "enable_search": "Web search is billed beside the pictures. Leave it out.",
}
_VIDEO_FORBIDDEN = {
    "enable_thinking": "What planning a video costs is not known to this gateway. Leave it out.",
    "enable_search": "Web search is billed beside the video. Leave it out.",
    "n": "One video is made at a time. Leave it out.",
}
_STORED = "Vocabularies are stored at the provider, where all users share one account."
_VIDEO_INPUTS = frozenset(
    {
        "audio_url",
        "extend_prompt",
        "first_frame_url",
        "head_frame",
        "img_url",
        "last_frame_url",
        "media",
        "negative_prompt",
        "prompt",
        "tail_frame",
    }
)
"""Texts, pictures and sound: nothing among them is billed."""
_MEDIA = frozenset(
    {"driving_audio", "first_frame", "last_frame", "reference_audio", "reference_image"}
)
_FUNCTION = "video-synthesis"
"""What the SDK's first generation writes there for every video."""
_VIDEO_GIVEN = (
    "A video that is given is billed by its length, which is not known beforehand. Give pictures "
    "and sound: {}."
)


def read_picture_task(request: RequestView) -> Ask:
    """Bound pictures by their number; what they are drawn after costs nothing."""
    inputs, parameters = _sections(request)
    forbid(parameters, _PICTURES_FORBIDDEN)
    if array(inputs, "messages", where="input"):
        Content().read_messages(inputs)
    elif not text(inputs, "prompt", where="input"):
        raise refused("'input' needs messages or a prompt.", "input.prompt")
    group = flag(parameters, "enable_sequential", where="parameters")
    unasked = PICTURES_MAX if group else PICTURES_UNASKED
    asked = integer(parameters, "n", 1, PICTURES_MAX, where="parameters")
    return _ask(request, PICTURES, UNIT_OUTPUT_IMAGES, unasked if asked is None else asked)


def read_video_task(request: RequestView) -> Ask:
    """Bound a video by its length; the resolution chooses the price of a second."""
    inputs, parameters = _sections(request)
    forbid(parameters, _VIDEO_FORBIDDEN)
    for name, value in inputs.items():
        if name == "function" and value == _FUNCTION:
            continue
        if name not in _VIDEO_INPUTS and value is not None:
            named = ", ".join(sorted(_VIDEO_INPUTS))
            raise refused(_VIDEO_GIVEN.format(named), f"input.{name}", "unsupported_parameter")
    for index, media in enumerate(objects(inputs, "media", where="input")):
        if media.get("type") not in _MEDIA:
            named = ", ".join(sorted(_MEDIA))
            where = f"input.media[{index}].type"
            raise refused(_VIDEO_GIVEN.format(named), where, "unsupported_parameter")
    asked = integer(parameters, "duration", 1, DURATION_S_MAX, where="parameters", unit="seconds")
    seconds = DURATION_S_UNASKED if asked is None else asked
    return _ask(
        request, VIDEO, UNIT_OUTPUT_VIDEO_MS, seconds * MS_PER_S, variants=_resolution(parameters)
    )


def read_transcript_task(request: RequestView) -> Ask:
    """Bound recordings at addresses by the longest that is taken, once for each channel."""
    inputs, parameters = _sections(request)
    forbid(request.document, {"resources": _STORED})
    forbid(parameters, {"phrase_id": _STORED, "vocabulary_id": _STORED})
    addresses = array(inputs, "file_urls", where="input")
    if addresses is None and text(inputs, "file_url", where="input"):
        addresses = (inputs["file_url"],)
    if not addresses:
        raise refused("'input.file_urls' must be a non-empty array.", "input.file_urls")
    if len(addresses) > FILES_MAX:
        raise refused(
            f"'input.file_urls' names {len(addresses)} files; at most {FILES_MAX} are taken.",
            "input.file_urls",
        )
    channels = array(parameters, "channel_id", where="parameters") or (0,)
    longest_ms = FILE_S_MAX * MS_PER_S * len(addresses) * len(channels)
    return _ask(request, TRANSCRIPT, UNIT_INPUT_AUDIO_MS, longest_ms)


def task_meter(ask: Ask) -> JsonMeter:
    """Make the reader of the answer that names a task."""

    def exact(document: Document) -> Reading | None:
        task_id = fields(document.get("output")).get("task_id")
        return Reading(provider_request_id=task_id) if isinstance(task_id, str) else None

    def counted(_document: Document | None, _size_bytes: int) -> Reading:
        # What nobody can ask for may have been made all the same.
        return ask.counted or Reading()

    return JsonMeter(exact, counted, failed_status)


def _sections(request: RequestView) -> tuple[Fields, Fields]:
    if request.headers.get(ASYNC_HEADER, "").strip().lower() != "enable":
        raise RefusedRequest(_SYNCHRONOUS)
    return sections(request)


def _resolution(parameters: Fields) -> tuple[str, ...]:
    stated = text(parameters, "resolution", where="parameters")
    if stated is None:
        # The book's price without a choice is that of the dearest.
        return ()
    if not _RESOLUTION.fullmatch(stated):
        raise refused("'parameters.resolution' must be like '720P'.", "parameters.resolution")
    return (f"video={stated.lower()}",)


def _ask(
    request: RequestView,
    operation: str,
    unit: Unit.ValueType,
    most: int,
    *,
    variants: tuple[str, ...] = (),
) -> Ask:
    ask = ask_for(request, model_name(request.document), unit, most, variants=variants)
    units = most_of(ask)
    return replace(
        ask,
        creates=KIND,
        creates_for_ms=KEPT_MS,
        counted=charge_of(ask.model, units, variants),
        later=LaterWork(operation, orjson.dumps({"variants": variants}), units),
    )
