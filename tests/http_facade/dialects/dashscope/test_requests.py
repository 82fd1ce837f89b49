"""What DashScope's requests are held for, and what is refused because nothing would bound it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.unit_pb2 import UNIT_INPUT_CHARACTERS, UNIT_OUTPUT_IMAGES
from mintgate_facade.dialects.anthropic.request import read_message
from mintgate_facade.dialects.base import Ask, RefusedRequest, RequestView
from mintgate_facade.dialects.dashscope.compatible import read_compatible
from mintgate_facade.dialects.dashscope.thinking import (
    BUDGET_FITTED_MAX,
    THINKING_TOKENS_MAX,
    THOUGHT_PER_ANSWER,
    fitted_budget,
)
from mintgate_facade.providers.dashscope import MESSAGES

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]
HELLO: Any = [{"role": "user", "content": "hello"}]


def asked(model: str = "qwen3-max", messages: Any = HELLO, **parameters: Any) -> dict[str, Any]:
    return {"model": model, "input": {"messages": messages}, "parameters": parameters}


@pytest.mark.parametrize(
    ("model", "parameters", "output_tokens"),
    [
        # Models that do not reason unasked, and requests that forbid it.
        ("qwen3-max", {}, 100),
        ("qwen-plus-latest", {}, 100),
        ("qwen3-next-80b-a3b-instruct", {}, 100),
        ("qwen3.8-max", {"enable_thinking": False}, 100),
        ("qwen3.8-max", {"enable_thinking": False, "thinking_budget": 50}, 100),
        # Those that do, with and without a budget.
        ("qwen3.8-max", {}, 100 + THINKING_TOKENS_MAX),
        ("qwen3.8-max", {"thinking_budget": 50}, 150),
        ("qwen-plus-latest", {"enable_thinking": True}, 100 + THINKING_TOKENS_MAX),
        ("qwen-plus-latest", {"enable_thinking": True, "thinking_budget": 50}, 150),
        # Those that cannot but reason, and those that are not known to keep a budget.
        ("qwq-plus", {"enable_thinking": False}, 100 + THINKING_TOKENS_MAX),
        ("glm-5.2", {"thinking_budget": 50}, 100 + THINKING_TOKENS_MAX),
    ],
)
def test_reasoning_stands_beside_the_limit(
    read: Read, model: str, parameters: dict[str, Any], output_tokens: int
) -> None:
    """The limit holds the answer; what may be reasoned besides is held on top of it."""
    bound = read("dashscope", "generation", asked(model, max_tokens=100, **parameters)).bound
    assert (bound.output_tokens, bound.choices) == (output_tokens, 1)


def test_reasoning_without_a_limit(read: Read) -> None:
    """Where nothing is stated the reasoning counts as further answers, over its budget at least."""
    bound = read("dashscope", "generation", asked("qwen3.8-max", n=2, thinking_budget=10)).bound
    assert not bound.HasField("output_tokens")
    assert bound.choices == 2 * (1 + THOUGHT_PER_ANSWER)
    assert bound.output_tokens_min * THOUGHT_PER_ANSWER >= 10
    assert not bound.output_open
    # No budget that is written would be kept.
    assert read("dashscope", "generation", asked("qwq-plus")).bound.output_open


@pytest.mark.parametrize(
    ("model", "fields", "limit", "budget"),
    [
        ("qwen3-max", {}, 100, None),
        ("qwen3.8-max", {}, 100, 400),
        ("qwen3.8-max", {}, 100_000, BUDGET_FITTED_MAX),
        ("qwen3.8-max", {"thinking_budget": 7}, 100, None),
        ("qwen3.8-max", {"enable_thinking": False}, 100, None),
    ],
)
def test_fitted_budgets(model: str, fields: dict[str, Any], limit: int, budget: int | None) -> None:
    """A budget goes with a fitted limit only where the model reasons and none was stated."""
    assert fitted_budget(model, fields, limit) == budget


def test_media_are_held_by_their_most(read: Read) -> None:
    """A small picture may be many tokens; what is elsewhere, and any video, opens the input."""
    plain = read("dashscope", "multimodal", asked()).bound
    small = [{"role": "user", "content": [{"image": "data:image/png;base64,AAAA"}]}]
    held = read("dashscope", "multimodal", asked(messages=small)).bound
    assert not held.input_open
    assert held.input_tokens > plain.input_tokens + 16_000
    for part in (
        {"image": "https://a.example/b.png", "max_pixels": 100},
        {"video": "https://a.example/b.mp4", "fps": 2},
        {"video": ["data:image/png;base64,AAAA"]},
    ):
        messages = [{"role": "user", "content": [part, {"text": "What?"}]}]
        assert read("dashscope", "multimodal", asked(messages=messages)).bound.input_open


@pytest.mark.parametrize("detail", ["low", "high", "auto"])
def test_compatible_pictures_are_held_by_the_same(detail: str) -> None:
    """In OpenAI's shape the detail that is asked for makes no picture cheaper."""
    url = {"url": "data:image/png;base64,AAAA", "detail": detail}
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]
    document = {"model": "qwen3-vl-plus", "messages": messages, "max_tokens": 5}
    view = RequestView(body=orjson.dumps(document), document=document)
    assert read_compatible(view).bound.input_tokens > 16_000


def test_pictures_in_messages_are_held_by_the_same() -> None:
    """In Anthropic's shape a picture is not held by what Anthropic bills for one."""
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    messages = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    document = {"model": "qwen3-vl-plus", "messages": messages, "max_tokens": 5}
    view = RequestView(body=orjson.dumps(document), document=document)
    assert read_message(view, MESSAGES).bound.input_tokens > 16_000


@pytest.mark.parametrize(
    ("operation", "document", "unit", "most"),
    [
        ("speech", {"model": "m", "input": {"text": "abc"}}, UNIT_INPUT_CHARACTERS, 3),
        ("speech", {"model": "m", "input": {"text": "你好"}}, UNIT_INPUT_CHARACTERS, 6),
        ("multimodal", {"model": "m", "input": {"text": "abc"}}, UNIT_INPUT_CHARACTERS, 3),
        (
            "speech",
            {"model": "m", "input": {"text": "a", "instruction": "bc"}},
            UNIT_INPUT_CHARACTERS,
            3,
        ),
        ("multimodal", asked("qwen-image-2.0", n=2), UNIT_OUTPUT_IMAGES, 2),
        ("multimodal", asked("qwen-image-2.0"), UNIT_OUTPUT_IMAGES, 4),
        ("multimodal", asked("wan2.6-t2i", n=1), UNIT_OUTPUT_IMAGES, 1),
    ],
)
def test_pieces(read: Read, operation: str, document: dict[str, Any], unit: int, most: int) -> None:
    """Speech is held at the bytes of its text, pictures at their number."""
    bound = read("dashscope", operation, document).bound
    assert [(fee.unit, fee.count) for fee in bound.fees] == [(unit, most)]
    assert bound.output_tokens == 0


def test_a_ranking_reads_its_query_again(read: Read) -> None:
    """The query counts with each document."""
    query = "q" * 1_000
    inputs = {"query": query, "documents": ["a"] * 50}
    bound = read("dashscope", "rerank", {"model": "m", "input": inputs}).bound
    assert bound.input_tokens > 50 * 1_000
    assert bound.output_tokens == 0


@pytest.mark.parametrize(
    ("operation", "document", "param"),
    [
        ("generation", {"input": {"messages": HELLO}}, "model"),
        ("generation", {"model": "m"}, "input"),
        ("generation", {"model": "m", "input": "c2VjcmV0"}, "input"),
        ("generation", {"model": "m", "input": {}}, "input.messages"),
        ("generation", {"model": "m", "input": {"messages": ["a"]}}, "input.messages[0]"),
        ("generation", asked(max_tokens="9"), "parameters.max_tokens"),
        ("generation", asked(n=5), "parameters.n"),
        ("generation", asked("qwen3.8-max", thinking_budget=-1), "parameters.thinking_budget"),
        ("generation", asked("qwen3.8-max", enable_thinking="no"), "parameters.enable_thinking"),
        ("generation", asked(enable_search=True), "enable_search"),
        ("generation", asked(search_options={"forced_search": True}), "search_options"),
        ("generation", asked(enable_code_interpreter=True), "enable_code_interpreter"),
        ("generation", asked(plugins={"calculator": {}}), "plugins"),
        ("generation", asked(modalities=["text", "audio"]), "modalities"),
        ("generation", asked(tools=[{"type": "web_search"}]), "tools[0]"),
        ("generation", asked(tools=[{"type": "code_interpreter"}]), "tools[0].type"),
        ("generation", asked("qwen-deep-research"), "model"),
        ("generation", asked("qwen-long"), "model"),
        (
            "generation",
            asked(messages=[{"role": "system", "content": "fileid://file-fe-1"}]),
            "input.messages[0].content",
        ),
        (
            "multimodal",
            asked(messages=[{"role": "user", "content": [{"image": "oss://a/b.png"}]}]),
            "input.messages[0].content[0].image",
        ),
        (
            "multimodal",
            asked(messages=[{"role": "user", "content": [{"audio": "https://a.example/b"}]}]),
            "input.messages[0].content[0].audio",
        ),
        (
            "multimodal",
            asked(messages=[{"role": "user", "content": [{"file": "https://a.example/b"}]}]),
            "input.messages[0].content[0].file",
        ),
        ("multimodal", asked("qwen-image-2.0", n=7), "parameters.n"),
        ("multimodal", asked("wan2.6-image", enable_interleave=True), "enable_interleave"),
        ("speech", {"model": "m", "input": {"text": ""}}, "input.text"),
        ("speech", {"model": "m", "input": {"text": "a" * 20_001}}, "input.text"),
        ("embeddings", {"model": "m", "input": {"url": "https://a.example/b"}}, "input.url"),
        ("embeddings", {"model": "m", "input": {"texts": [1]}}, "input.texts"),
        ("rerank", {"model": "m", "input": {"query": "a", "documents": []}}, "input.documents"),
        ("rerank", {"model": "m", "input": {"documents": ["a"]}}, "input.query"),
    ],
)
def test_refused(refusal: Refusal, operation: str, document: dict[str, Any], param: str) -> None:
    """What cannot be bounded or read, what searches, and what is stored elsewhere."""
    assert refusal("dashscope", operation, document).failure.param == param


@pytest.mark.parametrize(
    ("headers", "stream"),
    [
        ({"x-dashscope-sse": "enable"}, True),
        ({"accept": "text/event-stream"}, True),
        ({"x-dashscope-sse": "disable"}, False),
        ({}, False),
    ],
)
def test_headers_ask_for_events(read: Read, headers: dict[str, str], *, stream: bool) -> None:
    """Nothing in the body says that an answer shall be streamed."""
    assert read("dashscope", "generation", asked(), headers=headers).stream is stream
