"""Batches with the unmodified Google Gen AI SDK: bounded, charged at their end, owned."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.sdk_python.prices import nano_usd
from tests.upstream import Upstream, simulate

MODEL, EMBEDDING = "gemini-2.5-flash", "gemini-embedding-001"
REQUESTS = 3
POLLED_WITHIN_S = 60
DONE = Charge(
    "gemini",
    MODEL,
    nano_usd(MODEL, times="0.5", input=REQUESTS * 5, output=REQUESTS * 7),
    REQUESTS * 5,
    REQUESTS * 7,
)


@pytest.fixture
def sdk_of() -> Iterator[Callable[..., genai.Client]]:
    with ExitStack() as stack:

        def make(buyer: Buyer, **controls: int) -> genai.Client:
            options = types.HttpOptions(
                base_url=f"{buyer.gateway.url}/gemini",
                headers=simulate(input=5, output=7, **controls),
            )
            return stack.enter_context(genai.Client(api_key=buyer.secret, http_options=options))

        yield make


def begin(sdk: genai.Client, model: str = MODEL, **config: Any) -> types.BatchJob:
    """Begin a batch of generations."""
    config = {"max_output_tokens": 16, **config}
    requests = [
        types.InlinedRequest(
            contents="Hello",
            metadata={"key": str(index)},
            config=types.GenerateContentConfig(**config),
        )
        for index in range(REQUESTS)
    ]
    return sdk.batches.create(model=model, src=requests, config={"display_name": "greetings"})


def test_a_batch_is_held_and_charged_by_its_answers(
    buyer: Buyer, sdk_of: Callable[..., genai.Client]
) -> None:
    """Its sum stays held until it has ended; then the usage of its answers is the charge."""
    begun = begin(sdk_of(buyer, polls=2))
    assert begun.state == types.JobState.JOB_STATE_RUNNING
    assert buyer.key().held_nano_usd > DONE.cost_nano_usd
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    (event,) = buyer.charged(DONE)
    assert begun.name == f"batches/{event.provider_request_id}"


def test_embeddings_cost_their_tokens(buyer: Buyer, sdk_of: Callable[..., genai.Client]) -> None:
    """At half their price, as the answers state them."""
    source = types.EmbeddingsBatchJobSource(
        inlined_requests=types.EmbedContentBatch(contents=["Hello", "Goodbye"])
    )
    with warnings.catch_warnings():
        # The SDK calls it experimental.
        warnings.simplefilter("ignore")
        begun = sdk_of(buyer).batches.create_embeddings(model=EMBEDDING, src=source)
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    cost = nano_usd(EMBEDDING, times="0.5", input=10)
    buyer.charged(Charge("gemini", EMBEDDING, cost, 10, 0))
    read = sdk_of(buyer).batches.get(name=begun.name or "")
    assert read.dest is not None
    assert len(read.dest.inlined_embed_content_responses or ()) == 2


def test_it_is_the_keys_own(
    gateway: Installation,
    buyer: Buyer,
    upstream: Upstream,
    sdk_of: Callable[..., genai.Client],
) -> None:
    """Its owner reads and lists it; others cannot, nor cancel or delete it."""
    sdk, other = sdk_of(buyer), Buyer.mint(gateway)
    begun = begin(sdk)
    name = begun.name or ""
    read = sdk.batches.get(name=name)
    assert read.dest is not None
    answers = read.dest.inlined_responses or []
    assert [each.metadata for each in answers] == [{"key": str(n)} for n in range(REQUESTS)]
    assert {each.response.usage_metadata.candidates_token_count for each in answers} == {7}  # type: ignore[union-attr]
    (listed,) = sdk.batches.list()
    # A list does not repeat the answers.
    assert (listed.name, listed.state, listed.dest) == (name, read.state, None)
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    seen, strange = upstream.count, sdk_of(other)
    assert list(strange.batches.list()) == []
    attempts: list[Callable[[], object]] = [
        lambda: strange.batches.get(name=name),
        lambda: strange.batches.cancel(name=name),
        lambda: strange.batches.delete(name=name),
    ]
    for attempt in attempts:
        with pytest.raises(errors.ClientError) as caught:
            attempt()
        assert caught.value.code == 404
    assert upstream.count == seen
    other.untouched()
    with pytest.raises(errors.ClientError, match="49 hours"):
        sdk.batches.delete(name=name)
    buyer.charged(DONE)


def stored(sdk: genai.Client, *lines: Any) -> str:
    """The name of a file of requests."""
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    file = sdk.files.upload(file=io.BytesIO(content), config={"mime_type": "jsonl"})
    return file.name or ""


def test_a_batch_of_a_file(
    gateway: Installation, buyer: Buyer, sdk_of: Callable[..., genai.Client]
) -> None:
    """It is held for by the file, charged by the file of its answers, and both are the key's."""
    sdk, other = sdk_of(buyer), Buyer.mint(gateway)
    request = {
        "contents": [{"parts": [{"text": "Hello"}]}],
        "generation_config": {"max_output_tokens": 16},
    }
    name = stored(sdk, *({"key": str(n), "request": request} for n in range(REQUESTS)))
    strange = sdk_of(other)
    with pytest.raises(errors.ClientError) as caught:
        strange.batches.create(model=MODEL, src=name)
    assert caught.value.code == 404
    begun = sdk.batches.create(model=MODEL, src=name)
    (listed,) = sdk.batches.list()
    read = sdk.batches.get(name=begun.name or "")
    assert listed.dest == read.dest
    assert read.dest is not None
    assert read.dest.file_name is not None
    lines = sdk.files.download(file=read.dest.file_name).splitlines()
    assert [json.loads(line)["key"] for line in lines] == [str(n) for n in range(REQUESTS)]
    with pytest.raises(errors.ClientError) as caught:
        strange.files.download(file=read.dest.file_name)
    assert caught.value.code == 404
    other.untouched()
    eventually(buyer.events, POLLED_WITHIN_S, "the charge")
    buyer.charged(DONE)


def test_a_file_that_nothing_bounds(
    buyer: Buyer, upstream: Upstream, sdk_of: Callable[..., genai.Client]
) -> None:
    """It is stored, but no batch is made of it."""
    sdk = sdk_of(buyer)
    good = {"request": {"contents": [{"parts": [{"text": "Hello"}]}]}}
    stored_elsewhere = {"fileData": {"fileUri": "https://media.invalid/a"}}
    name = stored(sdk, good, {"request": {"contents": [{"parts": [stored_elsewhere]}]}})
    seen = upstream.count
    with pytest.raises(errors.ClientError, match="Line 2"):
        sdk.batches.create(model=MODEL, src=name)
    assert upstream.count == seen
    buyer.untouched()


def test_what_did_not_run_is_free(buyer: Buyer, sdk_of: Callable[..., genai.Client]) -> None:
    """A batch that was cancelled before anything was made costs nothing."""
    sdk = sdk_of(buyer, polls=1_000)
    begun = begin(sdk)
    assert buyer.key().held_nano_usd > 0
    sdk.batches.cancel(name=begun.name or "")
    eventually(lambda: not buyer.key().held_nano_usd, POLLED_WITHIN_S, "the end of the hold")
    buyer.untouched()


def test_what_may_not_be_made(
    gateway: Installation, upstream: Upstream, sdk_of: Callable[..., genai.Client]
) -> None:
    """A batch that does not fit, or that nothing bounds, never reaches the provider."""
    poor = Buyer.mint(gateway, cap_usd="0.00001")
    sdk = sdk_of(poor)
    refused: list[tuple[Callable[[], object], int]] = [
        (lambda: begin(sdk), 402),
        (lambda: begin(sdk, service_tier="flex"), 400),
        (lambda: sdk.batches.create(model=MODEL, src="files/abc"), 404),
    ]
    for attempt, status in refused:
        with pytest.raises(errors.ClientError) as caught:
            attempt()
        assert caught.value.code == status
    assert upstream.count == 0
    poor.untouched()
