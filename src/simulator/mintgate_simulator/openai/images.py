"""``POST /v1/images/generations`` and ``/edits``: GPT Image models, billed in tokens.

The token table is that of gpt-image-1 (openai.com, guides/image-generation); sizes outside it are
priced by their area, and ``auto`` is taken as high quality at 1024x1024. The retired DALL-E models
answer without usage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mintgate_simulator.answer import Kind, Stream
from mintgate_simulator.form import read_form
from mintgate_simulator.pictures import JPEG_BASE64, PNG_BASE64, WEBP_BASE64
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import CREATED_AT_S
from mintgate_simulator.tokens import PromptTokens, tokens_of, utf8_length

from . import check, wire
from .responses_stream import EventWriter
from .usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

    from .quirks import Quirks

IMAGES_MAX = 10
PARTIAL_IMAGES_MAX = 3
PARTIAL_IMAGE_TOKENS = 100
INPUT_IMAGE_TOKENS = 1_097
"""A picture that is sent, at its largest: 65 and 8 tiles of 129."""
FIDELITY_TOKENS = 6_144
"""More for each at high fidelity."""
SIDE_PIXELS_MAX = 3_840
SQUARE_PIXELS = 1_024 * 1_024
SQUARE_TOKENS = {"low": 272, "medium": 1_056, "high": 4_160, "xhigh": 8_320, "max": 16_640}
"""Tokens of 1024x1024; the two above high are the simulator's own numbers."""
SIZED_TOKENS = {
    ("low", "1024x1536"): 408,
    ("low", "1536x1024"): 400,
    ("medium", "1024x1536"): 1_584,
    ("medium", "1536x1024"): 1_568,
    ("high", "1024x1536"): 6_240,
    ("high", "1536x1024"): 6_208,
}
_QUALITIES = frozenset({*SQUARE_TOKENS, "auto", "standard", "hd"})
_PICTURES = {"png": PNG_BASE64, "jpeg": JPEG_BASE64, "webp": WEBP_BASE64}
_SIZE = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})")


@dataclass(frozen=True, slots=True)
class _Job:
    """What an image request asks for, with every ``auto`` resolved."""

    size: str
    quality: str
    form: str
    background: str
    count: int
    partial_images: int
    usage: dict[str, Any] | None

    def described(self) -> dict[str, Any]:
        return {
            "background": self.background,
            "output_format": self.form,
            "quality": self.quality,
            "size": self.size,
        }


def generate(request: Request, quirks: Quirks) -> Answer:
    """The answer to an image generation request."""
    return _drawn(request, quirks, check.body_of(request), pictures=0, name="image_generation")


def edit(request: Request, quirks: Quirks) -> Answer:
    """The answer to pictures that shall be changed."""
    form = read_form(request)
    pictures = [file for file in form.files if file.name in {"image", "image[]"}]
    if not pictures:
        raise Refusal(400, "Missing required parameter: 'image'.", param="image")
    body: dict[str, Any] = dict(form.fields)
    for number in ("n", "partial_images"):
        if number in body:
            body[number] = int(body[number])
    body["stream"] = body.get("stream") == "true"
    return _drawn(request, quirks, body, pictures=len(pictures), name="image_edit")


def _drawn(
    request: Request, quirks: Quirks, body: dict[str, Any], *, pictures: int, name: str
) -> Answer:
    model = check.model_of(body)
    prompt = check.required(body, "prompt")
    if not isinstance(prompt, str):
        raise check.wrong_type("prompt", "a string", prompt)
    count = check.whole_number(body, "n", smallest=1, largest=IMAGES_MAX) or 1
    if model.startswith("dall-e"):
        return _dalle(request, quirks, body, count)
    stream = check.flag(body, "stream")
    partial = check.whole_number(body, "partial_images", smallest=0, largest=PARTIAL_IMAGES_MAX)
    each = INPUT_IMAGE_TOKENS
    if body.get("input_fidelity") == "high":
        each += FIDELITY_TOKENS
    given = PromptTokens(text=tokens_of(utf8_length(prompt)), image=pictures * each, audio=0)
    job = _job(request, body, given, count=count, partial_images=(partial or 0) if stream else 0)
    if stream:
        writer = EventWriter()
        return Stream(
            headers=wire.headers(request, b"text/event-stream; charset=utf-8", quirks.headers),
            events=_events(job, writer, name),
            failure=writer.failure,
            ping=wire.PING,
            crlf_allowed=True,
        )
    answer: dict[str, Any] = {
        "created": CREATED_AT_S,
        **job.described(),
        "data": [{"b64_json": _PICTURES[job.form]}] * count,
    }
    if job.usage is not None:
        answer["usage"] = job.usage
    return wire.whole(request, answer, account=quirks.headers)


def image_tokens(quality: str, size: str) -> int:
    """Output tokens of one image of a size ``WIDTHxHEIGHT``."""
    listed = SIZED_TOKENS.get((quality, size))
    if listed is not None:
        return listed
    width, _, height = size.partition("x")
    return -(-SQUARE_TOKENS[quality] * int(width) * int(height) // SQUARE_PIXELS)


def _job(
    request: Request,
    body: dict[str, Any],
    given: PromptTokens,
    *,
    count: int,
    partial_images: int,
) -> _Job:
    size = _size(body)
    quality = check.choice(body, "quality", _QUALITIES, "auto")
    quality = {"auto": "high", "standard": "medium", "hd": "high"}.get(quality, quality)
    background = check.choice(
        body, "background", frozenset({"auto", "opaque", "transparent"}), "auto"
    )
    made = count * image_tokens(quality, size) + partial_images * PARTIAL_IMAGE_TOKENS
    controls = request.controls
    usage = usage_of(
        controls,
        given,
        output=made if controls.output is None else controls.output,
        reasoning=0,
    )
    stated = {
        "input_tokens": usage.input.total,
        "input_tokens_details": {
            "text_tokens": usage.input.total - usage.input.image,
            "image_tokens": usage.input.image,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": usage.output},
        "total_tokens": usage.input.total + usage.output,
    }
    return _Job(
        size=size,
        quality=quality,
        form=check.choice(body, "output_format", frozenset(_PICTURES), "png"),
        background="opaque" if background == "auto" else background,
        count=count,
        partial_images=partial_images,
        usage=stated if controls.usage else None,
    )


def _size(body: dict[str, Any]) -> str:
    size = body.get("size") or "auto"
    if size == "auto":
        return "1024x1024"
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if match is None or max(int(side) for side in match.groups()) > SIDE_PIXELS_MAX:
        raise Refusal(400, "Invalid size.", param="size", code="invalid_value")
    return str(size)


def _events(job: _Job, writer: EventWriter, name: str) -> Iterator[tuple[Kind, bytes]]:
    picture = {"b64_json": _PICTURES[job.form], "created_at": CREATED_AT_S, **job.described()}
    for index in range(job.partial_images):
        yield (
            Kind.CONTENT,
            writer.event(f"{name}.partial_image", **picture, partial_image_index=index),
        )
    usage = {} if job.usage is None else {"usage": job.usage}
    yield Kind.CLOSING, writer.event(f"{name}.completed", **picture, **usage)


def _dalle(request: Request, quirks: Quirks, body: dict[str, Any], count: int) -> Answer:
    form = check.choice(body, "response_format", frozenset({"url", "b64_json"}), "url")
    if form == "b64_json":
        picture = {"b64_json": PNG_BASE64, "revised_prompt": body["prompt"]}
    else:
        url = f"https://images.invalid/{request.number}.png"
        picture = {"url": url, "revised_prompt": body["prompt"]}
    answer = {"created": CREATED_AT_S, "data": [picture] * count}
    return wire.whole(request, answer, account=quirks.headers)
