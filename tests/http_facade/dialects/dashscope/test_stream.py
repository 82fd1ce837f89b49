"""DashScope's events: usage replaces usage, text is never counted twice, failures cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_USAGE, Bound
from mintgate.v1.unit_pb2 import UNIT_CACHE_READ_TOKENS, UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS
from mintgate_facade.dialects.base import Ask, Meter
from mintgate_facade.dialects.dashscope.stream import GenerationStreamMeter

Run = Callable[[Meter, Iterable[bytes]], tuple[bytes, bytes]]
MeterFor = Callable[..., Meter]
ASK = Ask("qwen-plus-latest", Bound(input_tokens=100), b"{}", delivered_input_tokens=7)


def event(document: Any, kind: str = "result", status: int = 200) -> bytes:
    head = f"id:1\nevent:{kind}\n:HTTP_STATUS/{status}\ndata:"
    return head.encode() + orjson.dumps(document) + b"\n\n"


def said(text: str, output: int | None = None, reason: str = "null", **message: Any) -> bytes:
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": reason}
    document: dict[str, Any] = {"output": {"choices": [choice]}, "request_id": "r"}
    if output is not None:
        document["usage"] = {
            "input_tokens": 20,
            "output_tokens": output,
            "total_tokens": 20 + output,
            "prompt_tokens_details": {"cached_tokens": 5},
        }
    return event(document)


def failure(code: str, status: int = 400) -> bytes:
    return event({"code": code, "message": "no", "request_id": "r"}, "error", status)


STREAM = [said("Zür", 1), said("Zürich", 2), said("Zürich", 3, "stop")]


def test_the_last_usage_is_the_charge(run: Run) -> None:
    """Totals are replaced and never added; the last event waits for the end of the body."""
    meter = GenerationStreamMeter(ASK)
    passed, kept = run(meter, STREAM)
    assert passed == b"".join(STREAM[:2])
    assert kept == STREAM[2]
    reading = meter.reading()
    assert meter.complete
    assert reading.basis == SETTLED_BY_USAGE
    assert reading.units == {
        UNIT_INPUT_TOKENS: 15,
        UNIT_CACHE_READ_TOKENS: 5,
        UNIT_OUTPUT_TOKENS: 3,
    }
    assert (reading.variants, reading.provider_request_id) == (("thinking=off",), "r")


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, len(b"".join(STREAM)))))
def test_cuts_change_nothing(cuts: list[int]) -> None:
    """However an answer is cut into chunks, the same bytes pass and the same is charged."""
    whole = b"".join(STREAM)
    edges = sorted({0, *cuts, len(whole)})
    meter = GenerationStreamMeter(ASK)
    passed = b"".join(meter.feed(whole[a:b]) for a, b in pairwise(edges))
    assert passed + meter.close() == whole
    assert meter.reading().units[UNIT_OUTPUT_TOKENS] == 3


def test_an_event_after_the_end_counts(run: Run) -> None:
    """Nothing marks the last event: a later one brings its usage, and releases the one before."""
    meter = GenerationStreamMeter(ASK)
    later = said("Zürich", 9, "stop")
    passed, kept = run(meter, [*STREAM, later])
    assert (passed, kept) == (b"".join(STREAM), later)
    assert meter.reading().units[UNIT_OUTPUT_TOKENS] == 9


def test_usage_may_follow_the_end(run: Run) -> None:
    """An event with usage alone leaves a finished answer finished."""
    meter = GenerationStreamMeter(ASK)
    usage = {"input_tokens": 20, "output_tokens": 4}
    run(meter, [said("Zürich", None, "stop"), event({"output": {}, "usage": usage})])
    assert meter.complete
    assert meter.reading().units == {UNIT_INPUT_TOKENS: 20, UNIT_OUTPUT_TOKENS: 4}


@pytest.mark.parametrize(
    "events",
    [
        [said("Hello"), said("Hello from"), said("Hello from them")],
        [said("Hello"), said(" from"), said(" them")],
        [
            event({"output": {"text": text, "finish_reason": "null"}})
            for text in ("He", "Hello from them")
        ],
    ],
    ids=["cumulative", "pieces", "text"],
)
def test_text_is_counted_once(run: Run, events: list[bytes]) -> None:
    """Without usage the text counts at three bytes a token, however it was sent."""
    meter = GenerationStreamMeter(ASK)
    run(meter, events)
    reading = meter.reading()
    assert not meter.complete
    assert reading.basis == SETTLED_BY_COUNTED
    assert reading.units == {UNIT_INPUT_TOKENS: 7, UNIT_OUTPUT_TOKENS: 5}


def test_a_stream_that_breaks_off_is_billed_as_stated(run: Run) -> None:
    """What the last event stated is what was written up to there."""
    meter = GenerationStreamMeter(ASK)
    for piece in STREAM[:2]:
        meter.feed(piece)
    reading = meter.reading()
    assert (reading.basis, reading.units[UNIT_OUTPUT_TOKENS]) == (SETTLED_BY_COUNTED, 2)
    assert not meter.final


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("Throttling.AllocationQuota", 429),
        ("Arrearage", 402),
        ("InvalidApiKey", 401),
        ("DataInspectionFailed", 400),
        ("InternalError.Algo", 500),
        ("AccessDenied.Unpurchased", 403),
        ("Model.NotExist", 404),
    ],
)
def test_a_failure_at_once_is_a_refusal(
    run: Run, meter_for: MeterFor, code: str, status: int
) -> None:
    """With or without events, a code says that nothing was made and nothing is billed."""
    streamed = GenerationStreamMeter(ASK)
    _, kept = run(streamed, [failure(code)])
    assert kept == failure(code)
    whole = meter_for("dashscope", "generation", ASK, "application/json")
    run(whole, [orjson.dumps({"code": code, "message": "no", "request_id": "r"})])
    assert [meter.refused for meter in (streamed, whole)] == [status, status]


def test_an_error_event_without_a_code_is_a_failure(run: Run) -> None:
    """The name of an event alone is enough."""
    meter = GenerationStreamMeter(ASK)
    run(meter, [event({"message": "no"}, "error", 500)])
    assert meter.refused == 500


def test_a_failure_after_text_is_no_refusal(run: Run) -> None:
    """What came before it is charged."""
    meter = GenerationStreamMeter(ASK)
    run(meter, [*STREAM[:2], failure("InternalError", 500)])
    assert meter.failed
    assert not meter.complete
    assert not meter.refused
    assert meter.reading().units[UNIT_OUTPUT_TOKENS] == 2


@pytest.mark.parametrize(
    "events",
    [
        [said("", 1, reasoning_content="Hm"), said("Yes", 2, "stop")],
        [
            event(
                {
                    "output": {"text": "Yes", "finish_reason": "stop"},
                    "usage": {
                        "input_tokens": 1,
                        "output_tokens": 2,
                        "output_tokens_details": {"reasoning_tokens": 1},
                    },
                }
            )
        ],
    ],
)
def test_reasoning_costs_the_standard_price(run: Run, events: list[bytes]) -> None:
    """Shown or only stated, reasoning takes the lower price away."""
    meter = GenerationStreamMeter(ASK)
    run(meter, events)
    assert meter.complete
    assert meter.reading().variants == ()


def test_several_choices_end_together(run: Run) -> None:
    """An answer is complete when each choice that was seen has its end."""

    def two(first: str, second: str) -> bytes:
        choices = [
            {"index": index, "message": {"content": "a"}, "finish_reason": reason}
            for index, reason in enumerate((first, second))
        ]
        return event({"output": {"choices": choices}})

    meter = GenerationStreamMeter(ASK)
    run(meter, [two("stop", "null")])
    assert not meter.complete
    meter = GenerationStreamMeter(ASK)
    run(meter, [two("stop", "null"), two("stop", "length")])
    assert meter.complete
