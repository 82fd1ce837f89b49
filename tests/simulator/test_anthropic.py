"""The Messages API through the Anthropic SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from mintgate_simulator.reply import PIECES

if TYPE_CHECKING:
    from tests.simulator.conftest import Simulator

MODEL = "claude-haiku-4-5"
MESSAGES: list[Any] = [{"role": "user", "content": "hello"}]
TEXT = "".join(PIECES)
TOOL: Any = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
        "required": ["city", "unit"],
    },
}


def simulate(text: str) -> dict[str, str]:
    return {"x-simulate": text}


def create(client: anthropic.Anthropic, control: str = "", **arguments: Any) -> Any:
    given: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 1000,
        "messages": MESSAGES,
        **arguments,
    }
    return client.messages.create(**given, extra_headers=simulate(control))


def test_plain_message_has_text_and_usage(anthropic_client: anthropic.Anthropic) -> None:
    """A default message is the fixed text with the default service fields."""
    message = create(anthropic_client)

    assert message.content[0].text == TEXT
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (2, 20)
    assert message.usage.service_tier == "standard"
    assert message.usage.inference_geo == "not_available"
    assert message.usage.speed is None
    assert message._request_id.startswith("req_")


def test_stream_accumulates_to_the_same_message(anthropic_client: anthropic.Anthropic) -> None:
    """The SDK's accumulator turns the stream into what the plain call returns."""
    control = simulate("output=7; cached=5; cache_write_5m=3; cache_write_1h=2")
    with anthropic_client.messages.stream(
        model=MODEL, max_tokens=100, messages=MESSAGES, extra_headers=control
    ) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    plain = create(
        anthropic_client, "output=7; cached=5; cache_write_5m=3; cache_write_1h=2", max_tokens=100
    )

    assert text == "".join(PIECES[:7])
    assert message.usage == plain.usage
    assert message.stop_reason == plain.stop_reason == "end_turn"


def test_raw_stream_has_the_documented_events(sim: Simulator) -> None:
    """Events come in the documented order, with a ping, and no usage split at the end."""
    body = {"model": MODEL, "max_tokens": 9, "messages": MESSAGES, "stream": True}
    answer = sim.post("/anthropic/v1/messages", body, "output=2")

    names = [line[7:] for line in answer.text.splitlines() if line.startswith("event: ")]
    assert names == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    delta = next(line for line in answer.text.splitlines() if '"message_delta"' in line)
    assert "cache_creation_input_tokens" in delta
    assert "ephemeral_5m" not in delta


def test_cache_is_counted_apart_from_the_input(anthropic_client: anthropic.Anthropic) -> None:
    """Reads and both kinds of writes stand beside the input, and the split adds up."""
    usage = create(
        anthropic_client, "input=20; cached=10000; cache_write_5m=1024; cache_write_1h=512"
    ).usage

    assert usage.input_tokens == 20
    assert usage.cache_read_input_tokens == 10_000
    assert usage.cache_creation_input_tokens == 1_536
    assert usage.cache_creation.ephemeral_5m_input_tokens == 1_024
    assert usage.cache_creation.ephemeral_1h_input_tokens == 512


def test_thinking_is_a_block_and_part_of_the_output(
    anthropic_client: anthropic.Anthropic,
) -> None:
    """With thinking on there is a thinking block; its tokens lie inside the output."""
    message = create(
        anthropic_client,
        "output=5; reasoning=100",
        max_tokens=4000,
        thinking={"type": "enabled", "budget_tokens": 2000},
    )

    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking
    assert message.content[0].signature
    assert message.usage.output_tokens == 105
    assert message.usage.output_tokens_details.thinking_tokens == 100


def test_thinking_streams_with_its_signature(anthropic_client: anthropic.Anthropic) -> None:
    """Thinking arrives in deltas, then its signature, then the text."""
    with anthropic_client.messages.stream(
        model=MODEL,
        max_tokens=4000,
        messages=MESSAGES,
        thinking={"type": "adaptive"},
        extra_headers=simulate("reasoning=12"),
    ) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()

    assert kinds.index("thinking") < kinds.index("signature") < kinds.index("text")
    assert [block.type for block in message.content] == ["thinking", "text"]


def test_omitted_thinking_shows_no_text(anthropic_client: anthropic.Anthropic) -> None:
    """``display: omitted`` leaves the block and its bill, not its text."""
    message = create(
        anthropic_client, "reasoning=12", thinking={"type": "adaptive", "display": "omitted"}
    )

    assert message.content[0].thinking == ""
    assert message.usage.output_tokens == 32


def test_limit_stops_the_message(anthropic_client: anthropic.Anthropic) -> None:
    """At max_tokens, thinking included, the message stops and bills exactly the limit."""
    message = create(anthropic_client, "output=50; reasoning=4", max_tokens=10)

    assert message.stop_reason == "max_tokens"
    assert message.content[0].text == "".join(PIECES[:6])
    assert message.usage.output_tokens == 10


def test_zero_limit_only_warms_the_cache(anthropic_client: anthropic.Anthropic) -> None:
    """``max_tokens: 0`` produces nothing and bills no output."""
    message = create(anthropic_client, max_tokens=0)

    assert message.content == []
    assert message.usage.output_tokens == 0


def test_tool_use_fits_the_schema(anthropic_client: anthropic.Anthropic) -> None:
    """A tool_use block has input for every required property."""
    message = create(anthropic_client, "tool", tools=[TOOL])

    assert message.stop_reason == "tool_use"
    assert message.content[0].name == "get_weather"
    assert message.content[0].input == {"city": "sample", "unit": "C"}


def test_tool_use_streams_as_partial_json(anthropic_client: anthropic.Anthropic) -> None:
    """The pieces of partial_json add up to the input the accumulator parses."""
    with anthropic_client.messages.stream(
        model=MODEL,
        max_tokens=100,
        messages=MESSAGES,
        tools=[TOOL],
        extra_headers=simulate("tool; chunks=4"),
    ) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        message = stream.get_final_message()

    assert len([piece for piece in pieces if piece]) == 4
    assert message.content[0].type == "tool_use"
    assert message.content[0].input == {"city": "sample", "unit": "C"}


def test_tool_result_ends_the_loop(anthropic_client: anthropic.Anthropic) -> None:
    """After a tool's result the answer is text, even with the tool control."""
    history = [
        *MESSAGES,
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "get_weather", "input": {}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]},
    ]
    message = create(anthropic_client, "tool", tools=[TOOL], messages=history)

    assert message.content[0].type == "text"


@pytest.mark.parametrize("kind", ["any", "tool"])
def test_forced_tool_needs_no_control(anthropic_client: anthropic.Anthropic, kind: str) -> None:
    """A tool_choice that forces a call gets one without the header."""
    choice = {"type": "any"} if kind == "any" else {"type": "tool", "name": "get_weather"}
    message = create(anthropic_client, tools=[TOOL], tool_choice=choice)

    assert message.stop_reason == "tool_use"


def test_searches_are_blocks_and_are_counted(anthropic_client: anthropic.Anthropic) -> None:
    """Each hosted search is a use and a result; usage states their number."""
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    message = create(anthropic_client, "searches=2; input=100", tools=tools)
    with anthropic_client.messages.stream(
        model=MODEL,
        max_tokens=100,
        messages=MESSAGES,
        extra_headers=simulate("searches=2; input=100"),
    ) as stream:
        starts = [event.message.usage for event in stream if event.type == "message_start"]
        streamed = stream.get_final_message()

    pair = ["server_tool_use", "web_search_tool_result"]
    assert [block.type for block in message.content] == [*pair, *pair, "text"]
    assert [block.type for block in streamed.content] == [*pair, *pair, "text"]
    assert message.usage.server_tool_use.web_search_requests == 2
    assert streamed.usage.server_tool_use is not None
    assert streamed.usage.server_tool_use.web_search_requests == 2
    assert streamed.usage.input_tokens == message.usage.input_tokens == 100
    assert len(starts) == 1


def test_stream_start_states_less_than_the_end(sim: Simulator) -> None:
    """Input grows with search results and output is a placeholder until the end."""
    body = {"model": MODEL, "max_tokens": 50, "messages": MESSAGES, "stream": True}
    answer = sim.post("/anthropic/v1/messages", body, "searches=2; input=100")

    start = next(line for line in answer.text.splitlines() if '"message_start"' in line)
    assert '"input_tokens":84' in start
    assert '"output_tokens":1,' in start


@pytest.mark.parametrize("control", ["tier=priority; speed=fast; geo=us", ""])
def test_service_fields_follow_control_and_request(
    anthropic_client: anthropic.Anthropic, control: str
) -> None:
    """Speed and place are echoed from the request, or stated by the control."""
    asked = {} if control else {"speed": "fast", "inference_geo": "us"}
    usage = create(anthropic_client, control, **asked).usage

    assert usage.service_tier == ("priority" if control else "standard")
    assert (usage.speed, usage.inference_geo) == ("fast", "us")


def test_tokens_can_be_counted_for_free(anthropic_client: anthropic.Anthropic) -> None:
    """The count equals the input that the message bills: system, messages and tools."""
    counted = anthropic_client.messages.count_tokens(
        model=MODEL, messages=MESSAGES, system="be brief", tools=[TOOL]
    )
    message = create(anthropic_client, system="be brief", tools=[TOOL])

    assert counted.input_tokens == message.usage.input_tokens


def test_models_can_be_listed_and_fetched(anthropic_client: anthropic.Anthropic) -> None:
    """Every listed model can be fetched with its limits; another one is a typed 404."""
    names = [model.id for model in anthropic_client.models.list()]

    assert anthropic_client.models.retrieve(names[0]).max_tokens == 64_000
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client.models.retrieve("claude-0")


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (402, anthropic.APIStatusError, "billing_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (413, anthropic.APIStatusError, "request_too_large"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (504, anthropic.APIStatusError, "timeout_error"),
        (529, anthropic.APIStatusError, "overloaded_error"),
    ],
)
def test_error_status_raises_the_typed_error(
    anthropic_client: anthropic.Anthropic,
    status: int,
    error: type[anthropic.APIStatusError],
    kind: str,
) -> None:
    """Every status raises the SDK's own class, with the native type and the request id."""
    with pytest.raises(error) as raised:
        create(anthropic_client, f"status={status}")

    body: Any = raised.value.body
    assert raised.value.status_code == status
    assert body["type"] == "error"
    assert body["error"]["type"] == kind
    assert body["request_id"] == raised.value.request_id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
        ({"model": None}, "model: Field required"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "hi"}, "messages: Input should be a valid list"),
        ({"messages": [{"role": "x", "content": "y"}]}, "messages.0.role"),
        ({"stream": 1}, "stream: Input should be a valid boolean"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5000}}, "must be greater"),
    ],
)
def test_bad_request_is_refused(sim: Simulator, change: dict[str, Any], message: str) -> None:
    """What the provider would refuse is refused with 400, in its words."""
    body = {"model": MODEL, "max_tokens": 100, "messages": MESSAGES, **change}
    body = {name: value for name, value in body.items() if value is not None}
    answer = sim.post("/anthropic/v1/messages", body)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert message in answer.json()["error"]["message"]


def test_version_header_is_required(sim: Simulator) -> None:
    """A request that lost its anthropic-version header on the way is refused."""
    answer = sim.http.post(f"{sim.url}/anthropic/v1/messages", json={}, headers={"x-api-key": "k"})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "anthropic-version: header is required"
