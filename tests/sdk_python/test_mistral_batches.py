"""Mistral's files and batch jobs with its own SDK: bounded, charged by their results, owned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import orjson
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import MistralError

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

MODEL = "mistral-small-2603"
POLLED_WITHIN_S = 60
REQUESTS = 3
USED = {"input": 5, "output": 7}
DONE = Charge(
    "mistral",
    MODEL,
    nano_usd(MODEL, times="0.5", input=REQUESTS * 5, output=REQUESTS * 7),
    REQUESTS * 5,
    REQUESTS * 7,
)
ONE_PAGE = 2_000_000
"""Nano-USD of a page of `mistral-ocr-2512`."""


@pytest.fixture
def sdk_of() -> Iterator[Callable[[Buyer], Mistral]]:
    with ExitStack() as stack:
        yield lambda buyer: stack.enter_context(
            Mistral(api_key=buyer.secret, server_url=f"{buyer.gateway.url}/mistral")
        )


@pytest.fixture
def other(gateway: Installation) -> Buyer:
    """Another user of the same gateway."""
    return Buyer.mint(gateway)


def chat(**fields: Any) -> dict[str, Any]:
    return {"max_tokens": 16, "messages": [{"role": "user", "content": "Hello"}], **fields}


def stored(sdk: Mistral, *bodies: dict[str, Any]) -> str:
    """A file of requests."""
    lines = [
        orjson.dumps({"custom_id": str(index), "body": body})
        for index, body in enumerate(bodies or [chat()] * REQUESTS)
    ]
    file: Any = {"file_name": "requests.jsonl", "content": b"\n".join(lines)}
    return sdk.files.upload(file=file, purpose="batch").id


def begin(sdk: Mistral, controls: dict[str, Any] | None = None, **asked: Any) -> Any:
    arguments: dict[str, Any] = {"endpoint": "/v1/chat/completions", "model": MODEL, **asked}
    headers = simulate(**USED, **(controls or {}))
    return sdk.batch.jobs.create(**arguments, http_headers=headers)


def refused(status: int, *attempts: Callable[[], object]) -> None:
    for attempt in attempts:
        with pytest.raises(MistralError) as caught:
            attempt()
        assert caught.value.status_code == status


def test_files(
    buyer: Buyer, other: Buyer, sdk_of: Callable[[Buyer], Mistral], upstream: Upstream
) -> None:
    """A key stores, reads, lists and deletes its files; to another key there are none."""
    sdk, strange = sdk_of(buyer), sdk_of(other)
    file: Any = {"file_name": "a.pdf", "content": b"%PDF-1.4 ..."}
    made = [sdk.files.upload(file=file, purpose="ocr").id for _ in range(3)]
    assert sdk.files.retrieve(file_id=made[0]).filename == "a.pdf"
    assert sdk.files.download(file_id=made[0]).read() == file["content"]
    first = sdk.files.list(page=0, page_size=2)
    assert ([each.id for each in first.data], first.total) == ([made[2], made[1]], 3)
    assert [each.id for each in sdk.files.list(page=1, page_size=2).data] == [made[0]]
    assert strange.files.list().data == []
    seen = len(upstream.requests())
    refused(
        404,
        lambda: strange.files.retrieve(file_id=made[0]),
        lambda: strange.files.download(file_id=made[0]),
        lambda: strange.files.delete(file_id=made[0]),
    )
    refused(403, lambda: sdk.files.get_signed_url(file_id=made[0]))
    assert len(upstream.requests()) == seen
    sdk.files.delete(file_id=made[0])
    refused(404, lambda: sdk.files.retrieve(file_id=made[0]))
    buyer.untouched()


def test_a_stored_document_is_read(
    buyer: Buyer, other: Buyer, sdk_of: Callable[[Buyer], Mistral]
) -> None:
    """A file of the key's own is read by its id, and held for as one of a thousand pages."""
    sdk, strange = sdk_of(buyer), sdk_of(other)
    file: Any = {"file_name": "a.pdf", "content": b"%PDF-1.4 ..."}
    document: Any = {"type": "file", "file_id": sdk.files.upload(file=file, purpose="ocr").id}
    refused(404, lambda: strange.ocr.process(model="mistral-ocr-2512", document=document))
    other.untouched()
    sdk.ocr.process(model="mistral-ocr-2512", document=document, http_headers=simulate(output=3))
    (event,) = buyer.events()
    assert event.charged_nano_usd == 3 * ONE_PAGE
    assert event.held_nano_usd == 1_000 * ONE_PAGE


@pytest.mark.parametrize("inline", [False, True], ids=["file", "inline"])
@pytest.mark.parametrize("named_by", ["job", "requests"])
def test_a_job_is_held_and_charged_by_its_results(
    buyer: Buyer, sdk_of: Callable[[Buyer], Mistral], named_by: str, *, inline: bool
) -> None:
    """The sum of its requests stays held until it has ended; its results are the charge."""
    sdk = sdk_of(buyer)
    body = chat() if named_by == "job" else chat(model=MODEL)
    asked: dict[str, Any] = {"model": MODEL if named_by == "job" else None}
    if inline:
        asked["requests"] = [{"custom_id": str(n), "body": body} for n in range(REQUESTS)]
    else:
        asked["input_files"] = [stored(sdk, *[body] * REQUESTS)]
    begun = begin(sdk, {"polls": 2}, **asked)
    assert begun.status == "QUEUED"
    held = buyer.key().held_nano_usd
    assert held > nano_usd(MODEL, times="0.5", output=REQUESTS * 16)
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    (event,) = buyer.charged(DONE)
    assert event.provider_request_id == begun.id
    assert held >= event.charged_nano_usd


def test_a_job_and_its_results_are_the_keys_own(
    buyer: Buyer, other: Buyer, sdk_of: Callable[[Buyer], Mistral]
) -> None:
    """Its owner reads, lists and cancels it, and reads its results; others find nothing."""
    sdk, strange = sdk_of(buyer), sdk_of(other)
    file = stored(sdk)
    begun = begin(sdk, input_files=[file])
    listed = sdk.batch.jobs.list()
    assert ([each.id for each in listed.data or []], listed.total) == ([begun.id], 1)
    output = str(sdk.batch.jobs.get(job_id=begun.id).output_file)
    lines = sdk.files.download(file_id=output).read().splitlines()
    assert {orjson.loads(line)["custom_id"] for line in lines} == {"0", "1", "2"}
    refused(
        404,
        lambda: strange.batch.jobs.get(job_id=begun.id),
        lambda: strange.batch.jobs.cancel(job_id=begun.id),
        lambda: strange.batch.jobs.delete(job_id=begun.id),
        lambda: strange.files.download(file_id=output),
        lambda: begin(strange, input_files=[file]),
    )
    assert strange.batch.jobs.list().data == []
    other.untouched()
    refused(403, lambda: sdk.batch.jobs.delete(job_id=begun.id))
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    buyer.charged(DONE)


def test_what_did_not_run_is_free(buyer: Buyer, sdk_of: Callable[[Buyer], Mistral]) -> None:
    """Of a cancelled job only the requests that were answered are charged: here none."""
    sdk = sdk_of(buyer)
    begun = begin(sdk, {"polls": 1_000}, input_files=[stored(sdk)])
    assert buyer.key().held_nano_usd > 0
    sdk.batch.jobs.cancel(job_id=begun.id)
    eventually(lambda: not buyer.key().held_nano_usd, POLLED_WITHIN_S, "the end of the hold")
    assert buyer.key().spent_nano_usd == 0


def test_what_a_job_may_not_be(
    buyer: Buyer, sdk_of: Callable[[Buyer], Mistral], upstream: Upstream
) -> None:
    """What cannot be bounded is refused when it is stored or begun, and nothing is held."""
    sdk = sdk_of(buyer)
    file = stored(sdk)
    seen = len(upstream.requests())
    refused(
        400,
        lambda: stored(sdk, {"document": {"type": "document_url"}}),
        lambda: stored(sdk, chat(model=MODEL), chat(model="codestral-2508")),
        lambda: begin(sdk, input_files=[file], endpoint="/v1/embeddings"),
        lambda: begin(sdk, input_files=[file], endpoint="/v1/ocr"),
        lambda: begin(sdk, input_files=[file], model=None),
        lambda: begin(sdk, input_files=[file], agent_id="agent"),
        lambda: begin(sdk, input_files=[file], timeout_hours=48),
        lambda: begin(sdk, input_files=[file, file]),
    )
    assert len(upstream.requests()) == seen
    buyer.untouched()


def test_a_job_beyond_the_cap(gateway: Installation, sdk_of: Callable[[Buyer], Mistral]) -> None:
    """A job whose sum does not fit is a 402, and is not begun."""
    poor = Buyer.mint(gateway, "0.00001")
    sdk = sdk_of(poor)
    file = stored(sdk)
    refused(402, lambda: begin(sdk, input_files=[file]))
    poor.untouched()
