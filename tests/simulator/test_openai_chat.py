"""Chat completions through the OpenAI SDK."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from mintgate_simulator.reply import DEFAULT_TOKENS, PIECES

if TYPE_CHECKING:
    from tests.simulator.conftest import Simulator

MESSAGES: list[Any] = [{"role": "user", "content": "hello"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}
TEXT = "".join(PIECES)


def simulate(text: str) -> dict[str, str]:
    return {"x-simulate": text}


def test_plain_answer_has_text_usage_and_request_id(openai_client: openai.OpenAI) -> None:
    """A default answer is the fixed text, counted at four bytes a token."""
    completion = openai_client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert completion.choices[0].message.content == TEXT
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == "gpt-4o"
    assert completion.service_tier == "default"
    assert completion._request_id is not None
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 2
    assert completion.usage.completion_tokens == DEFAULT_TOKENS == len(TEXT.encode()) // 4
    assert completion.usage.total_tokens == 22


def test_stream_states_usage_only_when_asked(openai_client: openai.OpenAI) -> None:
    """Without include_usage no chunk has a usage field and none has empty choices."""
    chunks = list(
        openai_client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
    )

    assert all("usage" not in chunk.model_fields_set for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_stream_with_usage_ends_in_a_chunk_without_choices(openai_client: openai.OpenAI) -> None:
    """With include_usage every chunk has ``usage: null`` but the last, which has no choices."""
    chunks = list(
        openai_client.chat.completions.create(
            model="gpt-4o",
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks[:-1])
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 22


def test_raw_stream_ends_with_done(sim: Simulator) -> None:
    """The last event of a stream is ``[DONE]``."""
    body = {"model": "gpt-4o", "messages": MESSAGES, "stream": True}
    answer = sim.post("/openai/v1/chat/completions", body)

    assert answer.text.endswith("data: [DONE]\n\n")


def test_choices_multiply_output_and_not_input(openai_client: openai.OpenAI) -> None:
    """Three choices bill three times the output and once the input, streamed or not."""
    headers = simulate("output=5; reasoning=2")
    completion = openai_client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, n=3, extra_headers=headers
    )
    chunks = list(
        openai_client.chat.completions.create(
            model="gpt-4o",
            messages=MESSAGES,
            n=3,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=headers,
        )
    )

    assert [choice.index for choice in completion.choices] == [0, 1, 2]
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 21
    assert completion.usage.prompt_tokens == 2
    assert chunks[-1].usage == completion.usage
    texts = ["", "", ""]
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == ["".join(PIECES[:5])] * 3


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_limit_cuts_the_text_and_says_length(openai_client: openai.OpenAI, field: str) -> None:
    """Both names of the limit count hidden tokens too, and end the answer with ``length``."""
    limit: dict[str, Any] = {field: 10}
    completion = openai_client.chat.completions.create(
        model="gpt-4o",
        messages=MESSAGES,
        extra_headers=simulate("output=50; reasoning=4"),
        **limit,
    )

    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].message.content == "".join(PIECES[:6])
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 10
    assert completion.usage.completion_tokens_details is not None
    assert completion.usage.completion_tokens_details.reasoning_tokens == 4


def test_claimed_usage_keeps_the_inclusion_rules(openai_client: openai.OpenAI) -> None:
    """Cached and written tokens are parts of the input; the modalities partition it."""
    completion = openai_client.chat.completions.create(
        model="gpt-4o",
        messages=MESSAGES,
        extra_headers=simulate(
            "input=1000; cached=600; cache_write=100; audio_input=30; image_input=20; "
            "output=9; reasoning=7; audio_output=4; tier=priority; model=gpt-other"
        ),
    )

    usage = completion.usage
    assert usage is not None
    given, made = usage.prompt_tokens_details, usage.completion_tokens_details
    assert given is not None
    assert made is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1000, 16, 1016)
    assert (given.cached_tokens, given.cache_write_tokens) == (600, 100)
    assert (given.text_tokens, given.audio_tokens, given.image_tokens) == (950, 30, 20)
    assert (made.reasoning_tokens, made.audio_tokens, made.text_tokens) == (7, 4, 12)
    assert (completion.service_tier, completion.model) == ("priority", "gpt-other")


def test_claimed_parts_grow_the_input(openai_client: openai.OpenAI) -> None:
    """An input never states less than the parts that are claimed of it."""
    completion = openai_client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, extra_headers=simulate("cached=500; cache_write=20")
    )

    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 520


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("auto", "default"), ("flex", "flex"), ("priority", "priority"), ("fast", "priority")],
)
def test_service_tier_follows_the_request(
    openai_client: openai.OpenAI, asked: Any, answered: str
) -> None:
    """The answer names the tier that was used: auto is default and fast is priority."""
    completion = openai_client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, service_tier=asked
    )

    assert completion.service_tier == answered


def test_usage_can_be_left_out(openai_client: openai.OpenAI) -> None:
    """``usage=none`` leaves the field out, in a stream that asked for it too."""
    headers = simulate("usage=none")
    completion = openai_client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, extra_headers=headers
    )
    chunks = list(
        openai_client.chat.completions.create(
            model="gpt-4o",
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=headers,
        )
    )

    assert completion.usage is None
    assert all(chunk.choices for chunk in chunks)


def test_tool_call_fits_the_schema_and_is_counted(openai_client: openai.OpenAI) -> None:
    """A tool call has arguments for every required property, at four bytes a token."""
    completion = openai_client.chat.completions.create(
        model="gpt-4o",
        messages=MESSAGES,
        tools=[WEATHER],
        extra_headers=simulate("tool"),
    )

    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    call = choice.message.tool_calls[0]
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "sample", "days": 1}
    assert completion.usage is not None
    assert completion.usage.completion_tokens == -(-len(call.function.arguments) // 4)


def test_tool_call_streams_in_pieces(openai_client: openai.OpenAI) -> None:
    """The SDK's own accumulator puts a streamed call together again."""
    with openai_client.chat.completions.stream(
        model="gpt-4o",
        messages=MESSAGES,
        tools=[WEATHER],
        extra_headers=simulate("tool; chunks=5"),
    ) as stream:
        pieces = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
        final = stream.get_final_completion()

    assert len([piece for piece in pieces if piece.arguments_delta]) == 5
    assert final.choices[0].message.tool_calls is not None
    arguments = final.choices[0].message.tool_calls[0].function.arguments
    assert json.loads(arguments) == {"city": "sample", "days": 1}


def test_agent_loop_ends_after_the_tool_result(openai_client: openai.OpenAI) -> None:
    """With the same header, a conversation that ends in a tool's result is answered in text."""
    history: list[Any] = [
        *MESSAGES,
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    completion = openai_client.chat.completions.create(
        model="gpt-4o",
        messages=history,
        tools=[WEATHER],
        extra_headers=simulate("tool"),
    )

    assert completion.choices[0].message.content == TEXT


def test_forced_tool_needs_no_control(openai_client: openai.OpenAI) -> None:
    """``tool_choice: required`` gives a call without the header, as a model would."""
    completion = openai_client.chat.completions.create(
        model="gpt-4o",
        messages=MESSAGES,
        tools=[WEATHER],
        tool_choice="required",
    )

    assert completion.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
        (402, openai.APIStatusError),
    ],
)
def test_error_status_raises_the_typed_error(
    openai_client: openai.OpenAI, status: int, error: type[openai.APIStatusError]
) -> None:
    """Every status raises the SDK's own class, with message and request id."""
    with pytest.raises(error) as raised:
        openai_client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, extra_headers=simulate(f"status={status}")
        )

    assert raised.value.status_code == status
    assert raised.value.request_id is not None
    assert "x-simulate" in raised.value.message


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"messages": MESSAGES}, None, None),
        ({"model": "m"}, "messages", "missing_required_parameter"),
        ({"model": "m", "messages": "hi"}, "messages", "invalid_type"),
        ({"model": "m", "messages": []}, "messages", "empty_array"),
        ({"model": "m", "messages": MESSAGES, "n": "2"}, "n", "invalid_type"),
        ({"model": "m", "messages": MESSAGES, "n": 129}, "n", "integer_above_max_value"),
        (
            {"model": "m", "messages": MESSAGES, "max_tokens": 0},
            "max_tokens",
            "integer_below_min_value",
        ),
        ({"model": "m", "messages": MESSAGES, "stream": "yes"}, "stream", "invalid_type"),
        (
            {"model": "m", "messages": MESSAGES, "stream_options": {}},
            "stream_options",
            None,
        ),
        (
            {"model": "m", "messages": MESSAGES, "max_tokens": 1, "max_completion_tokens": 1},
            "max_tokens",
            "invalid_parameter_combination",
        ),
        ({"model": "m", "messages": MESSAGES, "service_tier": "x"}, "service_tier", None),
        ([], None, None),
    ],
)
def test_bad_request_names_its_field(
    sim: Simulator, body: Any, param: str | None, code: str | None
) -> None:
    """What the provider would refuse is refused with 400, the field and the code."""
    answer = sim.post("/openai/v1/chat/completions", body)

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert code is None or error["code"] == code
