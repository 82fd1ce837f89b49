"""What each vendor of OpenAI's shape does its own way: bounds, usage, failures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_BILLED_TICKS,
    UNIT_CACHE_READ_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
)
from mintgate_facade.dialects.base import (
    Ask,
    Failure,
    FailureKind,
    Meter,
    Policy,
    RefusedRequest,
    RequestView,
    Route,
)
from mintgate_facade.dialects.jsontext import parse_object
from mintgate_facade.providers.registry import REGISTRY

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]
MeterFor = Callable[..., Meter]
Run = Callable[[Meter, Iterable[bytes]], tuple[bytes, bytes]]

SSE = "text/event-stream"
JSON = "application/json"
HELLO = [{"role": "user", "content": "Hello there"}]
DONE = b"data: [DONE]\n\n"


def chat(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": HELLO, "max_tokens": 50, **fields}


def read_messages(provider: str, **fields: Any) -> Ask:
    """Read a Messages request as a vendor's own surface of that shape does."""
    surfaces = REGISTRY.provider(provider).surfaces
    dialect = next(s.dialect for s in surfaces if s.dialect.name == "anthropic")
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": HELLO, **fields}).encode()
    route = Route("POST", "/v1/messages", Policy.METERED, "messages")
    return dialect.read(route, RequestView(body=body, document=parse_object(body)))


def data(event: Any) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("model", "tools", "is_open"),
    [
        ("grok-4.7", [], True),
        ("grok-3-mini", [], True),
        ("grok-3", [], False),
        ("grok-4-fast-non-reasoning", [], False),
        ("grok-3", [{"type": "function", "function": {"name": "f"}}], True),
    ],
)
def test_xai_bounds_what_its_chat_limit_does_not_hold(
    read: Read, model: str, tools: list[Any], *, is_open: bool
) -> None:
    """Reasoning and calls come on top of the limit, so that the model's maximum is held."""
    assert read("xai", "chat", chat(model, tools=tools)).bound.output_open is is_open


def test_xai_responses_have_a_limit_that_holds_all(read: Read) -> None:
    """`max_output_tokens` includes the reasoning, so it is the bound."""
    ask = read("xai", "responses", {"model": "grok-4.7", "input": "hi", "max_output_tokens": 99})
    assert (ask.bound.output_open, ask.bound.output_tokens) == (False, 99)


@pytest.mark.parametrize(
    ("provider", "operation", "document", "param"),
    [
        ("xai", "chat", chat("grok-3", search_parameters={"mode": "auto"}), "search_parameters"),
        ("xai", "chat", chat("grok-3", deferred=True), "deferred"),
        ("xai", "chat", chat("grok-3", web_search_options={}), "web_search_options"),
        ("xai", "chat", chat("grok-3", tools=[{"type": "live_search"}]), "tools[0].type"),
        ("xai", "chat", chat("grok-4.20-multi-agent"), "model"),
        (
            "xai",
            "responses",
            {"model": "grok-3", "input": "hi", "tools": [{"type": "web_search"}]},
            "tools[0]",
        ),
        (
            "xai",
            "responses",
            {"model": "grok-3", "input": "hi", "tools": [{"type": "x_search"}]},
            "tools[0].type",
        ),
        (
            "xai",
            "chat",
            chat(
                "grok-3",
                messages=[
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"file_id": 1}}],
                    }
                ],
            ),
            "messages[0].content[0].image_url.file_id",
        ),
        (
            "moonshot",
            "chat",
            chat("kimi-k2.5", tools=[{"type": "builtin_function", "function": {"name": "$w"}}]),
            "tools[0].type",
        ),
        (
            "moonshot",
            "chat",
            chat(
                "kimi-k2.5",
                messages=[
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "ms://file-1"}}],
                    }
                ],
            ),
            "messages[0].content[0].image_url.url",
        ),
        ("moonshot", "chat", chat("kimi-k2.5", n=6), "n"),
        ("deepseek", "chat", chat("deepseek-chat", n=2), "n"),
        ("deepseek", "chat", chat("deepseek-chat", service_tier="priority"), "service_tier"),
        ("mistral", "chat", chat("mistral-large-4", guardrails=[{}]), "guardrails"),
        (
            "mistral",
            "chat",
            chat(
                "voxtral-small-2507",
                messages=[
                    {"role": "user", "content": [{"type": "input_audio", "input_audio": "AA=="}]}
                ],
            ),
            "messages[0].content[0].input_audio",
        ),
        (
            "mistral",
            "chat",
            chat("mistral-large-4", tools=[{"type": "document_library", "library_ids": ["l"]}]),
            "tools[0].type",
        ),
        ("minimax", "chat", chat("MiniMax-M3", plugins=["plugin_web_search"]), "plugins"),
        ("minimax", "chat", chat("MiniMax-M3", tokens_to_generate=9), "tokens_to_generate"),
        ("cerebras", "chat", chat("gpt-oss-120b", service_tier="priority"), "service_tier"),
    ],
)
def test_what_has_no_bound_is_refused_by_name(
    refusal: Refusal, provider: str, operation: str, document: dict[str, Any], param: str
) -> None:
    """Searches, hosted tools, stored files and tiers without a price never reach the vendor."""
    assert refusal(provider, operation, document).failure.param == param


@pytest.mark.parametrize(
    ("provider", "operation", "field"),
    [
        ("xai", "chat", "max_completion_tokens"),
        ("xai", "responses", "max_output_tokens"),
        ("moonshot", "chat", "max_tokens"),
        ("minimax", "chat", "max_completion_tokens"),
        ("deepseek", "chat", "max_tokens"),
        ("deepseek", "completions", "max_tokens"),
        ("mistral", "chat", "max_tokens"),
        ("mistral", "fim", "max_tokens"),
        ("cerebras", "chat", "max_completion_tokens"),
        ("cerebras", "completions", "max_tokens"),
    ],
)
def test_a_fitted_limit_goes_where_the_vendor_reads_it(
    read: Read, provider: str, operation: str, field: str
) -> None:
    """A request without a limit has none held, and gets one in the vendor's own field."""
    content: dict[str, dict[str, Any]] = {"chat": {"messages": HELLO}, "responses": {"input": "a"}}
    document = {"model": "m", **content.get(operation, {"prompt": "a"})}
    ask = read(provider, operation, document)
    assert not ask.bound.HasField("output_tokens")
    route = Route("POST", "/x", Policy.METERED, operation)
    body = REGISTRY.provider(provider).dialect.with_output_limit(route, ask, 77)
    assert parse_object(body)[field] == 77


@pytest.mark.parametrize(
    ("provider", "asks"),
    [
        ("xai", True),
        ("moonshot", True),
        ("minimax", True),
        ("deepseek", True),
        ("cerebras", True),
        ("mistral", False),
    ],
)
def test_usage_is_asked_for_where_the_vendor_knows_the_field(
    read: Read, provider: str, *, asks: bool
) -> None:
    """Mistral refuses a request with a field that it does not know."""
    ask = read(provider, "chat", chat("m", stream=True))
    assert (b"include_usage" in ask.body) is asks
    assert ask.hide_usage is asks


def test_prompts_of_mistrals_own_are_bounded(read: Read) -> None:
    """`safe_prompt` puts text before the messages that is not in the request."""
    plain = read("mistral", "chat", chat("mistral-large-4", safe_prompt=False))
    safe = read("mistral", "chat", chat("mistral-large-4", safe_prompt=True))
    assert safe.bound.input_tokens >= plain.bound.input_tokens + 1_000


def test_compatible_messages_may_cache_unasked() -> None:
    """A vendor's own caching bills writes although no breakpoint asks for them."""
    ask = read_messages("minimax")
    assert UNIT_CACHE_WRITE_5M_TOKENS in ask.bound.input_units
    assert not ask.bound.output_open
    assert read_messages("xai").bound.output_open


def test_server_tools_are_anthropics_alone() -> None:
    """A vendor that takes Messages need not stop a server tool at `max_uses`."""
    tools = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]
    with pytest.raises(RefusedRequest) as caught:
        read_messages("deepseek", tools=tools)
    assert caught.value.failure.param == "tools"


XAI_USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 420,
    "prompt_tokens_details": {"cached_tokens": 64},
    "completion_tokens_details": {"reasoning_tokens": 300},
    "cost_in_usd_ticks": 12_345,
}
XAI_UNITS = {
    UNIT_INPUT_TOKENS: 36,
    UNIT_CACHE_READ_TOKENS: 64,
    UNIT_OUTPUT_TOKENS: 320,
    UNIT_BILLED_TICKS: 12_345,
}


def test_xai_states_its_cost(read: Read, meter_for: MeterFor, run: Run) -> None:
    """Ticks are read in every framing; reasoning beside the completion is output."""
    whole = meter_for("xai", "chat", read("xai", "chat", chat("grok-3")), JSON)
    run(whole, [json.dumps({"id": "1", "choices": [], "usage": XAI_USAGE}).encode()])
    assert (whole.reading().units, whole.reading().reasoning_tokens) == (XAI_UNITS, 300)
    ask = read("xai", "chat", chat("grok-3", stream=True))
    stream = meter_for("xai", "chat", ask, SSE)
    run(stream, [data({"id": "1", "choices": [], "usage": XAI_USAGE}), DONE])
    assert stream.reading().units == XAI_UNITS
    document = {"model": "grok-3", "input": "hi", "stream": True}
    responses = meter_for("xai", "responses", read("xai", "responses", document), SSE)
    usage = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12, "cost_in_usd_ticks": 9}
    event = {"type": "response.completed", "response": {"id": "r", "usage": usage}}
    run(responses, [data(event)])
    expected = {UNIT_INPUT_TOKENS: 5, UNIT_OUTPUT_TOKENS: 7, UNIT_BILLED_TICKS: 9}
    assert responses.reading().units == expected


def test_nobody_else_states_a_cost(read: Read, meter_for: MeterFor, run: Run) -> None:
    """A field of that name means nothing where the vendor does not define it."""
    meter = meter_for("deepseek", "chat", read("deepseek", "chat", chat("deepseek-chat")), JSON)
    run(meter, [json.dumps({"choices": [], "usage": XAI_USAGE}).encode()])
    assert UNIT_BILLED_TICKS not in meter.reading().units


def test_kimi_states_usage_within_a_choice(read: Read, meter_for: MeterFor, run: Run) -> None:
    """The usage in the last choice is taken at the end; the chunk that we asked for is hidden."""
    ask = read("moonshot", "chat", chat("kimi-k2.5", stream=True))
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, "cached_tokens": 4}
    units = {UNIT_INPUT_TOKENS: 6, UNIT_CACHE_READ_TOKENS: 4, UNIT_OUTPUT_TOKENS: 2}
    finish = data({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]})
    inside = meter_for("moonshot", "chat", ask, SSE)
    passed, kept = run(inside, [finish, DONE])
    assert (passed, kept) == (finish, DONE)
    assert (inside.reading().units, inside.reading().basis) == (units, SETTLED_BY_USAGE)
    both = meter_for("moonshot", "chat", ask, SSE)
    passed, _ = run(both, [finish, data({"choices": [], "usage": usage}), DONE])
    assert passed == finish
    assert both.reading().units == units


def test_deepseek_names_its_cache_hits(read: Read, meter_for: MeterFor, run: Run) -> None:
    """Hits are input that was cached, whatever else the usage says."""
    usage = {
        "prompt_tokens": 100,
        "prompt_cache_hit_tokens": 64,
        "prompt_cache_miss_tokens": 36,
        "completion_tokens": 50,
        "total_tokens": 150,
    }
    meter = meter_for("deepseek", "chat", read("deepseek", "chat", chat("deepseek-chat")), JSON)
    run(meter, [json.dumps({"choices": [], "usage": usage}).encode()])
    assert meter.reading().units == {
        UNIT_INPUT_TOKENS: 36,
        UNIT_CACHE_READ_TOKENS: 64,
        UNIT_OUTPUT_TOKENS: 50,
    }


FAILURES = [(1002, 429), (1004, 401), (1008, 402), (2049, 401), (2013, 400), (1000, 500)]


@pytest.mark.parametrize(("code", "status"), FAILURES)
@pytest.mark.parametrize("stream", [False, True])
def test_minimax_fails_with_status_200(
    read: Read, meter_for: MeterFor, run: Run, code: int, status: int, *, stream: bool
) -> None:
    """A code in `base_resp` is a refusal: whole, without usage, and never final."""
    ask = read("minimax", "chat", chat("MiniMax-M3", stream=stream))
    failure = {"id": "", "choices": None, "base_resp": {"status_code": code, "status_msg": "no"}}
    if stream:
        meter = meter_for("minimax", "chat", ask, SSE)
        passed, kept = run(meter, [data(failure)])
        assert (passed, kept) == (b"", data(failure))
        assert meter.failed
    else:
        meter = meter_for("minimax", "chat", ask, JSON)
        run(meter, [json.dumps(failure).encode()])
    assert (meter.refused, meter.complete, meter.final) == (status, True, False)


def test_minimax_may_fail_in_the_middle(read: Read, meter_for: MeterFor, run: Run) -> None:
    """After the first word it is no refusal: what was written is charged as a broken answer."""
    meter = meter_for(
        "minimax", "chat", read("minimax", "chat", chat("MiniMax-M3", stream=True)), SSE
    )
    word = data({"choices": [{"index": 0, "delta": {"content": "abc"}}]})
    run(meter, [word, data({"choices": [], "base_resp": {"status_code": 1000}})])
    assert (meter.refused, meter.failed, meter.complete) == (0, True, False)
    assert meter.reading().basis == SETTLED_BY_COUNTED
    assert meter.reading().units[UNIT_OUTPUT_TOKENS] == 1


def test_a_success_of_minimax_is_none(read: Read, meter_for: MeterFor, run: Run) -> None:
    """Code 0 stands in every answer and means that nothing failed."""
    meter = meter_for("minimax", "chat", read("minimax", "chat", chat("MiniMax-M3")), JSON)
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "total_characters": 0}
    answer = {"choices": [], "usage": usage, "base_resp": {"status_code": 0, "status_msg": ""}}
    run(meter, [json.dumps(answer).encode()])
    assert (meter.refused, meter.final) == (0, True)
    assert meter.reading().units == {UNIT_INPUT_TOKENS: 3, UNIT_OUTPUT_TOKENS: 2}


@pytest.mark.parametrize(
    ("provider", "beside"),
    [
        ("xai", None),
        ("moonshot", None),
        ("minimax", None),
        ("deepseek", None),
        ("mistral", {"object": "error"}),
        ("cerebras", {}),
    ],
)
def test_errors_stand_where_the_sdk_looks(provider: str, beside: dict[str, str] | None) -> None:
    """Under `error`, or flat; a `status_code` in it would overrule the real one at Cerebras."""
    failure = Failure(FailureKind.PAYMENT_REQUIRED, "No.", code="cap_exceeded")
    body, _ = REGISTRY.provider(provider).dialect.error(failure)
    document = parse_object(body)
    inner = document["error"] if beside is None else document
    assert (inner["message"], inner["code"]) == ("No.", "cap_exceeded")
    assert "status_code" not in inner
    if beside is not None:
        assert beside.items() <= document.items()
        assert ("object" in document) is bool(beside)
