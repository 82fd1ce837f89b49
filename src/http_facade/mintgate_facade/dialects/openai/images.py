"""Reads `POST /images/generations` (openai/types/image_generate_params.py); edits end here, too.

A GPT image costs output tokens by its size and quality. OpenAI's table for
gpt-image-1 (1024x1024: 272, 1,056, 4,160 tokens at low, medium, high) grows with
the number of pixels, so other sizes are bounded by their area.
"""

from __future__ import annotations

import re

from mintgate.v1.ledger_pb2 import Bound
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_OUTPUT_IMAGE_TOKENS,
    UNIT_OUTPUT_TOKENS,
)

from mintgate_facade.dialects.base import Ask, RequestView
from mintgate_facade.dialects.checks import (
    Fields,
    choice,
    flag,
    forbid,
    integer,
    model_name,
    refused,
    text,
)
from mintgate_facade.dialects.counted import delivered_input
from mintgate_facade.dialects.openai.stream import PARTIAL_IMAGE_TOKENS
from mintgate_facade.dialects.overheads import input_bound

IMAGES_MAX = 10
PARTIAL_IMAGES_MAX = 3
PIXELS_MAX = 3840 * 2160
"""The largest picture that any GPT image model draws."""
PLANNING_TOKENS = 16_384
"""Room for the text that models from gpt-image-2 on write while they plan a picture.
No limit is documented; more than this is charged as an overrun."""

_SQUARE_PIXELS = 1024 * 1024
_SQUARE_TOKENS = {"low": 272, "medium": 1_056, "high": 4_160, "xhigh": 8_320, "max": 16_640}
"""Tokens of 1024x1024. OpenAI publishes the first three; a step of two is assumed above."""
_FIXED_SIZES = ("gpt-image-1", "chatgpt-image")
_AUTO_PIXELS_FIXED = 1536 * 1024
_AUTO_PIXELS_FREE = 2560 * 1440
"""What "auto" may choose: larger sizes are experimental and have to be asked for."""

_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")
_QUALITIES = frozenset({"auto", *_SQUARE_TOKENS})
_FORMATS = frozenset({"png", "webp", "jpeg"})
_FORBIDDEN = {
    "svg": "SVG is written by a second model, whose tokens have no limit here. Use png or webp.",
    "frame_count": "GIF frames have no published cost that could be held. Use png or webp.",
}


def read_image(request: RequestView) -> Ask:
    """Bound an image generation."""
    tokens = input_bound(len(request.body), tools=False, hosted=False)
    bound = Bound(input_tokens=tokens, input_units=[UNIT_CACHE_WRITE_5M_TOKENS])
    counted = delivered_input(tokens, len(request.body))
    return ask_for_pictures(request.document, bound, counted, request.body)


def ask_for_pictures(document: Fields, bound: Bound, counted_tokens: int, body: bytes) -> Ask:
    """Bound what is drawn, beside an input that is bounded already.

    Only the GPT image models state their usage; others are refused.
    """
    model = model_name(document)
    if "gpt-image" not in model:
        raise refused(
            f"'{model}' does not state what a picture cost. Use a gpt-image model.", "model"
        )
    forbid(document, _FORBIDDEN)
    choice(document, "output_format", _FORMATS)
    stream = flag(document, "stream")
    pictures = integer(document, "n", 1, IMAGES_MAX) or 1
    if stream and pictures > 1:
        raise refused("A stream carries one picture; set 'n' to 1.", "n")
    partials = integer(document, "partial_images", 0, PARTIAL_IMAGES_MAX) or 0
    per_picture = picture_tokens(model, document) + partials * PARTIAL_IMAGE_TOKENS
    drawn = Bound(
        output_tokens=per_picture,
        choices=pictures,
        output_units=[UNIT_OUTPUT_IMAGE_TOKENS, UNIT_OUTPUT_TOKENS],
    )
    drawn.MergeFrom(bound)
    return Ask(
        model=model, bound=drawn, body=body, stream=stream, delivered_input_tokens=counted_tokens
    )


def picture_tokens(model: str, document: Fields) -> int:
    """Bound the output tokens of one picture; what is left to the model is the dearest."""
    fixed = any(name in model for name in _FIXED_SIZES)
    quality = choice(document, "quality", _QUALITIES) or "auto"
    if quality == "auto":
        quality = "high" if fixed else "max"
    size = text(document, "size") or "auto"
    if size == "auto":
        pixels = _AUTO_PIXELS_FIXED if fixed else _AUTO_PIXELS_FREE
    else:
        match = _SIZE.fullmatch(size)
        pixels = int(match[1]) * int(match[2]) if match else 0
        if not 0 < pixels <= PIXELS_MAX:
            raise refused(
                f"'size' is {size[:32]!r}; it must be 'auto' or WIDTHxHEIGHT within 3840x2160.",
                "size",
            )
    drawn = -(-_SQUARE_TOKENS[quality] * pixels // _SQUARE_PIXELS)
    return drawn + (0 if fixed else PLANNING_TOKENS)
