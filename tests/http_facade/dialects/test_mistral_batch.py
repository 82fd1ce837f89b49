"""Files of requests for Mistral's batch jobs, and what the results of a job cost."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.ledger_pb2 import SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS
from mintgate_facade.dialects.base import BrokenAnswer, RefusedRequest
from mintgate_facade.dialects.batches import VARIANTS
from mintgate_facade.dialects.jobs import Done, Failed, Further, Pending
from mintgate_facade.dialects.mistral_batch import BatchFile, reads
from mintgate_facade.dialects.mistral_batch_end import MistralBatch, Results
from mintgate_facade.providers.mistral import MISTRAL

READ = MISTRAL.dialect.read
MESSAGES = [{"role": "user", "content": "Hello"}]
JOB = Job(object_id="job/1")


def line(**body: Any) -> bytes:
    return orjson.dumps({"custom_id": "a", "body": body}) + b"\n"


def note_of(content: bytes, size: int = 1 << 20) -> dict[str, Any]:
    file = BatchFile(READ)
    for start in range(0, len(content), size):
        file.feed(content[start : start + size])
    kept: dict[str, Any] = orjson.loads(file.note())
    return kept


@given(size=st.integers(1, 200), count=st.integers(1, 4))
def test_any_cut_of_a_file_has_one_note(size: int, count: int) -> None:
    """However a file arrives, its note is the same; the last line needs no end."""
    content = line(messages=MESSAGES, max_tokens=9) * count
    assert note_of(content, size) == note_of(content) == note_of(content.rstrip())


@pytest.mark.parametrize(
    ("body", "endpoint", "model"),
    [
        ({"messages": MESSAGES, "max_tokens": 1}, "/v1/chat/completions", ""),
        ({"messages": MESSAGES, "model": "m"}, "/v1/chat/completions", "m"),
        ({"prompt": "def", "max_tokens": 1}, "/v1/fim/completions", ""),
        ({"input": ["a"]}, "/v1/embeddings", ""),
    ],
)
def test_what_a_file_is_for(body: dict[str, Any], endpoint: str, model: str) -> None:
    """The fields of a body tell its endpoint; its model is its own, or left to the job."""
    kept = note_of(line(**body))
    assert (kept["endpoint"], kept["model"]) == (endpoint, model)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"no json\n",
        b"[]\n",
        orjson.dumps({"custom_id": "a"}),
        line(),
        line(document={}),
        line(messages=MESSAGES, model=7),
        line(messages=MESSAGES) + line(input="a"),
        line(messages=MESSAGES, model="a") + line(messages=MESSAGES, model="b"),
        line(messages=MESSAGES, model="a") + line(messages=MESSAGES),
        line(messages=MESSAGES, stream=True),
        line(messages=MESSAGES).replace(b"Hello", b"Hel\rlo"),
        line(messages=MESSAGES, model="m" * 257),
        line(messages=MESSAGES, agent_id="x"),
    ],
)
def test_files_that_are_refused(content: bytes) -> None:
    """A line that cannot be bounded stops the upload."""
    with pytest.raises(RefusedRequest):
        note_of(content)


def test_only_files_of_requests_are_read() -> None:
    """Documents are stored as they are."""
    assert reads(READ, {"purpose": "ocr"}) is None
    assert reads(READ, {}) is None
    assert isinstance(reads(READ, {"purpose": "batch"}), BatchFile)


@pytest.mark.parametrize("status", ["QUEUED", "RUNNING", "CANCELLATION_REQUESTED"])
def test_a_job_that_runs(status: str) -> None:
    """It is asked for again, whatever it has made so far."""
    body = orjson.dumps({"status": status, "output_file": "f", "succeeded_requests": 1})
    assert isinstance(MistralBatch().read(JOB, body), Pending)


@pytest.mark.parametrize("status", ["SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED"])
def test_a_job_that_has_ended(status: str) -> None:
    """Results are read if there are any; without them it is free, or costs the hold."""
    reader = MistralBatch()
    further = reader.read(JOB, orjson.dumps({"status": status, "output_file": "a/b"}))
    assert isinstance(further, Further)
    assert further.poll.path == "/v1/files/a%2Fb/content"
    free = reader.read(JOB, orjson.dumps({"status": status, "succeeded_requests": 0}))
    assert isinstance(free, Failed)
    lost = reader.read(JOB, orjson.dumps({"status": status, "succeeded_requests": 2}))
    assert isinstance(lost, Done)
    assert lost.reading.basis == SETTLED_BY_HOLD
    assert lost.cut is (status != "SUCCESS")
    assert reader.poll(JOB).path == "/v1/batch/jobs/job%2F1"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"status": "DONE"}'])
def test_what_is_no_job(body: bytes) -> None:
    """An answer of another shape is not read as an end."""
    with pytest.raises(BrokenAnswer):
        MistralBatch().read(JOB, body)


def result(status: int = 200, **body: Any) -> bytes:
    return orjson.dumps({"response": {"status_code": status, "body": body}}) + b"\n"


USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


@given(size=st.integers(1, 300))
def test_results(size: int) -> None:
    """The usage of each answered request is added up, however the lines are cut."""
    content = result(model="m", usage=USAGE) * 2 + result(422, message="no") + b"\n"
    results = Results("job", cut=False)
    for start in range(0, len(content), size):
        results.feed(content[start : start + size])
    done = results.outcome()
    assert isinstance(done, Done)
    assert done.reading.units == {UNIT_INPUT_TOKENS: 10, UNIT_OUTPUT_TOKENS: 14}
    assert done.reading.basis == SETTLED_BY_USAGE
    assert done.reading.variants == VARIANTS
    assert (done.reading.model, done.reading.provider_request_id) == ("m", "job")


def test_a_result_without_usage() -> None:
    """Where one answer does not say what it cost, all cost what was held."""
    results = Results("job", cut=True)
    results.feed(result(usage=USAGE) + result())
    done = results.outcome()
    assert isinstance(done, Done)
    assert (done.reading.basis, done.cut) == (SETTLED_BY_HOLD, True)
