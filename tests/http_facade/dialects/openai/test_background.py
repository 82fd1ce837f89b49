"""Background answers: when they have ended, and what they cost then."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS, UNIT_WEB_SEARCHES
from mintgate_facade.dialects.base import BrokenAnswer
from mintgate_facade.dialects.jobs import Done, Failed, Pending
from mintgate_facade.dialects.openai.background import BackgroundResponse, state_of

READER = BackgroundResponse()
JOB = Job(object_id="resp_1", state=state_of(12))
USAGE = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}


def answer(status: Any, **fields: Any) -> bytes:
    return orjson.dumps({"id": "resp_1", "model": "gpt-5.5-2026", "status": status, **fields})


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_working(status: str) -> None:
    """While the provider works nothing is charged, whatever usage it states so far."""
    assert READER.read(JOB, answer(status, usage=USAGE)) == Pending()


@pytest.mark.parametrize(
    ("status", "cut"),
    [("completed", False), ("incomplete", False), ("cancelled", True), ("failed", True)],
)
def test_usage_is_charged_however_it_ended(status: str, cut: bool) -> None:  # noqa: FBT001 - a row
    """Usage that the provider states is what it bills."""
    done = READER.read(JOB, answer(status, usage=USAGE, service_tier="flex"))
    assert isinstance(done, Done)
    assert done.cut is cut
    assert done.reading.units == {UNIT_INPUT_TOKENS: 9, UNIT_OUTPUT_TOKENS: 4}
    assert done.reading.basis == SETTLED_BY_USAGE
    assert done.reading.variants == ("service_tier=flex",)
    assert (done.reading.model, done.reading.provider_request_id) == ("gpt-5.5-2026", "resp_1")


def test_searches_are_charged_too() -> None:
    """Hosted searches of a background answer are units of their own."""
    done = READER.read(
        JOB, answer("completed", usage=USAGE, tool_usage={"web_search": {"num_requests": 3}})
    )
    assert isinstance(done, Done)
    assert done.reading.units[UNIT_WEB_SEARCHES] == 3


def test_a_failure_without_usage_is_free() -> None:
    """The provider bills nothing for an answer that it failed to make."""
    assert READER.read(JOB, answer("failed", usage=None)) == Failed()


def test_a_cancelled_answer_costs_its_input() -> None:
    """Cancelled before its usage was known, it costs what the gateway counted of the request."""
    done = READER.read(JOB, answer("cancelled", usage=None))
    assert isinstance(done, Done)
    assert done.reading.units == {UNIT_INPUT_TOKENS: 12}
    assert done.reading.basis == SETTLED_BY_COUNTED


def test_a_complete_answer_without_usage_costs_the_hold() -> None:
    """Nothing is free because its usage is not stated."""
    done = READER.read(JOB, answer("completed", usage=None))
    assert isinstance(done, Done)
    assert done.reading.basis == SETTLED_BY_HOLD


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b"{}", answer(None), answer("paused"), answer(["queued"])]
)
def test_what_is_no_answer_is_asked_for_again(body: bytes) -> None:
    """Bytes that tell no status end nothing."""
    with pytest.raises(BrokenAnswer):
        READER.read(JOB, body)


def test_ids_cannot_leave_their_place() -> None:
    """An id is one segment of the path, whatever it is made of."""
    poll = READER.poll(Job(object_id="../files/x?y#z"))
    assert (poll.method, poll.path) == ("GET", "/responses/..%2Ffiles%2Fx%3Fy%23z")
