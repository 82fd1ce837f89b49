"""Files of batches: every line bounded, the sum kept; and what a batch cost when it has ended."""

from __future__ import annotations

from base64 import b64decode
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.ledger_pb2 import SETTLED_BY_HOLD, SETTLED_BY_USAGE, Bound
from mintgate.v1.unit_pb2 import UNIT_CACHE_READ_TOKENS, UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS
from mintgate_facade.dialects.base import BrokenAnswer, RefusedRequest, RequestView
from mintgate_facade.dialects.batches import VARIANTS
from mintgate_facade.dialects.jobs import Done, Failed, Pending
from mintgate_facade.dialects.openai import OpenAIDialect
from mintgate_facade.dialects.openai.batch import Batch, BatchFile, read_batch, reads

DIALECT = OpenAIDialect()
READER = Batch()
JOB = Job(object_id="batch_1")
CREATE = {
    "input_file_id": "file-1",
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
}


def line(**fields: Any) -> bytes:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return orjson.dumps(
        {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    )


def noted(content: bytes, *cuts: int) -> str:
    """The note on a file that arrives in pieces."""
    file = BatchFile(DIALECT.read)
    places = [0, *sorted(cuts), len(content)]
    for begin, end in pairwise(places):
        file.feed(content[begin:end])
    return file.note()


def bound_of(note: str) -> Bound:
    return Bound.FromString(b64decode(orjson.loads(note)["bound"]))


def test_the_sum_of_all_lines() -> None:
    """Input by the bytes of each line, stated outputs times their answers, the rest by count."""
    lines = [line(max_tokens=10), line(max_tokens=20, n=3), line(n=2)]
    bound = bound_of(noted(b"\n".join(lines)))
    assert bound.input_tokens >= sum(map(len, lines))
    assert bound.largest_input_tokens < bound.input_tokens
    assert (bound.output_tokens, bound.unlimited_answers) == (70, 2)
    assert tuple(bound.variants) == VARIANTS


@given(st.lists(st.integers(0, 400), max_size=8))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    """However a file is cut up on its way, it is the same sum; empty lines are none."""
    content = b"\r\n".join([line(max_tokens=1), b"", line(max_tokens=2), b""])
    inside = [cut for cut in cuts if cut <= len(content)]
    assert noted(content, *inside) == noted(content)
    assert bound_of(noted(content)).output_tokens == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"[]",
        b"{}",
        b'{"url": "/v1/chat/completions"}',
        b'{"url": "/v1/videos", "body": {}}',
        line() + b" " + line(),
        line() + b"\r" + line(),
        line(user="a\u2028b"),
        line(max_tokens=-1),
        line(stream=True),
        line(service_tier="flex"),
        line(messages=[{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]),
        line(model="other") + b"\n" + line(),
        line().replace(b"POST", b"GET"),
        line().replace(b'"custom_id"', b'"url":"/v1/videos","custom_id"'),
    ],
)
def test_what_cannot_be_bounded_is_refused(content: bytes) -> None:
    """A line that a provider might read in another way, or that has no bound, stops the upload."""
    with pytest.raises(RefusedRequest):
        noted(content)


def test_other_files_are_not_read() -> None:
    """Only the purpose 'batch' makes a file one of requests."""
    choose = reads(DIALECT.read)
    assert choose({"purpose": "user_data"}) is None
    assert choose({"purpose": "batch"}) is not None


def created(**fields: Any) -> RequestView:
    document = {**CREATE, **fields}
    return RequestView(body=orjson.dumps(document), document=document)


def test_a_batch_is_held_for_by_the_note_on_its_file() -> None:
    """It uses its file, and with the note has the file's model and bound, and a job of two days."""
    ask = read_batch(created())
    assert [tuple(name) for name in ask.uses] == [("file", "file-1")]
    assert ask.noted is not None
    note = noted(line(max_tokens=5))
    ready = ask.noted([note])
    assert (ready.model, ready.bound) == ("m", bound_of(note))
    assert ready.later is not None
    assert ready.later.ttl_ms == 172_800_000
    assert ready.later.units == {UNIT_INPUT_TOKENS: ready.delivered_input_tokens}
    with pytest.raises(RefusedRequest, match="purpose"):
        ask.noted([""])


@pytest.mark.parametrize(
    "fields",
    [
        {"input_file_id": None},
        {"endpoint": None},
        {"endpoint": "/v1/videos"},
        {"completion_window": "7d"},
        {"completion_window": None},
    ],
)
def test_a_batch_that_is_refused(fields: dict[str, Any]) -> None:
    """Without a file, for another route, or for longer than a day there is no batch."""
    with pytest.raises(RefusedRequest):
        read_batch(created(**fields))


def batch(status: str, **fields: Any) -> bytes:
    return orjson.dumps({"id": "batch_1", "model": "m-1", "status": status, **fields})


USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 10},
    "output_tokens": 4,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 34,
}


def test_no_request_keeps_its_cache_for_longer() -> None:
    """A write that costs twice as much is refused where no usage would tell of it."""
    with pytest.raises(RefusedRequest, match=r"Line 2: .*cache"):
        noted(b"\n".join([line(), line(prompt_cache_options={"ttl": "12h"})]))
    assert noted(line(prompt_cache_options={"ttl": "30m"}))


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling"])
def test_working(status: str) -> None:
    """Until it has ended nothing is charged."""
    assert READER.read(JOB, batch(status, usage=USAGE)) == Pending()


@pytest.mark.parametrize(
    ("status", "cut"), [("completed", False), ("expired", True), ("cancelled", True)]
)
def test_the_usage_of_all_requests_is_the_charge(status: str, cut: bool) -> None:  # noqa: FBT001 - a row
    """However it ended, its usage is what ran, at the batch price and in no tier."""
    done = READER.read(JOB, batch(status, usage=USAGE, request_counts={"completed": 3}))
    assert isinstance(done, Done)
    assert done.cut is cut
    assert done.reading.units == {
        UNIT_INPUT_TOKENS: 20,
        UNIT_CACHE_READ_TOKENS: 10,
        UNIT_OUTPUT_TOKENS: 4,
    }
    assert done.reading.variants == VARIANTS
    assert (done.reading.basis, done.reading.reasoning_tokens) == (SETTLED_BY_USAGE, 1)


def test_without_usage() -> None:
    """What ran without telling its usage costs the hold; what did not run is free."""
    ran = READER.read(JOB, batch("completed", request_counts={"completed": 1}))
    assert isinstance(ran, Done)
    assert ran.reading.basis == SETTLED_BY_HOLD
    idle = READER.read(JOB, batch("cancelled", request_counts={"completed": 0}))
    assert isinstance(idle, Done)
    assert (idle.reading.basis, idle.reading.units) == (SETTLED_BY_USAGE, {})
    assert READER.read(JOB, batch("failed")) == Failed()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"status": "lost"}'])
def test_what_is_no_batch(body: bytes) -> None:
    """It is asked for again."""
    with pytest.raises(BrokenAnswer):
        READER.read(JOB, body)
