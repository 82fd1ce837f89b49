"""Videos (Veo): an operation that is asked for until it is done, and its files.

A video costs its seconds, by its resolution. How many are made and how long each is stands in
the request; the operation tells which of them passed Google's filters, and only those cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_OUTPUT_VIDEO_MS

from mintgate_facade.dialects.base import (
    Ask,
    BrokenAnswer,
    LaterWork,
    ObjectName,
    Reading,
    RequestView,
)
from mintgate_facade.dialects.checks import Fields, choice, inside, mapping, objects, refused, text
from mintgate_facade.dialects.gemini.content import FILE_KEPT_MS, stored_file
from mintgate_facade.dialects.gemini.names import unify
from mintgate_facade.dialects.jobs import Done, Failed, Outcome, Pending, Poll, object_of
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.media import bound_of
from mintgate_facade.dialects.pieces import most_of
from mintgate_facade.dialects.split import Units, count, fields

if TYPE_CHECKING:
    from mintgate.v1.jobs_pb2 import Job

OPERATION = "video"
KIND = "operation"
SECONDS = 8
"""What a video has if the request does not say; the longest that any Veo makes at once."""
SECONDS_MAX = 60
VIDEOS_MAX = 4

_MS_PER_SECOND = 1_000
_NAME = re.compile(r"models/[^/]+/operations/([A-Za-z0-9_-]{1,128})")
_RESOLUTION = "720p"
_RESOLUTIONS = frozenset({"720p", "1080p", "4k"})
_INSTANCE = frozenset({"prompt", "image", "lastFrame", "referenceImages"})
_PICTURE = frozenset({"bytesBase64Encoded", "mimeType", "inlineData"})
_PARAMETERS = frozenset(
    {
        "aspectRatio", "compressionQuality", "durationSeconds", "enhancePrompt", "fps",
        "generateAudio", "negativePrompt", "numberOfVideos", "personGeneration", "resizeMode",
        "resolution", "sampleCount", "seed",
    }
)  # fmt: skip
_REFUSED = {
    "video": "is lengthened, and how many of its seconds are billed is not stated",
    "storageUri": "delivers the video where this gateway does not see it",
    "pubsubTopic": "tells others of the operation",
    "webhookConfig": "tells others of the operation",
}


def read_video(request: RequestView) -> Ask:
    """Bound the videos of one request. Raises `RefusedRequest`."""
    document = unify(request.document)
    _only(document, frozenset({"instances", "parameters"}), "")
    instances = objects(document, "instances")
    if len(instances) != 1:
        raise refused("'instances' must hold one instance: each is billed by itself.", "instances")
    _check_instance(unify(instances[0], "instances[0]"), "instances[0]")
    where = "parameters"
    parameters = unify(mapping(document, where) or {}, where)
    _only(parameters, _PARAMETERS, where)
    each_ms = _whole(parameters, "durationSeconds", SECONDS_MAX, SECONDS) * _MS_PER_SECOND
    videos = max(_whole(parameters, n, VIDEOS_MAX, 1) for n in ("sampleCount", "numberOfVideos"))
    resolution = choice(parameters, "resolution", _RESOLUTIONS, where=where) or _RESOLUTION
    units: Units = {UNIT_OUTPUT_VIDEO_MS: videos * each_ms}
    variant = f"video={resolution}"
    state = {"model": request.path_model, "each_ms": each_ms, "variant": variant}
    return Ask(
        model=request.path_model,
        bound=bound_of(units, (variant,)),
        body=request.body,
        creates=KIND,
        # It cannot be deleted, and is of no use any more than its files are.
        creates_for_ms=FILE_KEPT_MS,
        later=LaterWork(OPERATION, orjson.dumps(state), units),
    )


def operation_meter(ask: Ask) -> JsonMeter:
    """Make the meter of an operation that has begun: it only names it."""

    def begun(document: Document | None) -> Reading:
        found = _NAME.fullmatch(str((document or {}).get("name")))
        return Reading(
            units=most_of(ask),
            basis=SETTLED_BY_COUNTED,
            variants=tuple(ask.bound.variants),
            provider_request_id=found[1] if found else "",
        )

    # The operation's end is its usage; what began and is lost costs all that was asked for.
    return JsonMeter(lambda _document: None, lambda document, _size_bytes: begun(document))


def files_of(document: Mapping[str, Any]) -> Sequence[ObjectName]:
    """The files of the videos that an operation has made."""
    uris = (str(fields(sample.get("video")).get("uri")) for sample in _samples(document))
    return [name for uri in uris if (name := stored_file(uri)) is not None]


class Video:
    """Reads an operation."""

    def poll(self, job: Job) -> Poll:
        """Ask for it, below its model."""
        model = quote(_state(job)["model"], safe="")
        return Poll(f"/v1beta/models/{model}/operations/{quote(job.object_id, safe='')}")

    def read(self, job: Job, body: bytes) -> Outcome:
        """Tell whether it is done, and how many videos it has made."""
        document = object_of(body)
        if not document.get("name"):
            raise BrokenAnswer("an operation without a name")
        if not document.get("done"):
            return Pending()
        if "error" in document:
            return Failed()
        state, made = _state(job), len(_samples(document))
        if made:
            units: Units = {UNIT_OUTPUT_VIDEO_MS: made * state["each_ms"]}
            return Done(Reading(units, SETTLED_BY_USAGE, (state["variant"],)))
        if count(_answer(document).get("raiMediaFilteredCount")):
            return Failed()
        return Done(Reading(basis=SETTLED_BY_HOLD))

    def cancel(self, object_id: str) -> None:  # noqa: ARG002 - the protocol
        """Google cancels no video that has begun."""
        return


def _check_instance(instance: Fields, where: str) -> None:
    """Hold that everything that it shows is in the request."""
    _only(instance, _INSTANCE, where)
    text(instance, "prompt", where=where)
    for name in ("image", "lastFrame"):
        _check_picture(instance, name, where)
    for index, value in enumerate(objects(instance, "referenceImages", where=where)):
        param = f"{inside(where, 'referenceImages')}[{index}]"
        _check_picture(unify(value, param), "image", param)


def _check_picture(holder: Fields, name: str, where: str) -> None:
    picture = mapping(holder, name, where=where)
    if picture is not None:
        param = inside(where, name)
        _only(unify(picture, param), _PICTURE, param)


def _only(values: Fields, known: frozenset[str], where: str) -> None:
    """Refuse fields whose effect on the bill is not known."""
    for name, value in values.items():
        if name not in known and value is not None:
            param = inside(where, name)
            why = _REFUSED.get(name, "is not one whose cost this gateway knows")
            raise refused(f"'{param}' {why}.", param)


def _whole(parameters: Fields, name: str, most: int, default: int) -> int:
    """Read a whole number from 1 to `most`, which Google also takes as text."""
    value = parameters.get(name)
    if value is None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    if type(value) is not int or not 1 <= value <= most:
        param = inside("parameters", name)
        raise refused(f"'{param}' must be a whole number from 1 to {most}.", param)
    return value


def _answer(document: Mapping[str, Any]) -> dict[str, Any]:
    return fields(fields(document.get("response")).get("generateVideoResponse"))


def _samples(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    samples = _answer(document).get("generatedSamples")
    return [fields(sample) for sample in samples] if isinstance(samples, list) else []


def _state(job: Job) -> dict[str, Any]:
    return fields(orjson.loads(job.state))
