"""Message batches: the sum of their messages, and the sum of what their results state."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.ledger_pb2 import SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
)
from mintgate_facade.dialects.anthropic.batch import MessageBatch, Results, read_batch
from mintgate_facade.dialects.anthropic.flavor import Flavor
from mintgate_facade.dialects.base import Ask, BrokenAnswer, RefusedRequest, RequestView
from mintgate_facade.dialects.batches import VARIANTS
from mintgate_facade.dialects.jobs import Done, Further, Pending

READER = MessageBatch()
JOB = Job(object_id="msgbatch_1", state=b'{"cached_1h": true}')
HOUR = {"type": "ephemeral", "ttl": "1h"}


def params(**fields: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": "Hi"}]
    return {"model": "claude-x", "max_tokens": 10, "messages": said, **fields}


def read(*every: Any) -> Ask:
    document = {"requests": [{"custom_id": "1", "params": each} for each in every]}
    return read_batch(RequestView(body=orjson.dumps(document), document=document), Flavor())


def test_the_sum_of_all_messages() -> None:
    """Each message is bounded as if it came alone, and the batch holds their sum."""
    cached = [{"type": "text", "text": "Hi", "cache_control": HOUR}]
    ask = read(params(), params(max_tokens=20, messages=[{"role": "user", "content": cached}]))
    assert ask.bound.output_tokens == 30
    assert ask.bound.largest_input_tokens < ask.bound.input_tokens
    assert UNIT_CACHE_WRITE_1H_TOKENS in ask.bound.input_units
    assert tuple(ask.bound.variants) == VARIANTS
    assert ask.creates == "batch"
    assert ask.later is not None
    assert orjson.loads(ask.later.state) == {"cached_1h": True}


@pytest.mark.parametrize(
    "every",
    [
        [],
        [params(), params(model="claude-y")],
        [None],
        [params(max_tokens=None)],
        [params(stream=True)],
        [params(speed="fast")],
        [params(inference_geo="us")],
        [params(mcp_servers=[{}])],
        [params(tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}])],
    ],
)
def test_what_cannot_be_bounded_is_refused(every: list[Any]) -> None:
    """One message without a bound stops the whole batch."""
    with pytest.raises(RefusedRequest):
        read(*every)


def result(kind: str = "succeeded", **usage: Any) -> bytes:
    told: dict[str, Any] = {"type": kind}
    if kind == "succeeded":
        told["message"] = {"model": "claude-x-1", "usage": {"service_tier": "batch", **usage}}
    return orjson.dumps({"custom_id": "1", "result": told})


FILE = b"\n".join(
    [
        result(input_tokens=3, output_tokens=2, inference_geo="us"),
        result("errored"),
        result(input_tokens=4, output_tokens=5, cache_creation_input_tokens=7),
        result("canceled"),
        result("expired"),
        b"",
    ]
)


@given(st.lists(st.integers(0, len(FILE)), max_size=6))
def test_results_are_added_up_however_they_arrive(cuts: list[int]) -> None:
    """Messages that were made are charged at the batch price; the others are free."""
    results = Results("msgbatch_1", cached_1h=True)
    for begin, end in pairwise([0, *sorted(cuts), len(FILE)]):
        results.feed(FILE[begin:end])
    done = results.outcome()
    assert isinstance(done, Done)
    assert done.reading.units == {
        UNIT_INPUT_TOKENS: 7,
        UNIT_OUTPUT_TOKENS: 7,
        UNIT_CACHE_WRITE_1H_TOKENS: 7,
    }
    assert done.reading.basis == SETTLED_BY_USAGE
    assert done.reading.variants == (*VARIANTS, "inference_geo=us")
    assert done.reading.model == "claude-x-1"


def test_a_batch_that_has_ended_is_read_further() -> None:
    """Its results tell what it cost, also how long its caches were written for."""
    for status in ("in_progress", "canceling"):
        assert READER.read(JOB, orjson.dumps({"processing_status": status})) == Pending()
    ended = orjson.dumps({"processing_status": "ended"})
    further = READER.read(Job(object_id="a/b"), ended)
    assert isinstance(further, Further)
    assert further.poll.path == "/v1/messages/batches/a%2Fb/results"
    further.into.feed(result(cache_creation_input_tokens=7))
    done = further.into.outcome()
    assert isinstance(done, Done)
    assert done.reading.units == {UNIT_CACHE_WRITE_5M_TOKENS: 7}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"processing_status": "lost"}'])
def test_what_is_no_batch(body: bytes) -> None:
    """It is asked for again, and so is a result that is no JSON."""
    with pytest.raises(BrokenAnswer):
        READER.read(JOB, body)
    with pytest.raises(BrokenAnswer):
        Results("msgbatch_1", cached_1h=False).feed(b"nonsense\n")
