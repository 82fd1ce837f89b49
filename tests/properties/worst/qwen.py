"""Requests in DashScope's own shape, and what its models reason beside their limit.

A model's largest output is taken for the longest of its chains of thought, too.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from mintgate_core.pricing import RateCard, Unit

from tests.properties.worst import tokens
from tests.properties.worst.case import Case, Target, cards, json_case, up_to
from tests.properties.worst.pieces import SPOKEN, USAGE

REASON_UNASKED = re.compile(r"qwen3\.\d|qwq|thinking|glm|deepseek|kimi")
"""Models that reason although nothing in the request asks for it."""
PICTURE_TOKENS = tokens.QWEN_PICTURE_TOKENS
PICTURES_MAX = 6
PICTURES_UNASKED = 4


@st.composite
def generation(draw: st.DrawFn, target: Target) -> Case:
    """Any text: with and without a limit, reasoning that is asked for or not, choices, media."""
    card = draw(cards(target, *tokens.TOKENS))
    room = tokens.Room(card)
    content: Any = draw(st.sampled_from(tokens.TEXTS))
    if target.route.operation == "multimodal":
        content = [{"text": content}]
        if draw(st.booleans()):
            content.append({"image": tokens.PICTURE})
            room.media_tokens += PICTURE_TOKENS
            room.media_bytes += len(tokens.PICTURE)
            room.controls["image_input"] = draw(up_to(PICTURE_TOKENS))
    parameters: dict[str, Any] = {"n": draw(st.integers(1, 4)), "result_format": "message"}
    limit = draw(st.none() | st.integers(1, 5_000))
    if limit is not None:
        parameters["max_tokens"] = limit
    asked = draw(st.booleans())
    if asked:
        parameters["enable_thinking"] = True
    if draw(st.booleans()):
        parameters["tools"] = [tokens.FUNCTION]
    reasons = asked or REASON_UNASKED.search(card.model) is not None
    document: dict[str, Any] = {"model": card.model, "parameters": parameters}
    document["input"] = {"messages": [{"role": "user", "content": content}]}
    controls = tokens.answer_controls(draw, card, limit=limit, reasons=reasons)
    most = room.input_max(document)
    if int(room.controls.get("image_input", 0)) > most:
        room.controls["image_input"] = 0
    total = tokens.input_controls(draw, most, writes=True)
    return json_case(card, document, {**controls, **total, **room.controls})


@st.composite
def messages(draw: st.DrawFn, target: Target) -> Case:
    """Any message; models that do not reason unasked do not reason here."""
    case: Case = draw(tokens.messages(target))
    if REASON_UNASKED.search(case.card.model):
        return case
    return replace(case, controls={**case.controls, "reasoning": 0})


@st.composite
def speech(draw: st.DrawFn, target: Target) -> Case:
    """A text that is spoken, of which wide characters count twice."""
    card = draw(cards(target, Unit.INPUT_CHARACTERS))
    inputs = {"text": draw(st.sampled_from(SPOKEN)), "voice": "v"}
    return json_case(card, {"model": card.model, "input": inputs}, draw(USAGE))


@st.composite
def pictures(draw: st.DrawFn, target: Target) -> Case:
    """Pictures, as many as asked for, or as the model likes."""
    card = draw(cards(target, Unit.OUTPUT_IMAGES, named=lambda name: "image" in name))
    asked = draw(st.none() | st.integers(1, PICTURES_MAX))
    document: dict[str, Any] = {"model": card.model}
    document["input"] = {"messages": [{"role": "user", "content": [{"text": "a cat"}]}]}
    document["parameters"] = {} if asked is None else {"n": asked}
    made = draw(up_to(PICTURES_UNASKED if asked is None else asked))
    return json_case(card, document, {**draw(USAGE), "output": made})


def multimodal(target: Target) -> st.SearchStrategy[Case]:
    """Whatever the one route of all media is for."""
    return st.one_of(generation(target), speech(target), pictures(target))


@st.composite
def embeddings(draw: st.DrawFn, target: Target) -> Case:
    """One text or many."""
    card = draw(cards(target, Unit.INPUT_TOKENS))
    inputs = {"texts": [draw(st.sampled_from(tokens.TEXTS))] * draw(st.integers(1, 9))}
    return json_case(card, {"model": card.model, "input": inputs}, {})


@st.composite
def rankings(draw: st.DrawFn, target: Target) -> Case:
    """A query that is read again with each document."""
    card = draw(cards(target, Unit.INPUT_TOKENS))
    query = draw(st.sampled_from(tokens.TEXTS))
    documents = [draw(st.sampled_from(("a", "word " * 90)))] * draw(st.integers(1, 50))
    document: dict[str, Any] = {"model": card.model}
    document["input"] = {"query": query, "documents": documents}
    most = len(query.encode()) * len(documents) + len("".join(documents).encode())
    return json_case(card, document, {"input": draw(up_to(most))})


TASK = {"x-dashscope-async": "enable"}
GROUP_MAX = 12
LONGEST_S = 12 * 3_600
VIDEO_S_UNASKED = 30


def task(card: RateCard, document: dict[str, Any], controls: Any) -> Case:
    """A request that makes a task."""
    case = json_case(card, {"model": card.model, **document}, controls)
    return replace(case, headers=TASK)


@st.composite
def picture_tasks(draw: st.DrawFn, target: Target) -> Case:
    """Pictures in both shapes, in groups or apart, as many as asked for or as the model likes."""
    card = draw(cards(target, Unit.OUTPUT_IMAGES, named=lambda name: "image" in name))
    messages = [{"role": "user", "content": [{"text": "a cat"}]}]
    inputs = draw(st.sampled_from(({"prompt": "a cat"}, {"messages": messages})))
    parameters: dict[str, Any] = {}
    most = PICTURES_UNASKED
    if draw(st.booleans()):
        parameters["enable_sequential"] = True
        most = GROUP_MAX
    if draw(st.booleans()):
        parameters["n"] = most = draw(st.integers(1, GROUP_MAX))
    document = {"input": inputs, "parameters": parameters}
    return task(card, document, {**draw(USAGE), "output": draw(up_to(most))})


@st.composite
def video_tasks(draw: st.DrawFn, target: Target) -> Case:
    """A video of a stated length and resolution, or of those that the model likes."""
    card = draw(cards(target, Unit.OUTPUT_VIDEO_MS))
    parameters: dict[str, Any] = {}
    most = VIDEO_S_UNASKED
    if draw(st.booleans()):
        parameters["duration"] = most = draw(st.integers(1, 60))
    if draw(st.booleans()):
        parameters["resolution"] = draw(st.sampled_from(("480P", "720P", "1080P", "2160p")))
    document = {"input": {"prompt": "a cat"}, "parameters": parameters}
    return task(card, document, {**draw(USAGE), "output": draw(up_to(most))})


@st.composite
def transcript_tasks(draw: st.DrawFn, target: Target) -> Case:
    """Recordings as long as any that is taken, in one channel or in several."""
    card = draw(cards(target, Unit.INPUT_AUDIO_MS))
    files, channels = draw(st.integers(1, 100)), draw(st.integers(1, 8))
    document = {
        "input": {"file_urls": ["https://media.invalid/a.wav"] * files},
        "parameters": {"channel_id": list(range(channels))},
    }
    most = files * channels * LONGEST_S
    return task(card, document, {**draw(USAGE), "output": min(draw(up_to(most)), 1_000_000)})
