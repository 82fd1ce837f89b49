"""Whatever is asked for in any of the three shapes, the hold covers the twin's worst answer."""

from __future__ import annotations

from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mintgate_simulator.dashscope import dashscope_twin

from tests.http_facade.dialects.playing import BOOK, NOW_MS, play

TWIN = dashscope_twin()
SETTINGS = settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
ROOT = "http://gateway"
GENERATION = "/api/v1/services/aigc/text-generation/generation"
MULTIMODAL = "/api/v1/services/aigc/multimodal-generation/generation"
CHAT = "/compatible-mode/v1/chat/completions"
MESSAGES = "/apps/anthropic/v1/messages"
REASON_UNASKED = ("qwen3.8-max", "qwq-plus", "qwen3-next-80b-a3b-thinking", "glm-5.2")
REASON_IF_ASKED = ("qwen-plus-latest", "qwen-turbo")
DO_NOT = ("qwen3-coder-plus", "qwen-max", "qwen3-next-80b-a3b-instruct")
CHAIN_OF_THOUGHT_MAX = 81_920
"""The longest that is documented; qwq-plus has 32,768."""
BUDGET = 1_024
"""The smallest that Anthropic's shape allows."""
OUTPUT_MAX = 5_000
"""Tokens that one example really writes."""

texts = st.sampled_from(("hi", "word " * 500, "Zürich " * 3_000, "日本" * 2_000))


def up_to(most: int) -> st.SearchStrategy[int]:
    """Any number, and often the largest."""
    return st.sampled_from((0, most)) | st.integers(0, most)


def covered(request: httpx.Request, control: str = "") -> None:
    played = play("dashscope", TWIN, request, control)
    assert played.complete
    assert 0 < played.charged_nano_usd <= played.held_nano_usd


@st.composite
def generations(draw: st.DrawFn, path: str) -> tuple[httpx.Request, str]:
    """A request for text and what it is answered with, the worst included."""
    model = draw(st.sampled_from((*REASON_UNASKED, *REASON_IF_ASKED, *DO_NOT)))
    card = BOOK.find("", "dashscope", model, NOW_MS)
    asked = draw(st.sampled_from((None, True, False)))
    limit = draw(st.none() | st.integers(1, OUTPUT_MAX))
    budget = draw(st.none() | st.integers(1, CHAIN_OF_THOUGHT_MAX))
    stream = draw(st.booleans())
    messages = [{"role": "user", "content": draw(texts)}]
    fields: dict[str, Any] = {"max_tokens": limit, "n": draw(st.integers(1, 4))}
    headers = {"anthropic-version": "2023-06-01"} if path == MESSAGES else {}
    if model in DO_NOT:
        asked = None
    if path == MESSAGES:
        document: dict[str, Any] = {
            "model": model,
            "messages": messages,
            "max_tokens": max(limit or 0, BUDGET + 1),
            "stream": stream,
        }
        if asked is not None:
            how = {"type": "enabled", "budget_tokens": BUDGET}
            document["thinking"] = how if asked else {"type": "disabled"}
    else:
        fields |= {"enable_thinking": asked, "thinking_budget": budget}
        fields = {name: value for name, value in fields.items() if value is not None}
        document = {"model": model, "messages": messages, **fields, "stream": stream}
    if path == GENERATION:
        fields |= {"result_format": "message", "incremental_output": draw(st.booleans())}
        document = {"model": model, "input": {"messages": messages}, "parameters": fields}
        headers = {"x-dashscope-sse": "enable"} if stream else {}
    request = httpx.Request("POST", ROOT + path, json=document, headers=headers)
    return request, _worst(draw, card, request, document, reasons=_reasons(model, asked=asked))


def _reasons(model: str, *, asked: bool | None) -> bool:
    if "thinking" in model or model == "qwq-plus":
        return True
    return model in REASON_UNASKED if asked is None else asked


def _worst(
    draw: st.DrawFn, card: Any, request: httpx.Request, document: dict[str, Any], *, reasons: bool
) -> str:
    """Controls of an answer as long as the model and the request allow it."""
    fields = document.get("parameters", document)
    most = min(CHAIN_OF_THOUGHT_MAX, 4 * card.max_output_tokens) if reasons else 0
    budget = fields.get("thinking_budget", fields.get("thinking", {}).get("budget_tokens"))
    # Not every model keeps a budget; those that do are documented to.
    if budget is not None and card.model.startswith(("qwen3", "qwen-")):
        most = min(most, budget)
    reasoning = draw(up_to(most))
    output = draw(up_to(min(OUTPUT_MAX, card.max_output_tokens)))
    input_tokens = min(len(request.content), card.context_window)
    return f"output={output}; reasoning={reasoning}; input={input_tokens}"


@SETTINGS
@given(generations(GENERATION))
def test_generations(case: tuple[httpx.Request, str]) -> None:
    """Limits, budgets, choices, reasoning and both kinds of streams."""
    covered(*case)


@SETTINGS
@given(generations(CHAT))
def test_compatible_chats(case: tuple[httpx.Request, str]) -> None:
    """The same in OpenAI's shape."""
    covered(*case)


@SETTINGS
@given(generations(MESSAGES))
def test_messages(case: tuple[httpx.Request, str]) -> None:
    """The same in Anthropic's."""
    covered(*case)


@SETTINGS
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300),
    st.sampled_from(["cosyvoice-v3-flash", "qwen3-tts-flash"]),
    st.sampled_from([MULTIMODAL, "/api/v1/services/audio/tts/SpeechSynthesizer"]),
    st.booleans(),
    st.sampled_from(["", "usage=none"]),
)
def test_speech(text: str, model: str, path: str, stream: bool, control: str) -> None:  # noqa: FBT001 - drawn by Hypothesis
    """Any text, wide characters included, whole and streamed, with and without usage."""
    body = {"model": model, "input": {"text": text, "voice": "v"}}
    headers = {"x-dashscope-sse": "enable"} if stream else {}
    covered(httpx.Request("POST", ROOT + path, json=body, headers=headers), control)


@SETTINGS
@given(st.none() | st.integers(1, 6), st.booleans())
def test_pictures(number: int | None, stated: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
    """As many pictures as asked for; four where nothing was said."""
    parameters = {} if number is None else {"n": number}
    body = {
        "model": "qwen-image-2.0-pro",
        "input": {"messages": [{"role": "user", "content": [{"text": "a cat"}]}]},
        "parameters": parameters,
    }
    made = f"output={number or 4}" + ("" if stated else "; usage=none")
    covered(httpx.Request("POST", ROOT + MULTIMODAL, json=body), made)
