"""Responses requests: hosted tools need a limit, stored objects are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.unit_pb2 import (
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_INPUT_IMAGE_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_WEB_SEARCHES,
)
from mintgate_facade.dialects.base import Ask, Policy, RefusedRequest, Route
from mintgate_facade.dialects.jobs import Done
from mintgate_facade.dialects.openai import OpenAIDialect
from mintgate_facade.dialects.openai.background import OPERATION, BackgroundResponse
from mintgate_facade.dialects.openai.usage import PREVIEW

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]


def response(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-x", "input": "Hello", **fields}


def items(*values: Any) -> dict[str, Any]:
    return response(input=list(values))


def test_a_plain_request_is_bounded(read: Read) -> None:
    """Bytes bound the input; the smallest limit that OpenAI takes is told to the ledger."""
    ask = read("openai", "responses", response(max_output_tokens=100, stream=True, store=False))

    assert ask.bound.output_tokens == 100
    assert ask.bound.output_tokens_min == 16
    assert ask.bound.passes == 1
    assert ask.stream
    assert not ask.hide_usage
    assert not read("openai", "responses", response()).bound.HasField("output_tokens")


def test_a_limited_search_is_held_for(read: Read) -> None:
    """N searches are at most n fees and n + 1 passes over an open input."""
    ask = read("openai", "responses", response(tools=[{"type": "web_search"}], max_tool_calls=5))

    assert ask.bound.passes == 6
    assert [(fee.unit, fee.count) for fee in ask.bound.fees] == [(UNIT_WEB_SEARCHES, 5)]
    assert ask.bound.input_open


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "name": "f"},
        {"type": "custom", "name": "f"},
        {"type": "local_shell"},
        {"type": "apply_patch"},
        {"type": "computer"},
        {"type": "shell", "environment": {"type": "local"}},
        {"type": "tool_search", "execution": "client"},
        {"type": "namespace", "tools": [{"type": "function", "name": "f"}]},
    ],
)
def test_tools_that_the_client_runs_are_allowed(read: Read, tool: dict[str, Any]) -> None:
    """They cost tokens only, in one pass."""
    bound = read("openai", "responses", response(tools=[tool])).bound

    assert bound.passes == 1
    assert not bound.fees


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": "hi"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "ok"},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "hi"}],
        },
    ],
)
def test_items_that_stand_in_the_request_are_bounded(read: Read, item: dict[str, Any]) -> None:
    """Their bytes are all there is to them."""
    assert not read("openai", "responses", items(item)).bound.input_open


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "compaction", "encrypted_content": "x"},
        {"role": "user", "content": [{"type": "input_image", "image_url": "https://e.com/a.png"}]},
        {"role": "user", "content": [{"type": "input_file", "file_url": "https://e.com/a.pdf"}]},
        {"type": "function_call_output", "output": [{"type": "input_file", "file_data": "AA"}]},
    ],
)
def test_items_that_stand_for_more_are_open(read: Read, item: dict[str, Any]) -> None:
    """Sealed or fetched content is bounded by the context window alone."""
    assert read("openai", "responses", items(item)).bound.input_open


def test_what_is_stored_is_named(read: Read) -> None:
    """Files, and the response before, are told to the relay, which knows whose they are."""
    parts = [{"type": "input_image", "file_id": "file-1"}, {"type": "input_file", "file_id": "f2"}]
    document = items({"role": "user", "content": parts}) | {"previous_response_id": "resp_0"}
    ask = read("openai", "responses", document)
    assert ask.uses == (("file", "file-1"), ("file", "f2"), ("response", "resp_0"))
    assert ask.bound.input_open
    assert ask.creates == "response"


@pytest.mark.parametrize("stated", ["conv_1", {"id": "conv_1"}])
def test_a_conversation_is_named(read: Read, refusal: Refusal, stated: Any) -> None:
    """All of it is read once more, so it must be the key's, and only the window bounds it."""
    ask = read("openai", "responses", response(conversation=stated))
    assert ask.uses == (("conversation", "conv_1"),)
    assert ask.bound.input_open
    assert {UNIT_INPUT_IMAGE_TOKENS, UNIT_INPUT_AUDIO_TOKENS} <= set(ask.bound.input_units)
    assert refusal("xai", "responses", response(conversation=stated)).failure.param == (
        "conversation"
    )


def test_a_response_that_is_not_kept_is_no_object(read: Read) -> None:
    """With `store: false` there is nothing to own."""
    assert read("openai", "responses", response(store=False)).creates == ""


def test_a_screenshot_is_an_image(read: Read) -> None:
    """The output of a computer call carries a picture in the request."""
    output = {"type": "computer_screenshot", "image_url": "data:image/png;base64,AA"}
    ask = read("openai", "responses", items({"type": "computer_call_output", "output": output}))

    assert UNIT_INPUT_IMAGE_TOKENS in ask.bound.input_units
    assert ask.bound.input_tokens > 20_000


def test_a_fitted_limit_goes_to_the_routes_own_field(read: Read) -> None:
    """Responses call it max_output_tokens; null is replaced where it stands."""
    route = Route("POST", "/responses", Policy.METERED, "responses")
    ask = read("openai", "responses", response(max_output_tokens=None))

    body = OpenAIDialect().with_output_limit(route, ask, 4096)
    assert orjson.loads(body) == response(max_output_tokens=4096)


def test_background(read: Read, refusal: Refusal) -> None:
    """An answer made in the background leaves a job, where the vendor's routes can poll it."""
    asked = response(background=True, max_output_tokens=64)
    ask = read("openai", "responses", asked)
    assert ask.later is not None
    assert ask.later.operation == OPERATION
    assert ask.later.units == {UNIT_INPUT_TOKENS: ask.delivered_input_tokens}
    assert ask.creates == "response"
    assert read("openai", "responses", response(background=False)).later is None
    assert refusal("xai", "responses", asked).failure.param == "background"


_SEARCH = {"type": "web_search_preview"}


@pytest.mark.parametrize(
    ("document", "param"),
    [
        (response(previous_response_id=1), "previous_response_id"),
        (response(conversation=5), "conversation"),
        (response(conversation=""), "conversation"),
        (response(conversation={}), "conversation"),
        (response(conversation={"id": 5}), "conversation.id"),
        (response(prompt={"id": "pmpt_1"}), "prompt"),
        (response(background="yes"), "background"),
        (response(background=True, store=False), "store"),
        (response(context_management=[{"type": "compaction"}]), "context_management"),
        (response(reasoning={"mode": "pro"}), "reasoning.mode"),
        (response(service_tier="ultrafast"), "service_tier"),
        (
            response(prompt_cache_options={"comparison_response_id": "resp_1"}),
            "prompt_cache_options.comparison_response_id",
        ),
        (response(tools=[_SEARCH]), "max_tool_calls"),
        (response(tools=[_SEARCH], max_tool_calls=64), "max_tool_calls"),
        (response(tools=[{"type": "file_search"}], max_tool_calls=1), "tools[0].type"),
        (response(tools=[{"type": "code_interpreter"}]), "tools[0].type"),
        (response(tools=[{"type": "image_generation"}]), "tools[0].type"),
        (response(tools=[{"type": "mcp"}]), "tools[0].type"),
        (response(tools=[{"type": "programmatic_tool_calling"}]), "tools[0].type"),
        (response(tools=[{"type": "tool_search"}]), "tools[0].type"),
        (response(tools=[{"type": "shell"}]), "tools[0].type"),
        (
            response(tools=[{"type": "shell", "environment": {"type": "container_auto"}}]),
            "tools[0].type",
        ),
        (
            response(tools=[{"type": "namespace", "tools": [{"type": "mcp"}]}]),
            "tools[0].tools[0].type",
        ),
        (items({"type": "item_reference", "id": "msg_1"}), "input[0]"),
        (items({"id": "msg_1"}), "input[0]"),
        (items({"type": "image_generation_call", "id": "ig_1"}), "input[0].type"),
        (items({"type": "mcp_approval_response"}), "input[0].type"),
        (
            items({"type": "additional_tools", "tools": [{"type": "mcp"}]}),
            "input[0].tools[0].type",
        ),
        (
            items({"type": "additional_tools", "tools": [_SEARCH]}) | {"max_tool_calls": 1},
            "input[0].tools[0]",
        ),
        (
            items({"role": "user", "content": [{"type": "input_image", "file_id": 1}]}),
            "input[0].content[0].file_id",
        ),
        (
            items({"role": "user", "content": [{"type": "input_file", "file_id": 1}]}),
            "input[0].content[0].file_id",
        ),
        (items({"type": "computer_call_output", "output": "x"}), "input[0].output"),
        (response(input=7), "input"),
        (response(max_output_tokens=0), "max_output_tokens"),
    ],
)
def test_what_has_no_bound_is_refused(
    refusal: Refusal, document: dict[str, Any], param: str
) -> None:
    """Stored objects, hosted tools without a limit and further passes stop before any hold."""
    failure = refusal("openai", "responses", document).failure

    assert failure.status == 400
    assert failure.param == param


def test_fields_that_ask_for_nothing_may_stay(read: Read) -> None:
    """SDKs send null and false for what they do not use."""
    read(
        "openai",
        "responses",
        response(
            background=False,
            conversation=None,
            previous_response_id=None,
            tools=[],
            context_management=[],
        ),
    )


@pytest.mark.parametrize(
    ("tool", "variants"),
    [("web_search", []), ("web_search_preview", [PREVIEW]), (None, [])],
)
@pytest.mark.parametrize("how", ["whole", "stream", "background"])
def test_the_preview_of_search_has_a_price_of_its_own(
    read: Read, meter_for: Callable[..., Any], how: str, tool: str | None, variants: list[str]
) -> None:
    """What was asked for decides what a search costs, in the hold and in the charge."""
    asked = {"tools": [{"type": tool}], "max_tool_calls": 2} if tool else {}
    ask = read("openai", "responses", response(**asked, background=how == "background"))
    usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    answer = {"id": "r", "status": "completed", "usage": usage, "service_tier": "default"}

    assert list(ask.bound.variants) == variants
    if how == "background":
        assert ask.later is not None
        done = BackgroundResponse().read(Job(state=ask.later.state), orjson.dumps(answer))
        assert isinstance(done, Done)
        reading = done.reading
    else:
        event = {"type": "response.completed", "response": answer}
        body = b"data: " + orjson.dumps(event) + b"\n\n" if how == "stream" else b""
        kind = "text/event-stream" if how == "stream" else "application/json"
        meter = meter_for("openai", "responses", ask, kind)
        meter.feed(body or orjson.dumps(answer))
        meter.close()
        reading = meter.reading()
    assert list(reading.variants) == variants
