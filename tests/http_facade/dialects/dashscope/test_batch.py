"""Qwen's batches: when they have ended, and what the lines of their output cost together."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.ledger_pb2 import SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS
from mintgate_facade.dialects.base import BrokenAnswer, RefusedRequest
from mintgate_facade.dialects.batches import VARIANTS
from mintgate_facade.dialects.dashscope.batch import Batch, Results, check_line
from mintgate_facade.dialects.dashscope.thinking import OFF
from mintgate_facade.dialects.jobs import Done, Failed, Further, Pending

READER = Batch()
JOB = Job(object_id="batch_1")


def told(status: Any, **fields: Any) -> bytes:
    return orjson.dumps({"id": "batch_1", "status": status, **fields})


def line(prompt: int, completion: int, *, reasoning: int = 0, **message: Any) -> bytes:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    body = {"model": "m", "usage": usage, "choices": [{"message": message}]}
    return orjson.dumps({"custom_id": "1", "response": {"body": body}}) + b"\n"


def ended(*pieces: bytes, cut: bool = False) -> Done:
    results = Results("batch_1", cut=cut)
    for piece in pieces:
        results.feed(piece)
    outcome = results.outcome()
    assert isinstance(outcome, Done)
    return outcome


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling"])
def test_working(status: str) -> None:
    """While a batch runs nothing is charged, whatever output there is."""
    assert READER.read(JOB, told(status, output_file_id="f")) == Pending()


@pytest.mark.parametrize(
    ("status", "cut"), [("completed", False), ("cancelled", True), ("expired", True)]
)
def test_its_output_is_read(status: str, cut: bool) -> None:  # noqa: FBT001 - a row
    """However it ended, what ran is in its output file."""
    further = READER.read(JOB, told(status, output_file_id="../f"))
    assert isinstance(further, Further)
    assert further.poll.path == "/v1/files/..%2Ff/content"
    further.into.feed(line(5, 7))
    outcome = further.into.outcome()
    assert isinstance(outcome, Done)
    assert outcome.cut is cut


def test_ends_without_output() -> None:
    """What was refused or ran nothing is free; what ran without a trace costs the hold."""
    assert READER.read(JOB, told("failed")) == Failed()
    nothing = READER.read(JOB, told("cancelled", request_counts={"completed": 0}))
    assert isinstance(nothing, Done)
    assert (nothing.reading.units, nothing.reading.basis) == ({}, SETTLED_BY_USAGE)
    lost = READER.read(JOB, told("completed", request_counts={"completed": 2}))
    assert isinstance(lost, Done)
    assert lost.reading.basis == SETTLED_BY_HOLD


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_lines_are_added_up(size: int) -> None:
    """The sum is the same in any pieces, with and without an end of the last line."""
    written = (line(5, 7) + b"\n" + line(50, 70))[:-1]
    done = ended(*(written[at : at + size] for at in range(0, len(written), size)))
    assert done.reading.units == {UNIT_INPUT_TOKENS: 55, UNIT_OUTPUT_TOKENS: 77}
    assert done.reading.variants == (*VARIANTS, OFF)
    assert (done.reading.basis, done.reading.model) == (SETTLED_BY_USAGE, "m")
    assert done.reading.provider_request_id == "batch_1"


def test_reasoning_has_the_higher_price() -> None:
    """As soon as one answer shows any, by its usage or by its text."""
    for thought in (line(5, 7, reasoning=3), line(5, 7, reasoning_content="Hm.")):
        assert ended(line(1, 1), thought).reading.variants == VARIANTS


def test_a_line_without_usage_costs_the_hold() -> None:
    """Nothing is free because its usage is not stated."""
    silent = orjson.dumps({"response": {"body": {"choices": []}}}) + b"\n"
    assert ended(line(5, 7), silent).reading.basis == SETTLED_BY_HOLD


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"{}", told(None), told(["failed"])])
def test_what_is_no_batch_is_asked_for_again(body: bytes) -> None:
    """Bytes that tell no status end nothing, nor do lines that are none."""
    with pytest.raises(BrokenAnswer):
        READER.read(JOB, body)
    results = Results("batch_1", cut=False)
    with pytest.raises(BrokenAnswer):
        results.feed(b"not json\n")


@pytest.mark.parametrize(
    ("model", "fields", "fits"),
    [
        ("qwen-plus", {}, True),
        ("qwen-plus", {"enable_thinking": False}, True),
        ("qwen-plus-latest", {"enable_thinking": True}, False),
        ("qwen-turbo", {"enable_thinking": True}, False),
        # One price, whether it reasons or not.
        ("qwen3.8-max", {"enable_thinking": True}, True),
    ],
)
def test_one_price(model: str, fields: dict[str, Any], fits: bool) -> None:  # noqa: FBT001 - a row
    """A request whose price depends on whether its answer reasons is refused."""
    if fits:
        check_line(model, fields)
        return
    with pytest.raises(RefusedRequest, match="two prices"):
        check_line(model, fields)


def test_ids_cannot_leave_their_place() -> None:
    """An id is one segment of the path, whatever it is made of."""
    assert READER.poll(Job(object_id="../x?y")).path == "/v1/batches/..%2Fx%3Fy"
    cancel = READER.cancel("../x")
    assert (cancel.method, cancel.path) == ("POST", "/v1/batches/..%2Fx/cancel")
