"""Files that come in parts, with the unmodified OpenAI SDK: their key's alone, from the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest

from tests.buyer import Buyer
from tests.harness import Installation
from tests.upstream import Upstream

CONTENT = b"Only whole is it of use."
UPLOAD_MAX_BYTES = 100 << 20
"""The default of MINTGATE_UPLOAD_MAX_MB."""
OpenAIOf = Callable[[Buyer], openai.OpenAI]


@pytest.fixture
def sdk_of() -> Iterator[OpenAIOf]:
    with ExitStack() as stack:
        yield lambda buyer: stack.enter_context(
            openai.OpenAI(base_url=f"{buyer.gateway.url}/v1", api_key=buyer.secret, max_retries=0)
        )


@pytest.fixture
def other(gateway: Installation) -> Buyer:
    """Another user of the same gateway."""
    return Buyer.mint(gateway)


def begin(sdk: openai.OpenAI, **changed: Any) -> Any:
    """Begin an upload of `CONTENT`."""
    asked: dict[str, Any] = {
        "bytes": len(CONTENT),
        "filename": "notes.txt",
        "mime_type": "text/plain",
        "purpose": "user_data",
    }
    return sdk.uploads.create(**asked | changed)


def test_a_file_in_parts(buyer: Buyer, sdk_of: OpenAIOf) -> None:
    """The SDK's own loop makes a file that is the key's as any other."""
    sdk = sdk_of(buyer)
    made = sdk.uploads.upload_file_chunked(
        file=CONTENT,
        filename="notes.txt",
        bytes=len(CONTENT),
        mime_type="text/plain",
        purpose="user_data",
        part_size=10,
    )
    assert made.status == "completed"
    assert made.file is not None
    assert sdk.files.content(made.file.id).content == CONTENT
    assert [file.id for file in sdk.files.list()] == [made.file.id]
    assert sdk.uploads.cancel(begin(sdk).id).status == "cancelled"
    buyer.untouched()


def test_of_others(buyer: Buyer, other: Buyer, upstream: Upstream, sdk_of: OpenAIOf) -> None:
    """No upload, part or file of one key is there for another key."""
    sdk, strange = sdk_of(buyer), sdk_of(other)
    upload, theirs = begin(sdk), begin(strange)
    part = sdk.uploads.parts.create(upload.id, data=CONTENT)
    strange.uploads.parts.create(theirs.id, data=CONTENT)
    seen = len(upstream.requests())
    attempts: list[Callable[[], object]] = [
        lambda: strange.uploads.parts.create(upload.id, data=CONTENT),
        lambda: strange.uploads.complete(upload.id, part_ids=[]),
        lambda: strange.uploads.complete(theirs.id, part_ids=[part.id]),
        lambda: strange.uploads.cancel(upload.id),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError):
            attempt()
    assert len(upstream.requests()) == seen
    made = sdk.uploads.complete(upload.id, part_ids=[part.id])
    assert made.file is not None
    with pytest.raises(openai.NotFoundError):
        strange.files.content(made.file.id)
    assert list(strange.files.list()) == []


def test_it_is_no_way_around_a_batch(buyer: Buyer, upstream: Upstream, sdk_of: OpenAIOf) -> None:
    """A batch's file comes whole, because its requests are read before they can run."""
    sdk = sdk_of(buyer)
    with pytest.raises(openai.BadRequestError, match="POST /v1/files") as caught:
        begin(sdk, purpose="batch")
    assert caught.value.param == "purpose"
    assert upstream.requests() == []
    upload = begin(sdk)
    part = sdk.uploads.parts.create(upload.id, data=CONTENT)
    made = sdk.uploads.complete(upload.id, part_ids=[part.id])
    assert made.file is not None
    with pytest.raises(openai.BadRequestError, match="purpose 'batch'"):
        sdk.batches.create(
            input_file_id=made.file.id, endpoint="/v1/responses", completion_window="24h"
        )
    buyer.untouched()


@pytest.mark.parametrize(
    ("size_bytes", "status"), [(UPLOAD_MAX_BYTES + 1, 413), ("5", 400), (0, 400), (None, 400)]
)
def test_its_size_is_bounded(
    buyer: Buyer, upstream: Upstream, sdk_of: OpenAIOf, size_bytes: Any, status: int
) -> None:
    """In parts no file may be larger than whole, and it must say how large it will be."""
    with pytest.raises(openai.APIStatusError) as caught:
        begin(sdk_of(buyer), bytes=size_bytes)
    assert caught.value.status_code == status
    assert upstream.requests() == []
