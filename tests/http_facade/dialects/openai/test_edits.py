"""Bounds of pictures that are changed, and what is refused before them."""

from __future__ import annotations

from typing import Any

import pytest
from mintgate.v1.unit_pb2 import UNIT_INPUT_IMAGE_TOKENS
from mintgate_facade.dialects.base import (
    Ask,
    FilePart,
    Policy,
    RefusedRequest,
    RequestView,
    Route,
)
from mintgate_facade.dialects.openai import OpenAIDialect

IMAGE = FilePart("image", 1_000)
FIELDS = {"model": "gpt-image-1.5", "prompt": "a cat", "size": "1024x1024", "quality": "low"}


def read(fields: dict[str, Any], *files: FilePart) -> Ask:
    route = Route("POST", "/images/edits", Policy.METERED, "image_edit")
    return OpenAIDialect().read(route, RequestView(body=b"", document=fields, files=files))


def test_each_picture_is_held_at_its_most() -> None:
    """Tiles and high fidelity of every file, masks too, whatever its bytes are."""
    one = read(FIELDS, IMAGE)
    several = FilePart("image[]", 50_000_000)
    three = read(FIELDS, several, several, FilePart("mask", 10))

    assert UNIT_INPUT_IMAGE_TOKENS in one.bound.input_units
    assert one.bound.input_tokens >= 1_097 + 6_144
    assert three.bound.input_tokens - one.bound.input_tokens == 2 * 8_192
    assert one.bound.output_tokens == 272
    assert one.delivered_input_tokens < 1_200


def test_numbers_of_a_form_count() -> None:
    """A form has strings only; they are read as the numbers that they are."""
    assert read(FIELDS | {"n": "4"}, IMAGE).bound.choices == 4
    streamed = read(FIELDS | {"stream": "true", "partial_images": "3"}, IMAGE)
    assert streamed.stream
    assert streamed.bound.output_tokens == 272 + 3 * 100


@pytest.mark.parametrize(
    ("fields", "files", "param"),
    [
        ({}, (), "image"),
        ({}, (FilePart("image[]", 1),) * 17, "image"),
        ({}, (IMAGE, FilePart("other", 1)), ""),
        ({"image": "https://media.invalid/a.png"}, (IMAGE,), "image"),
        ({"image[]": ["file-1"]}, (IMAGE,), "image[]"),
        ({"mask": "file-1"}, (IMAGE,), "mask"),
        ({"images[0][file_id]": "file-1"}, (IMAGE,), "images[0][file_id]"),
        ({"model": "dall-e-2"}, (IMAGE,), "model"),
        ({"n": "11"}, (IMAGE,), "n"),
        ({"n": "²"}, (IMAGE,), "n"),
        ({"n": "-1"}, (IMAGE,), "n"),
        ({"n[]": ["5"]}, (IMAGE,), "n"),
        ({"stream": "1"}, (IMAGE,), "stream"),
        ({"stream": "true", "n": "2"}, (IMAGE,), "n"),
        ({"svg[model]": "gpt-5"}, (IMAGE,), "svg"),
        ({"output_format": "gif"}, (IMAGE,), "output_format"),
        ({"input_fidelity": "dearest"}, (IMAGE,), "input_fidelity"),
    ],
)
def test_what_cannot_be_bounded_is_refused(
    fields: dict[str, Any], files: tuple[FilePart, ...], param: str
) -> None:
    """No file, too many, references to others, models without usage, numbers that are none."""
    with pytest.raises(RefusedRequest) as caught:
        read(FIELDS | fields, *files)
    assert caught.value.failure.param == param
