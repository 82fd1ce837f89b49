"""Requests whose answer is none yet: videos, and batches of Gemini's."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from mintgate_core.pricing import Unit

from tests.properties.worst.case import Case, Target, cards, json_case, up_to
from tests.properties.worst.tokens import (
    GEMINI_PICTURE_TOKENS,
    PICTURE,
    TEXTS,
    TOKENS,
    WRITTEN_MAX,
    input_controls,
)

REQUESTS_MAX = 4

ADDRESS = {"url": "https://media.invalid/a.png"}


@st.composite
def videos(draw: st.DrawFn, target: Target) -> Case:
    """Any videos of Veo, of which any number pass the filters."""
    card = draw(cards(target, Unit.OUTPUT_VIDEO_MS))
    asked = {
        "sampleCount": st.integers(1, 4),
        "durationSeconds": st.sampled_from((1, 4, "8", 60)),
        "resolution": st.sampled_from(("720p", "1080p", "4k")),
    }
    parameters: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=asked))
    document = {"instances": [{"prompt": "A hen"}], "parameters": parameters}
    controls: dict[str, int | str] = draw(
        st.fixed_dictionaries({}, optional={"output": st.integers(0, 4)})
    )
    return json_case(card, document, controls)


@st.composite
def batches(draw: st.DrawFn, target: Target) -> Case:
    """Any generations of one model: text and pictures, with and without a limit, reasoning."""
    card = draw(cards(target, *TOKENS))
    text = draw(st.sampled_from(TEXTS))
    parts: list[Any] = [{"text": text}]
    most, pictures = len(text.encode()), 0
    if draw(st.booleans()):
        data = PICTURE.partition(",")[2]
        parts.append({"inlineData": {"mimeType": "image/png", "data": data}})
        pictures = draw(up_to(GEMINI_PICTURE_TOKENS))
        most += GEMINI_PICTURE_TOKENS
    config: dict[str, Any] = {"candidateCount": draw(st.integers(1, 3))}
    limit = draw(st.none() | st.integers(16, 5_000))
    if limit is not None:
        config["maxOutputTokens"] = limit
    written = min(draw(up_to(WRITTEN_MAX)), card.max_output_tokens or WRITTEN_MAX)
    item = {"request": {"contents": [{"parts": parts}], "generationConfig": config}}
    window = card.context_window
    controls = input_controls(draw, min(most, window) if window else most, writes=False)
    return json_case(
        card,
        _batch(item, draw(st.integers(1, REQUESTS_MAX))),
        {**controls, "output": written, "image_input": pictures},
    )


@st.composite
def embeddings(draw: st.DrawFn, target: Target) -> Case:
    """Any texts, whose answers state their tokens or do not."""
    card = draw(cards(target, Unit.INPUT_TOKENS, named=lambda name: "embedding" in name))
    text = draw(st.sampled_from(TEXTS))
    item = {"request": {"content": {"parts": [{"text": text}]}}}
    usage = draw(st.sampled_from(({}, {"usage": "none"})))
    controls: dict[str, int | str] = {"input": draw(up_to(len(text.encode()))), **usage}
    return json_case(card, _batch(item, draw(st.integers(1, REQUESTS_MAX))), controls)


def _batch(item: dict[str, Any], requests: int) -> dict[str, Any]:
    return {"batch": {"inputConfig": {"requests": {"requests": [item] * requests}}}}


@st.composite
def clips(draw: st.DrawFn, target: Target) -> Case:
    """A video of xAI's, of a stated length or the model's own, with pictures or without."""
    card = draw(cards(target, Unit.OUTPUT_VIDEO_MS, Unit.INPUT_IMAGES))
    asked = {
        "duration": st.integers(1, 15),
        "resolution": st.sampled_from(("480p", "720p", "1080p")),
        "image": st.just(ADDRESS),
        "reference_images": st.lists(st.just(ADDRESS), max_size=7),
    }
    document: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=asked))
    controls: dict[str, int | str] = {"usage": "none"}
    controls["output"] = draw(st.integers(0, document.get("duration", 15)))
    return json_case(card, {"model": card.model, "prompt": "A hen", **document}, controls)
