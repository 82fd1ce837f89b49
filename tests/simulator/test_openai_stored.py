"""What OpenAI's twin keeps, through the OpenAI SDK: conversations, and files that come in parts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import openai
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.conftest import Simulator

HELLO: Any = {"type": "message", "role": "user", "content": "Hello"}


def test_items_are_paged(openai_client: openai.OpenAI) -> None:
    """Newest first unless it is asked otherwise, over as many pages as there are."""
    items = openai_client.conversations.items
    made = openai_client.conversations.create(items=[HELLO] * 5)
    ids = [item.id for item in items.list(made.id, order="asc", limit=2)]
    assert len(set(ids)) == 5
    assert [item.id for item in items.list(made.id)] == ids[::-1]


def test_a_conversation_grows_once(openai_client: openai.OpenAI) -> None:
    """By what was asked and answered; a background answer when it is found to have ended."""
    made = openai_client.conversations.create()
    openai_client.responses.create(model="gpt-5", input="a", conversation=made.id)
    begun = openai_client.responses.create(
        model="gpt-5",
        input="b",
        conversation=made.id,
        background=True,
        extra_headers={"x-simulate": "polls=1"},
    )

    def count() -> int:
        return len(list(openai_client.conversations.items.list(made.id)))

    assert count() == 2
    openai_client.responses.retrieve(begun.id)
    assert count() == 2
    for _ in range(2):
        assert openai_client.responses.retrieve(begun.id).status == "completed"
        assert count() == 4


def test_unknown_conversations(openai_client: openai.OpenAI) -> None:
    """They are a 404, and none goes with a previous response."""
    made = openai_client.conversations.create()
    attempts: list[Callable[[], object]] = [
        lambda: openai_client.conversations.retrieve("conv_0"),
        lambda: openai_client.conversations.items.retrieve("msg_0", conversation_id=made.id),
        lambda: openai_client.responses.create(model="gpt-5", input="a", conversation="conv_0"),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError):
            attempt()
    with pytest.raises(openai.BadRequestError):
        openai_client.responses.create(
            model="gpt-5", input="a", conversation=made.id, previous_response_id="resp_0"
        )
    with pytest.raises(openai.BadRequestError):
        openai_client.conversations.create(items=[HELLO] * 21)


def test_an_upload_is_put_together_as_named(openai_client: openai.OpenAI) -> None:
    """Parts in the order of the call, of the length and checksum that were announced."""
    uploads = openai_client.uploads
    asked: dict[str, Any] = {"filename": "a", "mime_type": "text/plain", "purpose": "user_data"}
    upload = uploads.create(bytes=4, **asked)
    last, first = (uploads.parts.create(upload.id, data=data).id for data in (b"cd", b"ab"))
    refused: list[dict[str, Any]] = [
        {"part_ids": [first]},
        {"part_ids": [first, "part_0"]},
        {"part_ids": [first, last], "md5": "0" * 32},
    ]
    for each in refused:
        with pytest.raises(openai.BadRequestError):
            uploads.complete(upload.id, **each)
    md5 = hashlib.md5(b"abcd", usedforsecurity=False).hexdigest()
    made = uploads.complete(upload.id, part_ids=[first, last], md5=md5)
    assert made.file is not None
    assert openai_client.files.content(made.file.id).content == b"abcd"
    with pytest.raises(openai.BadRequestError):
        uploads.cancel(upload.id)
    with pytest.raises(openai.NotFoundError):
        uploads.cancel("upload_0")


@pytest.mark.parametrize("path", ["/v1/uploads/upload_1/x", "/v1/conversations"])
def test_no_such_route(sim: Simulator, path: str) -> None:
    """There is no list of all conversations, and nothing else below an upload."""
    url = f"{sim.url}/openai{path}"
    assert sim.http.get(url, headers={"authorization": "Bearer sk-any-key"}).status_code == 404
