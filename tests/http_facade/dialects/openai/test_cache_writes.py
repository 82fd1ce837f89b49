"""What OpenAI writes to its prompt cache: for half an hour, or for 12 at twice the price."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_IMAGE_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
)
from mintgate_facade.dialects.base import Ask, Meter
from mintgate_facade.dialects.jobs import Done
from mintgate_facade.dialects.openai.background import BackgroundResponse
from mintgate_facade.dialects.openai.usage import read_usage

Read = Callable[..., Ask]
MeterFor = Callable[..., Meter]
Run = Callable[[Meter, Iterable[bytes]], tuple[bytes, bytes]]

LONG = {"prompt_cache_options": {"ttl": "12h"}}
SHORT = {"prompt_cache_options": {"mode": "explicit", "ttl": "30m"}}
MARKED = {"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}
MARKED_LONG = {**MARKED, "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}


def chat(content: Any = "Hello", **fields: Any) -> dict[str, Any]:
    return {"model": "gpt-6", "messages": [{"role": "user", "content": content}], **fields}


def response(content: Any = "Hello", **fields: Any) -> dict[str, Any]:
    message = {"role": "user", "content": content}
    return {"model": "gpt-6", "input": [message], **fields}


@pytest.mark.parametrize(
    ("operation", "document", "long"),
    [
        ("chat", chat(), False),
        ("chat", chat(**SHORT), False),
        ("chat", chat([MARKED]), False),
        ("chat", chat([MARKED_LONG]), True),
        ("chat", chat(**LONG), True),
        ("responses", response(**SHORT), False),
        ("responses", response(**LONG), True),
        ("responses", response([{**MARKED_LONG, "type": "input_text"}]), True),
    ],
)
def test_a_longer_life_is_held_for(
    read: Read,
    operation: str,
    document: dict[str, Any],
    long: bool,  # noqa: FBT001 - a case of a table
) -> None:
    """A cache that is asked to keep anything for 12 hours is held for at the price of that."""
    units = read("openai", operation, document).bound.input_units

    assert (UNIT_CACHE_WRITE_1H_TOKENS in units) is long
    assert UNIT_CACHE_WRITE_5M_TOKENS in units


def test_writes_are_told_apart_by_their_life() -> None:
    """Each token that was written is billed by how long it is kept."""
    details = {
        "cache_write_tokens": 90,
        "cache_write_tokens_details": {"ttl_30m_tokens": 30, "ttl_12h_tokens": 60},
    }
    usage = {"input_tokens": 100, "output_tokens": 5, "input_tokens_details": details}

    assert read_usage(usage) == (
        {
            UNIT_INPUT_TOKENS: 10,
            UNIT_CACHE_WRITE_5M_TOKENS: 30,
            UNIT_CACHE_WRITE_1H_TOKENS: 60,
            UNIT_OUTPUT_TOKENS: 5,
        },
        0,
    )


@pytest.mark.parametrize(
    ("asked", "unit"), [(LONG, UNIT_CACHE_WRITE_1H_TOKENS), ({}, UNIT_CACHE_WRITE_5M_TOKENS)]
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("operation", ["chat", "responses"])
def test_writes_of_an_untold_life_cost_what_was_asked_for(
    read: Read,
    meter_for: MeterFor,
    run: Run,
    operation: str,
    stream: bool,  # noqa: FBT001 - a case of a table
    asked: dict[str, Any],
    unit: int,
) -> None:
    """Where the usage does not split its writes, the request tells how long they are kept."""
    usage = {
        "input_tokens": 100,
        "output_tokens": 5,
        "total_tokens": 105,
        "input_tokens_details": {"cache_write_tokens": 90},
    }
    document = chat(**asked) if operation == "chat" else response(**asked)
    ask = read("openai", operation, {**document, "stream": stream})
    answer: Any = {"id": "a", "usage": usage}
    if stream and operation == "responses":
        answer = {"type": "response.completed", "response": answer}
    elif stream:
        answer["choices"] = []
    body = json.dumps(answer).encode()
    kind = "text/event-stream" if stream else "application/json"
    meter = meter_for("openai", operation, ask, kind)
    run(meter, [b"data: " + body + b"\n\n" if stream else body])

    assert meter.reading().units == {UNIT_INPUT_TOKENS: 10, unit: 90, UNIT_OUTPUT_TOKENS: 5}


def test_a_background_answer_remembers_how_long_it_is_kept(read: Read) -> None:
    """What is read by a poller, long after its request, costs as if it were read at once."""
    ask = read("openai", "responses", response(background=True, **LONG))
    assert ask.later is not None
    answer = {
        "id": "resp_1",
        "status": "completed",
        "usage": {
            "input_tokens": 100,
            "output_tokens": 5,
            "input_tokens_details": {"cache_write_tokens": 90},
        },
    }
    job = Job(object_id="resp_1", state=ask.later.state)
    done = BackgroundResponse().read(job, json.dumps(answer).encode())

    assert isinstance(done, Done)
    assert done.reading.units[UNIT_CACHE_WRITE_1H_TOKENS] == 90


def test_pictures_are_written_at_the_price_of_a_write() -> None:
    """More written than there is text is pictures: a write costs more than to read them once."""
    details = {"text_tokens": 40, "image_tokens": 960, "cache_write_tokens": 900}
    usage = {"prompt_tokens": 1_000, "completion_tokens": 5, "prompt_tokens_details": details}

    assert read_usage(usage) == (
        {UNIT_INPUT_IMAGE_TOKENS: 100, UNIT_CACHE_WRITE_5M_TOKENS: 900, UNIT_OUTPUT_TOKENS: 5},
        0,
    )
