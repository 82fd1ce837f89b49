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
from mintgate_facade.dialects.base import (
    Ask,
    BrokenAnswer,
    Meter,
    ObjectName,
    Reading,
    RefusedRequest,
)
from mintgate_facade.dialects.batches import VARIANTS
from mintgate_facade.dialects.gemini.batch import files_of
from mintgate_facade.dialects.gemini.batch_end import Batch
from mintgate_facade.dialects.gemini.batch_file import BatchFile
from mintgate_facade.dialects.jobs import Done, Failed, Further, Pending

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
        ({"batch": {"inputConfig": {"file_name": "https://a.invalid/x"}}}, "name of a file"),
        (
            {"batch": {"inputConfig": {"fileName": "files/a", "requests": {"requests": [{}]}}}},
            "not both",
        ),
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


FILED = {"batch": {"inputConfig": {"fileName": "files/abc"}}}


def note_of(*lines: Any, cut: int = 7) -> str:
    """What is kept with a file that arrives in pieces."""
    content = b"\n".join(line if isinstance(line, bytes) else orjson.dumps(line) for line in lines)
    file = BatchFile()
    for start in range(0, len(content), cut):
        file.feed(content[start : start + cut])
    return file.note()


def filed(read: Read, note: str, model: str = MODEL, operation: str = "batch") -> Ask:
    """A batch whose requests are in a file with that note."""
    ask = read("gemini", operation, FILED, path_model=model)
    assert ask.uses == (ObjectName("file", "abc"),)
    assert ask.noted is not None
    return ask.noted([note])


def test_a_file_is_held_for_as_its_requests_are(read: Read) -> None:
    """The note on it says the same as the batch itself would, in no more than its room."""
    items = [generation(), {"key": "b", **generation(model=f"models/{MODEL}")}]
    ask = filed(read, note_of(*items, b"", b"  "))
    inline = read("gemini", "batch", batch(*items), path_model=MODEL)
    assert ask.bound == inline.bound
    assert ask.later == inline.later
    assert (ask.creates, ask.noted) == ("batch", None)
    assert len(note_of(*([generation()] * 50))) <= 512


def test_a_file_of_embeddings(read: Read) -> None:
    """Which kind a file is stands in its requests."""
    note = note_of({"request": {"content": HELLO[0]}})
    assert filed(read, note, "gemini-embedding-001", "batch_embed").bound.input_tokens
    with pytest.raises(RefusedRequest, match="are embeddings"):
        filed(read, note)


@pytest.mark.parametrize("lines", [(), (b"What was said.",), (b"\x00\xff",), ({"a": 1},)])
def test_another_file_has_no_note(read: Read, lines: tuple[Any, ...]) -> None:
    """Most files are no batches, and one that is named all the same is refused."""
    assert note_of(*lines) == ""
    with pytest.raises(RefusedRequest, match="not known here"):
        filed(read, note_of(*lines))


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((generation(), b"{"), "Line 2"),
        ((generation(), generation(contents=[{"parts": [FILE]}])), "Line 2: .*Send it inline"),
        ((generation(), {"request": {"content": HELLO[0]}}), "Line 2: .*not both"),
        (
            (generation(model="models/a"), generation(model="models/b")),
            "Line 2: .*must name one model",
        ),
        ((generation(), orjson.dumps(generation()) + b"\r{}"), "Line 2 has a line separator"),
        ((generation(model="models/other"),), "are for other"),
    ],
)
def test_a_file_without_a_bound_makes_no_batch(
    read: Read, lines: tuple[Any, ...], why: str
) -> None:
    """It is stored as any other file, and the batch is told which line is at fault."""
    with pytest.raises(RefusedRequest, match=why):
        filed(read, note_of(*lines))


def test_models_that_make_more_than_text_have_no_files(read: Read) -> None:
    """When a file is read, the model is not known that may draw or speak unasked."""
    with pytest.raises(RefusedRequest, match="more than text"):
        filed(read, note_of(generation()), "gemini-2.5-flash-image")


def test_answers_may_be_in_a_file() -> None:
    """It is read to its end, and it is the key's."""
    metadata = {"state": "BATCH_STATE_SUCCEEDED", "output": {"responsesFile": "files/batch-a"}}
    document = {"name": "batches/abc", "metadata": metadata}
    assert files_of(document) == (ObjectName("file", "batch-a"),)
    assert files_of({"name": "batches/abc"}) == ()
    further = Batch().read(GENERATIONS, orjson.dumps(document))
    assert isinstance(further, Further)
    assert further.poll.path == "/v1beta/files/batch-a:download?alt=media"
    file = b"\n".join(
        orjson.dumps(each)
        for each in (
            answered(promptTokenCount=5),
            ERROR,
            answered(candidatesTokenCount=2, promptTokenCount=1),
        )
    )
    for start in range(0, len(file), 5):
        further.into.feed(file[start : start + 5])
    outcome = further.into.outcome()
    assert isinstance(outcome, Done)
    assert outcome.reading.units == {UNIT_INPUT_TOKENS: 6, UNIT_OUTPUT_TOKENS: 2}
