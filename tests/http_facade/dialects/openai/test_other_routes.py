"""Legacy completions, embeddings and images: what bounds each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mintgate.v1.unit_pb2 import UNIT_OUTPUT_IMAGE_TOKENS, UNIT_OUTPUT_TOKENS
from mintgate_facade.dialects.base import Ask, RefusedRequest

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]


@pytest.mark.parametrize(
    ("fields", "choices", "limit"),
    [
        ({"prompt": "a"}, 1, 16),
        ({"prompt": None}, 1, 16),
        ({"prompt": "a", "n": 2, "max_tokens": 5}, 2, 5),
        ({"prompt": "a", "n": 2, "best_of": 4}, 4, 16),
        ({"prompt": ["a", "b", "c"], "n": 2}, 6, 16),
        ({"prompt": [1, 2, 3]}, 1, 16),
        ({"prompt": [[1, 2], [3]]}, 2, 16),
        ({"prompt": "a", "max_tokens": 0, "echo": True}, 1, 0),
    ],
)
def test_every_candidate_of_a_completion_counts(
    read: Read, fields: dict[str, Any], choices: int, limit: int
) -> None:
    """Prompts times best_of answers are generated, each with the documented default limit."""
    bound = read("openai", "completions", {"model": "m", **fields}).bound

    assert bound.choices == choices
    assert bound.output_tokens == limit


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": "a", "n": 3, "best_of": 2}, "best_of"),
        ({"prompt": ["a"] * 600, "n": 2}, "prompt"),
        ({"prompt": {}}, "prompt"),
        ({"prompt": "a", "max_tokens": -1}, "max_tokens"),
    ],
)
def test_completions_that_cannot_be_bounded_are_refused(
    refusal: Refusal, fields: dict[str, Any], param: str
) -> None:
    """More answers than one hold can cover, or less than nothing, is a 400."""
    assert refusal("openai", "completions", {"model": "m", **fields}).failure.param == param


def test_a_streamed_completion_asks_for_usage(read: Read) -> None:
    """The legacy route has the same opt-in as chat."""
    ask = read("openai", "completions", {"model": "m", "prompt": "a", "stream": True})

    assert ask.hide_usage
    assert b"include_usage" in ask.body


def test_embeddings_have_no_output(read: Read, refusal: Refusal) -> None:
    """Only input is held; a zero output limit is stated, so that none is fitted."""
    bound = read("openai", "embeddings", {"model": "m", "input": ["a", [1, 2]]}).bound

    assert bound.HasField("output_tokens")
    assert bound.output_tokens == 0
    assert refusal("openai", "embeddings", {"model": "m"}).failure.param == "input"


def image(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-image-1-mini", "prompt": "a cat", **fields}


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"quality": "low", "size": "1024x1024"}, 272),
        ({"quality": "medium", "size": "1024x1536"}, 1584),
        ({"quality": "high", "size": "1024x1024"}, 4160),
        ({"quality": "high", "size": "1536x1024"}, 6240),
        ({}, 6240),
        ({"quality": "auto", "size": "auto", "partial_images": 3, "stream": True}, 6540),
    ],
)
def test_a_picture_is_bounded_by_size_and_quality(
    read: Read, fields: dict[str, Any], tokens: int
) -> None:
    """OpenAI's table, with "auto" as its dearest entry and 100 tokens a partial image."""
    bound = read("openai", "images", image(**fields)).bound

    assert bound.output_tokens == tokens
    assert list(bound.output_units) == [UNIT_OUTPUT_IMAGE_TOKENS, UNIT_OUTPUT_TOKENS]


def test_larger_models_are_bounded_by_area(read: Read) -> None:
    """Free sizes grow with their pixels, and leave room for the plan that is written first."""

    def tokens(**fields: Any) -> int:
        return read("openai", "images", image(model="gpt-image-2", **fields)).bound.output_tokens

    small = tokens(size="1024x1024", quality="high")
    assert tokens(size="2048x2048", quality="high") - small == 3 * 4160
    assert tokens() > tokens(size="1536x1024")


def test_pictures_are_choices(read: Read) -> None:
    """N pictures cost n times as much."""
    assert read("openai", "images", image(n=4)).bound.choices == 4


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "dall-e-3"}, "model"),
        ({"model": None}, "model"),
        ({"n": 11}, "n"),
        ({"n": 2, "stream": True}, "n"),
        ({"size": "huge"}, "size"),
        ({"size": "9999x9999"}, "size"),
        ({"size": "0x10"}, "size"),
        ({"quality": "hd"}, "quality"),
        ({"partial_images": 4}, "partial_images"),
        ({"output_format": "gif"}, "output_format"),
        ({"svg": {"model": "m"}}, "svg"),
    ],
)
def test_pictures_without_a_bound_are_refused(
    refusal: Refusal, fields: dict[str, Any], param: str
) -> None:
    """Models that state no usage, and formats of unknown cost, stop before any hold."""
    assert refusal("openai", "images", image(**fields)).failure.param == param
