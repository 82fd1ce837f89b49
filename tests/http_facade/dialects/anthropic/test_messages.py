"""Message requests: required limit, cache writes, server tools, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_WEB_SEARCHES,
)
from mintgate_facade.dialects.anthropic import AnthropicDialect
from mintgate_facade.dialects.base import Ask, Policy, RefusedRequest, RequestView, Route

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]

HELLO = [{"role": "user", "content": "Hello"}]
EPHEMERAL = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def message(**fields: Any) -> dict[str, Any]:
    return {"model": "claude-x", "max_tokens": 100, "messages": HELLO, **fields}


def blocks(*content: Any, **fields: Any) -> dict[str, Any]:
    return message(messages=[{"role": "user", "content": list(content)}], **fields)


def text(words: str = "hi", **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **fields}


SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 2}


def test_text_is_bounded_by_its_bytes(read: Read) -> None:
    """Bytes plus the template bound the input; the stated limit bounds the output."""
    document = message(stream=True)
    ask = read("anthropic", "messages", document)

    assert ask.bound.input_tokens == len(orjson.dumps(document)) + 64
    assert ask.bound.output_tokens == 100
    assert ask.bound.passes == 1
    assert list(ask.bound.input_units) == []
    assert ask.stream
    assert ask.body == orjson.dumps(document)


@pytest.mark.parametrize("fields", [{"Model": "claude-dear"}, {"MAX_TOKENS": 9_000}])
def test_names_of_fields_differ_in_more_than_their_case(
    refusal: Refusal, fields: dict[str, Any]
) -> None:
    """What a vendor whose server is in Go would take for another field is not forwarded."""
    refused = refusal("anthropic", "messages", message(**fields)).failure
    assert (refused.status, refused.param) == (400, *fields)


def test_zero_tokens_warm_the_cache(read: Read) -> None:
    """A limit of zero is a documented use: it only writes the cache."""
    bound = read("anthropic", "messages", message(max_tokens=0)).bound

    assert bound.HasField("output_tokens")
    assert bound.output_tokens == 0


@pytest.mark.parametrize(
    ("document", "hour"),
    [
        (message(cache_control=EPHEMERAL), False),
        (message(cache_control=HOUR), True),
        (blocks(text(cache_control=EPHEMERAL)), False),
        (blocks({"type": "tool_result", "content": [text(cache_control=HOUR)]}), True),
        (message(system=[text(cache_control=HOUR)]), True),
        (message(tools=[{"name": "f", "input_schema": {}, "cache_control": HOUR}]), True),
        (blocks(text(cache_control=EPHEMERAL), text(cache_control=HOUR)), True),
    ],
)
def test_cache_breakpoints_are_found_everywhere(
    read: Read, document: dict[str, Any], *, hour: bool
) -> None:
    """A write for an hour is dearer, so it counts wherever it is asked for."""
    units = list(read("anthropic", "messages", document).bound.input_units)

    expected = [UNIT_CACHE_WRITE_5M_TOKENS]
    assert units == [*expected, UNIT_CACHE_WRITE_1H_TOKENS] if hour else units == expected


def test_a_property_of_that_name_is_no_breakpoint(read: Read) -> None:
    """Only Anthropic's own field counts, not the words in a tool's schema or a text."""
    schema = {"type": "object", "properties": {"cache_control": {"type": "string"}}}
    document = message(tools=[{"name": "f", "input_schema": schema}])

    assert list(read("anthropic", "messages", document).bound.input_units) == []


@pytest.mark.parametrize(
    ("fields", "variants"),
    [
        ({}, []),
        ({"speed": "fast", "inference_geo": "us"}, ["speed=fast", "inference_geo=us"]),
        ({"speed": "standard", "inference_geo": "global", "service_tier": "auto"}, []),
    ],
)
def test_dearer_modes_are_price_variants(
    read: Read, fields: dict[str, Any], variants: list[str]
) -> None:
    """What the request asks for is what may be billed."""
    assert list(read("anthropic", "messages", message(**fields)).bound.variants) == variants


def test_server_tools_are_held_for(read: Read) -> None:
    """Each use is one more pass over an open input; only searches cost a fee."""
    ask = read("anthropic", "messages", message(tools=[SEARCH, FETCH]))

    assert ask.bound.passes == 6
    assert ask.bound.input_open
    assert [(fee.unit, fee.count) for fee in ask.bound.fees] == [(UNIT_WEB_SEARCHES, 3)]


@pytest.mark.parametrize(
    "kind",
    [
        "custom",
        "bash_20250124",
        "computer_20251124",
        "text_editor_20250728",
        "memory_20250818",
        "browser_toolset_20260801",
        "computer_toolset_20260801",
    ],
)
def test_tools_that_the_client_runs_are_allowed(read: Read, kind: str) -> None:
    """Typed or not, they cost tokens only, in one pass."""
    bound = read("anthropic", "messages", message(tools=[{"type": kind, "name": "t"}])).bound

    assert bound.passes == 1
    assert not bound.input_open


def test_newer_searches_must_be_called_directly(read: Read) -> None:
    """Calls from hosted code would add passes that max_uses does not count."""
    tool = {**SEARCH, "type": "web_search_20260318", "allowed_callers": ["direct"]}

    assert read("anthropic", "messages", message(tools=[tool])).bound.passes == 4


PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}


def test_an_inline_image_counts_by_its_cap(read: Read) -> None:
    """A tiny file can be a large picture."""
    document = blocks({"type": "image", "source": PNG})
    ask = read("anthropic", "messages", document)

    assert ask.bound.input_tokens == len(orjson.dumps(document)) + 64 + 4784 - 4
    assert not ask.bound.input_open


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}},
        {"type": "document", "source": {"type": "url", "url": "https://e.com/a.pdf"}},
        {"type": "document", "source": {"type": "base64", "data": "AAAA"}},
        {"type": "web_search_tool_result", "content": []},
        {"type": "web_fetch_tool_result", "content": {"type": "web_fetch_result"}},
        {"type": "compaction", "content": "x"},
    ],
)
def test_content_that_its_bytes_do_not_bound_is_open(read: Read, block: dict[str, Any]) -> None:
    """Addresses, PDFs and sealed results leave only the context window as a bound."""
    assert read("anthropic", "messages", blocks(block)).bound.input_open


@pytest.mark.parametrize(
    "block",
    [
        text(),
        {"type": "thinking", "thinking": "x", "signature": "y"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        {"type": "tool_result", "tool_use_id": "t", "content": "ok"},
        {"type": "document", "source": {"type": "text", "data": "words"}},
        {"type": "document", "source": {"type": "content", "content": [text()]}},
        {"type": "search_result", "content": [text()], "source": "s", "title": "t"},
    ],
)
def test_text_in_any_block_is_bounded(read: Read, block: dict[str, Any]) -> None:
    """Its bytes are all there is to it."""
    assert not read("anthropic", "messages", blocks(block)).bound.input_open


def test_stored_files_are_named_wherever_they_stand(read: Read) -> None:
    """The relay can only check whose a file is if it is told of every one."""
    named = [{"type": "file", "file_id": f"file_{n}"} for n in range(3)]
    ask = read(
        "anthropic",
        "messages",
        blocks(
            {"type": "image", "source": named[0]},
            {"type": "tool_result", "content": [{"type": "document", "source": named[1]}]},
            {
                "type": "web_fetch_tool_result",
                "content": {"content": {"type": "document", "source": named[2]}},
            },
        ),
    )
    assert [name.id for name in ask.uses] == ["file_0", "file_1", "file_2"]
    assert ask.bound.input_open


FILE = {"type": "file"}


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"model": "claude-x", "messages": HELLO}, "max_tokens"),
        (message(max_tokens=None), "max_tokens"),
        (message(cache_control={"type": "ephemeral", "ttl": ["5m"]}), "cache_control.ttl"),
        (
            blocks({"type": "image", "source": {"type": ["base64"]}}),
            "messages[0].content[0].source.type",
        ),
        (message(max_tokens="100"), "max_tokens"),
        (message(max_tokens=-1), "max_tokens"),
        (message(max_tokens=10**9 + 1), "max_tokens"),
        ({"model": "claude-x", "max_tokens": 1}, "messages"),
        (message(model=None), "model"),
        (message(messages=[7]), "messages[0]"),
        (message(system=7), "system"),
        (message(speed="warp"), "speed"),
        (message(service_tier="gold"), "service_tier"),
        (message(inference_geo=1), "inference_geo"),
        (message(mcp_servers=[{"url": "https://e.com"}]), "mcp_servers"),
        (message(container="c_1"), "container"),
        (message(container={"skills": []}), "container"),
        (message(thread={"type": "create"}), "thread"),
        (message(fallbacks="default"), "fallbacks"),
        (message(fallbacks=[{"model": "m"}]), "fallbacks"),
        (message(compaction={}), "compaction"),
        (message(billing_policy={"type": "billing_policy"}), "billing_policy"),
        (
            message(context_management={"edits": [{"type": "compact_20260112"}]}),
            "context_management.edits[0].type",
        ),
        (message(tools=[{**SEARCH, "max_uses": None}]), "tools[0].max_uses"),
        (message(tools=[{**FETCH, "max_uses": 64}]), "tools[0].max_uses"),
        (message(tools=[{**FETCH, "max_uses": 40}, {**SEARCH, "max_uses": 40}]), "tools"),
        (message(tools=[{**SEARCH, "type": "web_search_20260209"}]), "tools[0].allowed_callers"),
        (
            message(tools=[{**SEARCH, "allowed_callers": ["code_execution_20250825"]}]),
            "tools[0].allowed_callers",
        ),
        (message(tools=[{"type": "code_execution_20250825"}]), "tools[0].type"),
        (message(tools=[{"type": "advisor_20260301", "model": "m"}]), "tools[0].type"),
        (message(tools=[{"type": "tool_search_tool_bm25"}]), "tools[0].type"),
        (message(tools=[{"type": "mcp_toolset"}]), "tools[0].type"),
        (message(tools=[{"type": "bash_next"}]), "tools[0].type"),
        (blocks({"type": "container_upload", "file_id": "f"}), "messages[0].content[0].type"),
        (blocks({"type": "image", "source": FILE}), "messages[0].content[0].source.file_id"),
        (blocks({"type": "document", "source": FILE}), "messages[0].content[0].source.file_id"),
        (
            blocks({"type": "tool_result", "content": [{"type": "image", "source": FILE}]}),
            "messages[0].content[0].content[0].source.file_id",
        ),
        (
            blocks(
                {
                    "type": "web_fetch_tool_result",
                    "content": {"content": {"type": "document", "source": FILE}},
                }
            ),
            "messages[0].content[0].content.content.source.file_id",
        ),
        (
            blocks(
                {
                    "type": "tool_addition",
                    "tool": {"type": "tool_definition", "definition": {"type": "mcp_toolset"}},
                }
            ),
            "messages[0].content[0].tool.definition.type",
        ),
        (blocks({"type": "hologram"}), "messages[0].content[0].type"),
    ],
)
def test_what_has_no_bound_is_refused(
    refusal: Refusal, document: dict[str, Any], param: str
) -> None:
    """Missing limits, stored objects and hosted tools without a limit stop before any hold."""
    failure = refusal("anthropic", "messages", document).failure

    assert failure.status == 400
    assert failure.param == param


def test_a_missing_limit_reads_like_anthropics_own_error(refusal: Refusal) -> None:
    """The message is the one that SDK users know from the provider itself."""
    document = {"model": "claude-x", "messages": HELLO}

    assert refusal("anthropic", "messages", document).failure.message == (
        "max_tokens: Field required"
    )


def test_tools_defined_in_messages_count_too(read: Read) -> None:
    """An inline definition of a server tool is held for like one in `tools`."""
    addition = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": SEARCH}}

    assert read("anthropic", "messages", blocks(addition)).bound.passes == 4


def test_endless_nesting_is_refused() -> None:
    """Content nested deeper than it can be followed is a 400, not a failure of the gateway."""
    block: dict[str, Any] = text()
    for _ in range(240):
        block = {"type": "tool_result", "content": [{"type": "tool_result", "content": [block]}]}
    body = blocks(block)
    with pytest.raises(RefusedRequest, match="nests too deeply"):
        AnthropicDialect().read(
            Route("POST", "/v1/messages", Policy.METERED, "messages"),
            RequestView(body=b"{}", document=body),
        )


def test_clearing_edits_are_allowed(read: Read) -> None:
    """They only ever shorten the input."""
    edits = [{"type": "clear_tool_uses_20250919"}, {"type": "clear_thinking_20251015"}]
    read("anthropic", "messages", message(context_management={"edits": edits}))
