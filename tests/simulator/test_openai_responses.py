"""The Responses API through the OpenAI SDK."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from mintgate_simulator.reply import PIECES

TEXT = "".join(PIECES)
TOOL: Any = {
    "type": "function",
    "name": "lookup",
    "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
    "strict": False,
}


def simulate(text: str) -> dict[str, str]:
    return {"x-simulate": text}


def test_plain_response_is_complete(openai_client: openai.OpenAI) -> None:
    """A default response is completed, has the fixed text and its usage."""
    response = openai_client.responses.create(model="gpt-5.5", input="hello")

    assert response.status == "completed"
    assert response.output_text == TEXT
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (2, 20)
    assert response.usage.total_tokens == 22


def test_stream_is_numbered_and_ends_completed(openai_client: openai.OpenAI) -> None:
    """Events are numbered without a gap and open, fill and close the item in order."""
    events = list(
        openai_client.responses.create(
            model="gpt-5.5", input="hello", stream=True, extra_headers=simulate("output=3")
        )
    )

    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    first, last = events[0], events[-1]
    assert first.type == "response.created"
    assert first.response.usage is None
    assert last.type == "response.completed"
    assert last.response.usage is not None
    assert last.response.usage.output_tokens == 3


def test_limit_makes_the_response_incomplete(openai_client: openai.OpenAI) -> None:
    """At the limit, reasoning included, the status and the terminal event say incomplete."""
    response = openai_client.responses.create(
        model="gpt-5.5",
        input="hello",
        max_output_tokens=16,
        extra_headers=simulate("output=40; reasoning=6"),
    )
    events = list(
        openai_client.responses.create(
            model="gpt-5.5",
            input="hello",
            max_output_tokens=16,
            stream=True,
            extra_headers=simulate("output=40; reasoning=6"),
        )
    )

    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.usage is not None
    assert response.usage.output_tokens == 16
    assert response.usage.output_tokens_details.reasoning_tokens == 6
    last = events[-1]
    assert last.type == "response.incomplete"
    assert last.response.usage == response.usage


def test_reasoning_can_use_up_the_limit(openai_client: openai.OpenAI) -> None:
    """A limit spent on reasoning leaves no message, and bills exactly the limit."""
    response = openai_client.responses.create(
        model="gpt-5.5",
        input="hello",
        max_output_tokens=16,
        extra_headers=simulate("reasoning=99"),
    )

    assert [item.type for item in response.output] == ["reasoning"]
    assert response.usage is not None
    assert response.usage.output_tokens == 16


def test_function_call_streams_into_the_same_item(openai_client: openai.OpenAI) -> None:
    """The deltas of the arguments add up to the finished function call."""
    events = list(
        openai_client.responses.create(
            model="gpt-5.5",
            input="hello",
            tools=[TOOL],
            stream=True,
            extra_headers=simulate("tool"),
        )
    )

    deltas = [
        event.delta for event in events if event.type == "response.function_call_arguments.delta"
    ]
    last = events[-1]
    assert last.type == "response.completed"
    item = last.response.output[0]
    assert item.type == "function_call"
    assert "".join(deltas) == item.arguments
    assert json.loads(item.arguments) == {"q": "sample"}


def test_function_output_ends_the_loop(openai_client: openai.OpenAI) -> None:
    """After a function's output the answer is text, even with the tool control."""
    response = openai_client.responses.create(
        model="gpt-5.5",
        input=[
            {"role": "user", "content": "hello"},
            {"type": "function_call", "call_id": "c", "name": "lookup", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "found"},
        ],
        tools=[TOOL],
        extra_headers=simulate("tool"),
    )

    assert response.output_text == TEXT


@pytest.mark.parametrize("streamed", [False, True])
def test_searches_are_items_and_are_counted(openai_client: openai.OpenAI, streamed: bool) -> None:  # noqa: FBT001  # A parametrised switch.
    """Each hosted search is an item of its own, and tool_usage states their number."""
    arguments: dict[str, Any] = {
        "model": "gpt-5.5",
        "input": "hello",
        "tools": [{"type": "web_search"}],
        "extra_headers": simulate("searches=2"),
    }
    if streamed:
        events = list(openai_client.responses.create(**arguments, stream=True))
        response = events[-1].response
        done = [event for event in events if event.type == "response.web_search_call.completed"]
        assert len(done) == 2
    else:
        response = openai_client.responses.create(**arguments)

    types = [item.type for item in response.output]
    assert types == ["web_search_call", "web_search_call", "message"]
    assert response.tool_usage is not None
    assert response.tool_usage.web_search.num_requests == 2


def test_claimed_usage_keeps_the_inclusion_rules(openai_client: openai.OpenAI) -> None:
    """Cached and written tokens are parts of the input, reasoning is a part of the output."""
    response = openai_client.responses.create(
        model="gpt-5.5",
        input="hello",
        extra_headers=simulate("input=900; cached=500; cache_write=64; output=5; reasoning=3"),
    )

    usage = response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (900, 8, 908)
    assert usage.input_tokens_details.cached_tokens == 500
    assert usage.input_tokens_details.cache_write_tokens == 64
    assert usage.output_tokens_details.reasoning_tokens == 3


def test_input_can_be_counted_for_free(openai_client: openai.OpenAI) -> None:
    """The token count equals the input that the response would bill."""
    counted = openai_client.responses.input_tokens.count(model="gpt-5.5", input="hello, world")
    response = openai_client.responses.create(model="gpt-5.5", input="hello, world")

    assert response.usage is not None
    assert counted.input_tokens == response.usage.input_tokens == 3


@pytest.mark.parametrize(
    "arguments",
    [
        {"input": "hello"},
        {"model": "gpt-5.5"},
        {"model": "gpt-5.5", "input": 5},
        {"model": "gpt-5.5", "input": "hello", "max_output_tokens": 15},
        {"model": "gpt-5.5", "input": "hello", "background": True, "store": False},
    ],
)
def test_bad_request_is_a_typed_error(
    openai_client: openai.OpenAI, arguments: dict[str, Any]
) -> None:
    """What the provider would refuse raises the SDK's BadRequestError."""
    with pytest.raises(openai.BadRequestError):
        openai_client.post("/responses", body=arguments, cast_to=object)


def test_background_answer_is_finished_after_so_many_looks(openai_client: openai.OpenAI) -> None:
    """It is queued at once, in progress for as many looks as asked, and then whole."""
    begun = openai_client.responses.create(
        model="gpt-5.5", input="hello", background=True, extra_headers=simulate("polls=1")
    )
    assert (begun.status, begun.usage, begun.output) == ("queued", None, [])
    assert openai_client.responses.retrieve(begun.id).status == "in_progress"
    done = openai_client.responses.retrieve(begun.id)
    assert (done.status, done.output_text, done.background) == ("completed", TEXT, True)
    assert done.usage is not None
    assert done.usage.total_tokens == 22


def test_unknown_background_answer_is_not_found(openai_client: openai.OpenAI) -> None:
    """An id that was never given is the SDK's NotFoundError."""
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.retrieve("resp_unknown")
