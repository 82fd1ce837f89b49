"""Compactions: bounded as a response whose output nothing limits, charged by their usage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_READ_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
)
from mintgate_facade.dialects.base import Ask, Meter, RefusedRequest

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]
MeterFor = Callable[..., Meter]

ASKED = {"model": "gpt-x", "input": [{"role": "user", "content": "Hello"}]}
SAID = {"type": "message", "role": "user", "content": "Hello" * 300}
SEALED = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x" * 30}
ANSWER = {"id": "resp_1", "object": "response.compaction", "output": [SAID, SEALED]}
USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 40},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 107,
}


def test_its_output_is_open(read: Read) -> None:
    """The model's largest output is held, and no limit is written into the request."""
    ask = read("openai", "compact", ASKED)
    assert ask.bound.output_open
    assert not ask.bound.input_open
    assert ask.creates == ""
    assert not ask.stream


def test_what_it_reads_is_named(read: Read) -> None:
    """A stored answer or file that is made short must be the key's."""
    content = [{"type": "input_file", "file_id": "file-1"}]
    document = {**ASKED, "input": [{"role": "user", "content": content}]}
    ask = read("openai", "compact", document | {"previous_response_id": "resp_0"})
    assert ask.uses == (("file", "file-1"), ("response", "resp_0"))
    assert ask.bound.input_open


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"stream": True}, "stream"),
        ({"max_output_tokens": 64}, "max_output_tokens"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"service_tier": "ultrafast"}, "service_tier"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
    ],
)
def test_what_is_refused(refusal: Refusal, fields: dict[str, Any], param: str) -> None:
    """What a compaction does not have is not left to be read in some way."""
    assert refusal("openai", "compact", ASKED | fields).failure.param == param


@pytest.mark.parametrize("tier", [None, "default", "priority"])
def test_it_is_charged_at_the_tier_that_was_asked_for(
    read: Read, meter_for: MeterFor, tier: str | None
) -> None:
    """Its answer has no field for a tier."""
    ask = read("openai", "compact", ASKED | {"service_tier": tier})
    meter = meter_for("openai", "compact", ask, "application/json")
    meter.feed(orjson.dumps(ANSWER | {"usage": USAGE}))
    meter.close()
    reading = meter.reading()
    assert reading.basis == SETTLED_BY_USAGE
    assert reading.units == {
        UNIT_INPUT_TOKENS: 60,
        UNIT_CACHE_READ_TOKENS: 40,
        UNIT_OUTPUT_TOKENS: 7,
    }
    assert reading.variants == (("service_tier=priority",) if tier == "priority" else ())
    assert reading.provider_request_id == "resp_1"


def test_without_usage_it_costs_the_hold(read: Read, meter_for: MeterFor) -> None:
    """What the model wrote is sealed, so nothing else tells how much it was."""
    ask = read("openai", "compact", ASKED)
    meter = meter_for("openai", "compact", ask, "application/json")
    meter.feed(orjson.dumps(ANSWER))
    meter.close()
    assert meter.reading().basis == SETTLED_BY_HOLD
