"""What one key stores at a provider is its own: with the unmodified SDKs, for two keys."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors

from tests.buyer import Buyer
from tests.harness import Installation
from tests.upstream import Upstream

MODEL = "gpt-5"
NOTES = ("notes.txt", b"What was said.", "text/plain")


@pytest.fixture
def sdks() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def openai_of(sdks: ExitStack) -> Callable[[Buyer], openai.OpenAI]:
    return lambda buyer: sdks.enter_context(
        openai.OpenAI(base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret, max_retries=0)
    )


@pytest.fixture
def anthropic_of(sdks: ExitStack) -> Callable[[Buyer], anthropic.Anthropic]:
    return lambda buyer: sdks.enter_context(
        anthropic.Anthropic(base_url=buyer.gateway.url, api_key=buyer.secret, max_retries=0)
    )


def gemini_of(buyer: Buyer) -> genai.Client:
    options: Any = {"base_url": f"{buyer.gateway.url}/gemini", "api_version": "v1beta"}
    return genai.Client(api_key=buyer.secret, http_options=options)


@pytest.fixture
def other(gateway: Installation) -> Buyer:
    """Another user of the same gateway."""
    return Buyer.mint(gateway)


def test_openai_files(buyer: Buyer, openai_of: Callable[[Buyer], openai.OpenAI]) -> None:
    """A key stores, lists, reads, uses and deletes its files."""
    sdk = openai_of(buyer)
    made = [sdk.files.create(file=NOTES, purpose="user_data") for _ in range(3)]
    assert sdk.files.retrieve(made[0].id) == made[0]
    assert sdk.files.content(made[0].id).content == NOTES[1]
    assert list(sdk.files.list(limit=2)) == made[::-1]
    assert list(sdk.files.list(order="asc")) == made
    assert list(sdk.files.list(purpose="batch")) == []
    part: Any = {"type": "input_file", "file_id": made[0].id}
    asked: Any = [{"role": "user", "content": [part]}]
    sdk.responses.create(model=MODEL, input=asked, max_output_tokens=64)
    assert sdk.files.delete(made[0].id).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.files.retrieve(made[0].id)
    assert list(sdk.files.list()) == made[:0:-1]
    assert len(buyer.events()) == 1


def test_openai_files_of_others(
    buyer: Buyer, other: Buyer, upstream: Upstream, openai_of: Callable[[Buyer], openai.OpenAI]
) -> None:
    """No id, list, content or use of one key's file is there for another key."""
    made = openai_of(buyer).files.create(file=NOTES, purpose="user_data")
    sdk = openai_of(other)
    seen = len(upstream.requests())
    assert list(sdk.files.list()) == []
    part: Any = {"type": "input_file", "file_id": made.id}
    file: Any = {"type": "file", "file": {"file_id": made.id}}
    asked: Any = [{"role": "user", "content": [part]}]
    attempts: list[Callable[[], object]] = [
        lambda: sdk.files.retrieve(made.id),
        lambda: sdk.files.content(made.id),
        lambda: sdk.files.delete(made.id),
        lambda: sdk.responses.create(model=MODEL, input=asked, max_output_tokens=64),
        lambda: sdk.responses.input_tokens.count(model=MODEL, input=asked),
        lambda: sdk.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": [file]}], max_tokens=16
        ),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError):
            attempt()
    other.untouched()
    assert len(upstream.requests()) == seen


@pytest.mark.parametrize("stream", [False, True])
def test_openai_responses(
    buyer: Buyer, other: Buyer, openai_of: Callable[[Buyer], openai.OpenAI], *, stream: bool
) -> None:
    """A stored response goes on, is read and is deleted by its key, and is a 404 to others."""
    sdk, strange = openai_of(buyer), openai_of(other)
    first: Any = sdk.responses.create(
        model=MODEL, input="Hello", max_output_tokens=64, stream=stream
    )
    if stream:
        *_, last = first
        first = last.response
    second = sdk.responses.create(
        model=MODEL, input="Go on", previous_response_id=first.id, max_output_tokens=64
    )
    assert second.previous_response_id == first.id
    assert sdk.responses.retrieve(first.id).id == first.id
    assert list(sdk.responses.input_items.list(first.id))
    attempts: list[Callable[[], object]] = [
        lambda: strange.responses.retrieve(first.id),
        lambda: strange.responses.input_items.list(first.id),
        lambda: strange.responses.cancel(first.id),
        lambda: strange.responses.delete(first.id),
        lambda: strange.responses.create(
            model=MODEL, input="Tell me", previous_response_id=first.id, max_output_tokens=64
        ),
        lambda: strange.responses.compact(model=MODEL, previous_response_id=first.id),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError):
            attempt()
    other.untouched()
    sdk.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(first.id)


def test_a_response_that_is_not_kept(
    buyer: Buyer, openai_of: Callable[[Buyer], openai.OpenAI]
) -> None:
    """With `store: false` nothing is recorded, and there is nothing to read."""
    sdk = openai_of(buyer)
    made = sdk.responses.create(model=MODEL, input="Hello", store=False, max_output_tokens=64)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(made.id)


def test_anthropic_files(
    buyer: Buyer,
    other: Buyer,
    upstream: Upstream,
    anthropic_of: Callable[[Buyer], anthropic.Anthropic],
) -> None:
    """The same with Anthropic's files, which messages and token counts may read."""
    sdk, strange = anthropic_of(buyer), anthropic_of(other)
    made = [sdk.beta.files.upload(file=NOTES) for _ in range(2)]
    assert [each.id for each in sdk.beta.files.list(limit=1)] == [made[1].id, made[0].id]
    assert sdk.beta.files.retrieve_metadata(made[0].id).filename == NOTES[0]
    assert sdk.beta.files.download(made[0].id).read() == NOTES[1]
    source: Any = {"type": "file", "file_id": made[0].id}
    asked: Any = [{"role": "user", "content": [{"type": "document", "source": source}]}]
    sdk.beta.messages.create(model="claude-haiku-4-5", max_tokens=16, messages=asked)
    seen = len(upstream.requests())
    assert list(strange.beta.files.list()) == []
    attempts: list[Callable[[], object]] = [
        lambda: strange.beta.files.retrieve_metadata(made[0].id),
        lambda: strange.beta.files.download(made[0].id),
        lambda: strange.beta.files.delete(made[0].id),
        lambda: strange.beta.messages.create(
            model="claude-haiku-4-5", max_tokens=16, messages=asked
        ),
        lambda: strange.beta.messages.count_tokens(model="claude-haiku-4-5", messages=asked),
    ]
    for attempt in attempts:
        with pytest.raises(anthropic.NotFoundError):
            attempt()
    other.untouched()
    assert len(upstream.requests()) == seen
    sdk.beta.files.delete(made[0].id)
    assert [each.id for each in sdk.beta.files.list()] == [made[1].id]


@pytest.mark.parametrize("size", [20, 3 << 20, 9 << 20], ids=["short", "on disk", "in two pieces"])
def test_gemini_files(buyer: Buyer, other: Buyer, upstream: Upstream, size: int) -> None:
    """A file goes through the gateway to its last byte, and is its key's alone."""
    sdk, strange = gemini_of(buyer), gemini_of(other)
    content = bytes(range(256)) * (size // 256 + 1)
    made = [
        sdk.files.upload(file=io.BytesIO(content[:size]), config={"mime_type": "text/plain"})
        for _ in range(2)
    ]
    named = [file.name or "" for file in made]
    assert made[0].size_bytes == size
    assert sdk.files.get(name=named[0]).uri == made[0].uri
    assert [file.name for file in sdk.files.list(config={"page_size": 1})] == named[::-1]
    asked: Any = [made[0], "What does it say?"]
    sdk.models.generate_content(model="gemini-2.5-flash", contents=asked)
    sdk.models.count_tokens(model="gemini-2.5-flash", contents=asked)
    seen = len(upstream.requests())
    assert list(strange.files.list()) == []
    attempts: list[Callable[[], object]] = [
        lambda: strange.files.get(name=named[0]),
        lambda: strange.files.delete(name=named[0]),
        lambda: strange.models.generate_content(model="gemini-2.5-flash", contents=asked),
        lambda: strange.models.count_tokens(model="gemini-2.5-flash", contents=asked),
    ]
    for attempt in attempts:
        with pytest.raises(genai_errors.ClientError) as caught:
            attempt()
        assert caught.value.code == 404
    other.untouched()
    assert len(upstream.requests()) == seen
    sdk.files.delete(name=named[0])
    assert [file.name for file in sdk.files.list()] == [named[1]]


def test_a_gemini_upload_is_sealed(buyer: Buyer, upstream: Upstream) -> None:
    """The address of an upload serves nobody who changed it, and no key that was revoked."""
    url = f"{buyer.gateway.url}/upload/v1beta/files"
    start = {
        "x-goog-api-key": buyer.secret,
        "x-goog-upload-protocol": "resumable",
        "x-goog-upload-command": "start",
        "x-goog-upload-header-content-length": "5",
    }
    finish = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
    with httpx.Client(timeout=30) as client:
        begun = client.post(url, headers=start, json={"file": {}})
        address = begun.headers["x-goog-upload-url"]
        assert address.startswith(url)
        seen = len(upstream.requests())
        forged = address.replace("upload_id=", "upload_id=0", 1)
        assert client.post(forged, headers=finish, content=b"12345").status_code == 401
        with buyer.gateway.client() as core:
            core.keys.revoke(buyer.key_id)
        assert client.post(address, headers=finish, content=b"12345").status_code == 401
    assert len(upstream.requests()) == seen


def test_a_list_of_nobody(gateway: Installation) -> None:
    """Who has no key has no list."""
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="qlk_live_" + "0" * 64) as sdk,
        pytest.raises(openai.AuthenticationError),
    ):
        sdk.files.list()
