"""xAI's videos: `POST /videos/generations`, then `GET /videos/{request_id}` until one has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_BILLED_TICKS, UNIT_INPUT_IMAGES, UNIT_OUTPUT_VIDEO_MS

from mintgate_facade.dialects.base import Ask, BrokenAnswer, LaterWork, Meter, Reading, RequestView
from mintgate_facade.dialects.checks import (
    Fields,
    choice,
    forbid,
    integer,
    mapping,
    model_name,
    objects,
    refused,
    text,
)
from mintgate_facade.dialects.jobs import Done, Failed, Outcome, Pending, Poll, object_of
from mintgate_facade.dialects.jsonbody import Document, JsonMeter
from mintgate_facade.dialects.media import MS_PER_S, bound_of, charge_of, whole_ms
from mintgate_facade.dialects.openai import Operation
from mintgate_facade.dialects.split import Units, count, fields
from mintgate_facade.dialects.terms import Terms

if TYPE_CHECKING:
    from mintgate.v1.jobs_pb2 import Job

OPERATION = "xai_video"
KIND = "video"
KEPT_MS = 24 * 3_600_000
"""A finished video is told of for a day."""
DURATION_S_MAX = 15
"""Of a video that is generated (docs.x.ai, "Video Overview"); held for where none is stated."""
PICTURES_MAX = 7
"""Reference pictures of one video."""
_RESOLUTIONS = frozenset({"480p", "720p", "1080p"})
_UNSTATED = "video=unstated"
"""A value that the price book does not know is held for at the dearest that it does."""
_SENT = "The video would be stored elsewhere. Leave it out, and read its address from the answer."
_FORBIDDEN = {
    "output": _SENT,
    "storage_options": _SENT,
    "reference_audios": "What a voice costs in a video is not known to this gateway. Leave it out.",
    "video": "A video that is given is billed by its length, which is not known beforehand.",
}
_STORED = "Files stored at xAI belong to the operator's account. Send the picture's 'url'."


def read_video(request: RequestView) -> Ask:
    """Bound a video by its length and the pictures that it is made from."""
    document = request.document
    model = model_name(document)
    forbid(document, _FORBIDDEN)
    seconds = integer(document, "duration", 1, DURATION_S_MAX, unit="seconds") or DURATION_S_MAX
    resolution = choice(document, "resolution", _RESOLUTIONS)
    variants = (f"video={resolution}" if resolution else _UNSTATED,)
    pictures = _pictures(document)
    units: Units = {UNIT_OUTPUT_VIDEO_MS: seconds * MS_PER_S}
    if pictures:
        units[UNIT_INPUT_IMAGES] = pictures
    state = {"pictures": pictures, "variants": variants}
    return Ask(
        model=model,
        bound=bound_of(units, variants),
        body=request.body,
        creates=KIND,
        creates_for_ms=KEPT_MS,
        counted=charge_of(model, units, variants),
        later=LaterWork(OPERATION, orjson.dumps(state), units),
    )


def video_meter(ask: Ask, content_type: str) -> Meter:  # noqa: ARG001 - always JSON
    """Make the reader of the answer that names a video."""

    def exact(document: Document) -> Reading | None:
        name = document.get("request_id")
        return Reading(provider_request_id=name) if isinstance(name, str) else None

    def counted(_document: Document | None, _size_bytes: int) -> Reading:
        # What nobody can ask for may have been made all the same.
        return ask.counted or Reading()

    return JsonMeter(exact, counted)


class Video:
    """Reads a video that is being made."""

    def poll(self, job: Job) -> Poll:
        """Ask for the video."""
        return Poll(f"/videos/{quote(job.object_id, safe='')}")

    def read(self, job: Job, body: bytes) -> Outcome:
        """Tell by its status whether it has ended, and by its ticks what it cost."""
        if not body:
            # 202 Accepted says all.
            return Pending()
        document = object_of(body)
        video = fields(document.get("video"))
        status = document.get("status", "done" if video else "")
        said = status if isinstance(status, str) else ""
        if said == "pending":
            return Pending()
        if said not in {"done", "failed", "expired"}:
            raise BrokenAnswer("a video without a status")
        cut = said != "done"
        model = str(document.get("model") or "")
        ticks = count(fields(document.get("usage")).get("cost_in_usd_ticks"))
        made_ms = whole_ms(video.get("duration"))
        if said == "failed" and not ticks:
            return Failed()
        if not ticks and made_ms is None:
            # It may have been made before it expired.
            return Done(Reading(basis=SETTLED_BY_HOLD, model=model), cut=cut)
        state = orjson.loads(job.state)
        units: Units = {
            UNIT_OUTPUT_VIDEO_MS: made_ms or 0,
            UNIT_INPUT_IMAGES: state["pictures"],
            UNIT_BILLED_TICKS: ticks,
        }
        basis = SETTLED_BY_USAGE if ticks else SETTLED_BY_COUNTED
        return Done(charge_of(model, units, state["variants"], basis), cut=cut)

    def cancel(self, object_id: str) -> Poll | None:  # noqa: ARG002 - the protocol
        """Nothing stops it."""
        return None


VIDEO = Operation(
    read_video,
    video_meter,
    Terms(
        "seconds: `duration`, else 15, at the price of `resolution` or the dearest, and each "
        "picture that is given",
        "the cost that it states at its end (`cost_in_usd_ticks`), else its length; one that "
        "fails costs nothing",
    ),
)


def _pictures(document: Fields) -> int:
    first = mapping(document, "image")
    references = objects(document, "reference_images")
    if len(references) > PICTURES_MAX:
        raise refused(
            f"'reference_images' has {len(references)} pictures; at most {PICTURES_MAX} are read.",
            "reference_images",
        )
    given = [] if first is None else [("image", first)]
    given += [(f"reference_images[{index}]", each) for index, each in enumerate(references)]
    for where, picture in given:
        if picture.get("file_id") is not None or not text(picture, "url", where=where):
            raise refused(_STORED, f"{where}.url")
    return len(given)
