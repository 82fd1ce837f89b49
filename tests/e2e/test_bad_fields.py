"""Fields of the wrong type or size: refused by name in the provider's own shape, never held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.buyer import Buyer
from tests.e2e.refusals import (
    CHAT,
    COMPLETION,
    CONTENT,
    EMBEDDING,
    GEMINI_MODEL,
    IMAGE,
    MESSAGE,
    PARTS,
    PATHS,
    RESPONSE,
    attempt,
    refused,
)
from tests.harness import Installation
from tests.upstream import Upstream


@pytest.fixture(scope="module")
def buyer(gateway: Installation) -> Iterator[Buyer]:
    """One key for the whole table: every row must leave it as it was."""
    buyer = Buyer.mint(gateway)
    yield buyer
    buyer.untouched()


@dataclass(frozen=True)
class Row:
    """One changed request, and what its refusal must name."""

    dialect: str
    path: str
    body: dict[str, Any]
    naming: str
    status: int = 400


def changed(dialect: str, path: str, body: dict[str, Any], name: str, *values: Any) -> list[Row]:
    """Rows in which one field has other values; the refusal must name that field."""
    return [Row(dialect, path, {**body, name: value}, name) for value in values]


def nested(body: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """A Gemini body with a field of its generationConfig replaced."""
    return {**body, "generationConfig": {**body["generationConfig"], name: value}}


NO_INTEGERS: tuple[Any, ...] = ("10", 1.5, True, [], {}, -1)
TOO_MANY = 10**12


def chat_rows() -> list[Row]:
    """Chat completions."""
    where = ("openai", "/v1/chat/completions", CHAT)
    rows = [
        *changed(*where, "model", None, "", 5, [], {}, "x" * 300, "gpt\n4o"),
        *changed(*where, "messages", None, [], "hello", 5, {}, [5], ["hello"], [[]]),
        *changed(*where, "max_tokens", *NO_INTEGERS, 0, TOO_MANY),
        *changed(*where, "max_completion_tokens", *NO_INTEGERS, 0, TOO_MANY),
        *changed(*where, "n", *NO_INTEGERS, 0, 129, 10**6),
        *changed(*where, "stream", "true", 1, [], {}),
        *changed(*where, "stream_options", "x", 5, []),
        *changed(*where, "service_tier", 5, "gold", []),
        *changed(*where, "tools", {}, "x", [5], [{"type": 5}], [{}], [{"type": "teleport"}]),
        *changed(*where, "modalities", "audio", {}, 5),
        *changed(*where, "web_search_options", {}, {"search_context_size": "low"}),
    ]
    parts: list[tuple[Any, str]] = [
        (5, "content"),
        ({"type": "text"}, "content"),
        ([5], "content[0]"),
        ([{"type": 5}], "type"),
        ([{"type": "hologram"}], "hologram"),
        ([{"type": "text", "text": 5}], "text"),
        ([{"type": "image_url", "image_url": "x"}], "image_url"),
        ([{"type": "image_url", "image_url": {"url": 5}}], "url"),
        ([{"type": "file", "file": {"file_id": 5}}], "file_id"),
        ([{"type": "input_audio", "input_audio": 5}], "input_audio"),
    ]
    rows += [
        Row("openai", where[1], {**CHAT, "messages": [{"role": "user", "content": content}]}, name)
        for content, name in parts
    ]
    options = {**CHAT, "stream": True, "stream_options": {"include_usage": "yes"}}
    rows.append(Row("openai", where[1], options, "include_usage"))
    rows.append(Row("openai", where[1], {**CHAT, "model": "gpt-none"}, "gpt-none", 404))
    rows.append(
        Row("openai", where[1], {**CHAT, "model": "gpt-4o-search-preview"}, "web_search tool")
    )
    return rows


def other_openai_rows() -> list[Row]:
    """Responses, legacy completions, embeddings, images."""
    responses = ("openai", "/v1/responses", RESPONSE)
    completions = ("openai", "/v1/completions", COMPLETION)
    images = ("openai", "/v1/images/generations", IMAGE)
    embeddings = ("openai", "/v1/embeddings", EMBEDDING)
    compactions = ("openai", "/v1/responses/compact", {"model": "gpt-5", "input": "Hello"})
    search = {**RESPONSE, "tools": [{"type": "web_search"}]}
    return [
        *changed(*responses, "model", None, 5),
        *changed(*responses, "input", 5, {}, [5]),
        *changed(*responses, "max_output_tokens", *NO_INTEGERS, TOO_MANY),
        *changed(*responses, "previous_response_id", 5, []),
        *changed(*responses, "conversation", 5, "", {}, {"id": 5}),
        *changed(*responses, "background", "yes"),
        *changed(*responses, "prompt", {"id": "pmpt_1"}),
        *changed(*responses, "input", [{"type": "item_reference", "id": "msg_1"}]),
        *changed(*responses, "input", [{"type": "hologram"}]),
        *changed(*compactions, "model", None, 5),
        *changed(*compactions, "stream", True),
        Row("openai", responses[1], search, "max_tool_calls"),
        Row("openai", responses[1], {**search, "max_tool_calls": "3"}, "max_tool_calls"),
        Row("openai", responses[1], {**search, "max_tool_calls": 10**6}, "max_tool_calls"),
        *(
            Row("openai", responses[1], {**RESPONSE, "tools": [{"type": kind}]}, kind)
            for kind in ("code_interpreter", "file_search", "image_generation", "mcp")
        ),
        *changed(*completions, "prompt", 5, {}, True),
        *changed(*completions, "max_tokens", *NO_INTEGERS, TOO_MANY),
        *changed(*completions, "best_of", *NO_INTEGERS, 0, 10**6),
        *changed(*completions, "n", 0, 10**6),
        Row("openai", completions[1], {**COMPLETION, "n": 3, "best_of": 2}, "best_of"),
        Row("openai", completions[1], {**COMPLETION, "prompt": ["x"] * 2_000}, "prompt"),
        *changed(*embeddings, "model", None, 5),
        *changed(*embeddings, "input", None, 5, {}),
        *changed(*images, "model", "dall-e-3", 5),
        *changed(*images, "n", *NO_INTEGERS, 0, 11, 10**6),
        *changed(*images, "size", 5, "huge", "0x0", "99999x99999"),
        *changed(*images, "quality", 5, "divine"),
        *changed(*images, "partial_images", -1, 4, "2"),
    ]


def anthropic_rows() -> list[Row]:
    """Messages."""
    where = ("anthropic", "/v1/messages", MESSAGE)
    search = {"type": "web_search_20250305", "name": "web_search"}
    blocks: list[tuple[Any, str]] = [
        (5, "messages[0].content"),
        ([5], "messages[0].content[0]"),
        ([{"type": 5}], "type"),
        ([{"type": "hologram"}], "hologram"),
        ([{"type": "image", "source": 5}], "source"),
        ([{"type": "image", "source": {"type": "file", "file_id": 5}}], "source.file_id"),
        ([{"type": "image", "source": {"type": "cloud"}}], "source.type"),
        ([{"type": "text", "text": "x", "cache_control": 5}], "cache_control"),
    ]
    return [
        *changed(*where, "model", None, "", 5, [], {}),
        *changed(*where, "max_tokens", None, *NO_INTEGERS, TOO_MANY),
        *changed(*where, "messages", None, "hello", 5, {}, [5]),
        *changed(*where, "system", 5, {}, [5]),
        *changed(*where, "stream", "true", 1),
        *changed(*where, "tools", {}, [5], [{"type": "teleport_20250101"}]),
        *changed(*where, "service_tier", 5, "priority"),
        *changed(*where, "speed", 5, "ludicrous"),
        *changed(*where, "inference_geo", 5),
        *changed(*where, "mcp_servers", [{"type": "url", "url": "https://x.invalid"}]),
        *changed(*where, "container", "c_1"),
        *changed(*where, "fallbacks", [{"model": "claude-sonnet-4-5"}]),
        *(
            Row("anthropic", where[1], {**MESSAGE, "messages": [{"role": "user", "content": c}]}, n)
            for c, n in blocks
        ),
        Row("anthropic", where[1], {**MESSAGE, "tools": [search]}, "max_uses"),
        Row("anthropic", where[1], {**MESSAGE, "tools": [search | {"max_uses": "3"}]}, "max_uses"),
        Row("anthropic", where[1], {**MESSAGE, "tools": [search | {"max_uses": 99}]}, "max_uses"),
        Row(
            "anthropic",
            where[1],
            {**MESSAGE, "tools": [{"type": "code_execution_20250522", "name": "c"}]},
            "code_execution",
        ),
        Row("anthropic", where[1], {**MESSAGE, "model": "claude-none"}, "claude-none", 404),
    ]


def gemini_rows() -> list[Row]:
    """generateContent, streamGenerateContent, embedContent."""
    path = PATHS["gemini"]
    where = ("gemini", path, CONTENT)
    both = {**CONTENT, "generation_config": {"maxOutputTokens": 10}}
    twice = {
        "contents": PARTS,
        "generationConfig": {"maxOutputTokens": 10, "max_output_tokens": 5},
    }
    stored = [{"parts": [{"fileData": {"fileUri": "files/a/b"}}]}]
    embed = f"{GEMINI_MODEL.replace('2.5-flash', 'embedding-001')}:embedContent"
    return [
        *changed(*where, "contents", None, [], "hello", 5, {}, [5]),
        *changed(*where, "generationConfig", 5, "x", []),
        *changed(*where, "systemInstruction", 5, "x", []),
        *changed(*where, "tools", {}, [5]),
        *changed(*where, "cachedContent", 5, "1", "cachedContents/1/2"),
        *changed(*where, "serviceTier", 5, "gold"),
        *(
            Row("gemini", path, nested(CONTENT, "maxOutputTokens", value), "maxOutputTokens")
            for value in (*NO_INTEGERS, 0, TOO_MANY)
        ),
        *(
            Row("gemini", path, nested(CONTENT, "candidateCount", value), "candidateCount")
            for value in (*NO_INTEGERS, 0, 9, 10**6)
        ),
        *(
            Row("gemini", path, nested(CONTENT, "responseModalities", value), "responseModalities")
            for value in ("IMAGE", [5], ["SMELL"])
        ),
        Row("gemini", path, {**CONTENT, "contents": [{"parts": 5}]}, "parts"),
        Row("gemini", path, {**CONTENT, "contents": [{"parts": [{"text": 5}]}]}, "text"),
        Row("gemini", path, {**CONTENT, "contents": stored}, "fileUri"),
        Row("gemini", path, {**CONTENT, "tools": [{"codeExecution": {}}]}, "codeExecution"),
        Row("gemini", path, both, "generationConfig"),
        Row("gemini", path, twice, "maxOutputTokens"),
        Row("gemini", path, {**CONTENT, "model": "models/gemini-2.5-pro"}, "model in the path"),
        Row("gemini", path + "?fields=candidates", CONTENT, "fields"),
        Row("gemini", path + "?alt=proto", CONTENT, "alt"),
        Row("gemini", path.replace("2.5-flash", "none"), CONTENT, "gemini-none", 404),
        Row("gemini", embed, {"content": 5}, "content"),
        Row("gemini", embed.replace("embedC", "batchEmbedC") + "s", {"requests": []}, "requests"),
    ]


def missing_rows() -> list[Row]:
    """Requests that lack what they must have."""
    needed = [
        ("openai", "/v1/chat/completions", CHAT, ("model", "messages")),
        ("openai", "/v1/responses", RESPONSE, ("model",)),
        ("openai", "/v1/completions", COMPLETION, ("model",)),
        ("openai", "/v1/embeddings", EMBEDDING, ("model", "input")),
        ("openai", "/v1/images/generations", IMAGE, ("model",)),
        ("anthropic", "/v1/messages", MESSAGE, ("model", "messages", "max_tokens")),
        ("gemini", PATHS["gemini"], CONTENT, ("contents",)),
    ]
    return [
        Row(
            dialect, path, {name: value for name, value in body.items() if name != lacking}, lacking
        )
        for dialect, path, body, names in needed
        for lacking in names
    ]


ROWS = [*missing_rows(), *chat_rows(), *other_openai_rows(), *anthropic_rows(), *gemini_rows()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.path}-{row.naming}")
def test_fields(buyer: Buyer, row: Row) -> None:
    """A field that would make the bound wrong is refused by name, before any hold."""
    upstream = Upstream(buyer.gateway)
    answer = attempt(buyer, row.dialect, row.body, path=row.path)
    refused(row.dialect, answer, row.status, row.naming)
    assert upstream.requests() == []
