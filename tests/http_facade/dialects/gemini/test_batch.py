"""Batches: one bound for all their requests, one charge for all their answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED, SETTLED_BY_HOLD, SETTLED_BY_USAGE
from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_READ_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
)
from mintgate_facade.dialects.base import Ask, BrokenAnswer, Meter, Reading, RefusedRequest
from mintgate_facade.dialects.batches import VARIANTS
from mintgate_facade.dialects.gemini.batch import Batch
from mintgate_facade.dialects.jobs import Done, Failed, Pending

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]
MeterFor = Callable[..., Meter]

MODEL = "gemini-2.5-flash"
HELLO = [{"parts": [{"text": "Hello"}]}]
FILE = {"fileData": {"fileUri": "files/abc"}}


def generation(**fields: Any) -> dict[str, Any]:
    config = {"maxOutputTokens": 9}
    return {"request": {"contents": HELLO, "generationConfig": config, **fields}}


def batch(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"batch": {"inputConfig": {"requests": {"requests": list(items)}}, **fields}}


def test_a_batch_is_held_for_all_its_requests(read: Read) -> None:
    """Each as if it came alone; one without a limit may write as much as the model can."""
    unlimited = {"request": {"contents": HELLO}, "metadata": {"key": "2"}}
    document = batch(generation(), generation(), unlimited)
    ask = read("gemini", "batch", document, path_model=MODEL)
    alone = [
        read("gemini", "generate", item["request"], path_model=MODEL)
        for item in document["batch"]["inputConfig"]["requests"]["requests"]
    ]
    assert ask.bound.input_tokens == sum(each.bound.input_tokens for each in alone)
    assert (ask.bound.output_tokens, ask.bound.unlimited_answers) == (18, 1)
    assert tuple(ask.bound.variants) == VARIANTS
    assert ask.creates == "batch"
    assert ask.later is not None
    assert ask.later.units == {UNIT_INPUT_TOKENS: ask.delivered_input_tokens}


def test_embeddings_have_input_alone(read: Read) -> None:
    """And either spelling of every name is read."""
    items = [{"request": {"content": HELLO[0]}}] * 3
    document = {"batch": {"input_config": {"requests": {"requests": items}}}}
    ask = read("gemini", "batch_embed", document, path_model="gemini-embedding-001")
    assert ask.bound.input_tokens > 3 * len("Hello")
    assert (ask.bound.output_tokens, ask.bound.unlimited_answers) == (0, 0)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({}, "no requests"),
        (batch(), "no requests"),
        ({"batch": 5}, "'batch'"),
        (batch({}), "requests.0..request"),
        (batch(generation(), generation(contents=[])), "requests.1.: 'contents'"),
        (batch(generation(model="models/other")), "requests.0."),
        (batch(generation(), model="models/other"), "batch.model"),
        (batch(generation(contents=[{"parts": [FILE]}])), "Send it inline"),
        (batch(generation(cachedContent="cachedContents/abc")), "Send it inline"),
        (batch(generation(serviceTier="flex")), "service tier"),
        (batch(generation(tools=[{"googleSearch": {}}])), "cannot be bounded in a batch"),
        (batch(generation(generationConfig={"responseModalities": ["IMAGE"]})), "sound and video"),
        (batch(generation(), webhookConfig={"uris": ["https://a.invalid"]}), "Poll it"),
        ({"batch": {"inputConfig": {"file_name": "files/abc"}}}, "Send them inline"),
    ],
)
def test_what_cannot_be_bounded_is_refused(
    refusal: Refusal, document: dict[str, Any], why: str
) -> None:
    """One request without a bound stops the whole batch, and is named."""
    failure = refusal("gemini", "batch", document, path_model=MODEL)
    assert failure.failure.message
    with pytest.raises(RefusedRequest, match=why):
        raise failure


@pytest.mark.parametrize(
    ("answer", "named"), [({"name": "batches/abc"}, "abc"), ({"name": "files/abc"}, ""), ({}, "")]
)
def test_an_answer_names_its_batch(
    read: Read, meter_for: MeterFor, answer: dict[str, Any], named: str
) -> None:
    """Of a batch that nobody can ask for, the input is charged."""
    ask = read("gemini", "batch", batch(generation()), path_model=MODEL)
    meter = meter_for("gemini", "batch", ask, "application/json")
    meter.feed(orjson.dumps(answer))
    meter.close()
    assert meter.reading().provider_request_id == named
    assert meter.reading().units == {UNIT_INPUT_TOKENS: ask.delivered_input_tokens}


def told(state: str, *answers: Any, field: str = "inlinedResponses") -> bytes:
    metadata: dict[str, Any] = {"state": f"BATCH_STATE_{state}"}
    if answers:
        metadata["output"] = {field: {"inlinedResponses": list(answers)}}
    return orjson.dumps({"name": "batches/abc", "metadata": metadata})


def answered(**usage: int) -> dict[str, Any]:
    return {"response": {"modelVersion": "gemini-x", "usageMetadata": usage}}


GENERATIONS = Job(object_id="abc", state=b'{"embeds":false,"input":7}')
EMBEDDINGS = Job(object_id="abc", state=b'{"embeds":true,"input":7}')
ERROR = {"error": {"code": 3, "message": "no"}}


@pytest.mark.parametrize("state", ["SUCCEEDED", "CANCELLED", "EXPIRED"])
def test_answers_are_added_up(state: str) -> None:
    """Those that were made, also of a batch that was cut off; others are free."""
    body = told(
        state,
        answered(promptTokenCount=5, cachedContentTokenCount=2, candidatesTokenCount=4),
        ERROR,
        answered(promptTokenCount=3, candidatesTokenCount=1, thoughtsTokenCount=6),
    )
    assert Batch().read(GENERATIONS, body) == Done(
        Reading(
            {UNIT_INPUT_TOKENS: 6, UNIT_CACHE_READ_TOKENS: 2, UNIT_OUTPUT_TOKENS: 11},
            SETTLED_BY_USAGE,
            VARIANTS,
            "gemini-x",
            "abc",
            reasoning_tokens=6,
        ),
        cut=state != "SUCCEEDED",
    )


@pytest.mark.parametrize(
    "stated", [[{"tokenCount": 3}, {"tokenCount": "4"}], [{"tokenCount": 3}, {}]]
)
@pytest.mark.parametrize("field", ["inlinedResponses", "inlinedEmbedContentResponses"])
def test_embeddings_state_their_tokens(stated: list[dict[str, Any]], field: str) -> None:
    """Where one does not, all of them cost our own count."""
    body = told("SUCCEEDED", *({"response": {"embedding": {}, **s}} for s in stated), field=field)
    outcome = Batch().read(EMBEDDINGS, body)
    assert isinstance(outcome, Done)
    assert outcome.reading.units == {UNIT_INPUT_TOKENS: 7}
    assert outcome.reading.variants == VARIANTS
    stating = all(stated)
    assert outcome.reading.basis == (SETTLED_BY_USAGE if stating else SETTLED_BY_COUNTED)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (told("PENDING"), Pending()),
        (told("RUNNING"), Pending()),
        (told("FAILED"), Failed()),
        (told("CANCELLED"), Failed()),
        (told("SUCCEEDED"), Done(Reading(basis=SETTLED_BY_HOLD))),
        (
            told("SUCCEEDED", {"response": {"candidates": []}}),
            Done(Reading(basis=SETTLED_BY_HOLD, provider_request_id="abc")),
        ),
    ],
)
def test_its_state_says_whether_it_has_ended(body: bytes, outcome: object) -> None:
    """An end that tells nothing of its cost is charged as the whole hold."""
    assert Batch().read(GENERATIONS, body) == outcome


@pytest.mark.parametrize("body", [b"{}", b"[]", b"{", told("NEW")])
def test_what_is_no_batch_is_asked_again(body: bytes) -> None:
    """Nothing is settled by bytes that are not Google's."""
    with pytest.raises(BrokenAnswer):
        Batch().read(GENERATIONS, body)
