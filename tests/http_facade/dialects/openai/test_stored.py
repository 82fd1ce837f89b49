"""What stores something at OpenAI names only what its key may use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mintgate_facade.dialects.base import RefusedRequest
from mintgate_facade.dialects.openai import stored

FILE = {"type": "input_file", "file_id": "file-1"}
PICTURE = {"type": "input_image", "file_id": "file-2"}


def items(*values: Any) -> dict[str, Any]:
    return {"items": list(values)}


def test_files_in_items_are_named() -> None:
    """A stored file in an item must be the key's, as one in an input must."""
    document = items(
        {"role": "user", "content": [FILE, {"type": "input_text", "text": "What is it?"}]},
        {"type": "function_call_output", "call_id": "c", "output": [PICTURE]},
        {"role": "user", "content": "Hello"},
    )
    names = stored.conversation_files(document)
    assert names == [("file", "file-1"), ("file", "file-2")]


@pytest.mark.parametrize("document", [{}, {"items": None}, {"items": []}, {"metadata": {"a": "b"}}])
def test_no_items_name_nothing(document: dict[str, Any]) -> None:
    """A conversation may begin empty."""
    assert stored.conversation_files(document) == []


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"items": "Hello"}, "items"),
        (items("Hello"), "items[0]"),
        (items({"type": "item_reference", "id": "msg_1"}), "items[0]"),
        (items({"type": "image_generation_call", "id": "ig_1"}), "items[0].type"),
        (
            items({"role": "user", "content": [{"type": "input_image", "image_url": "ms://a"}]}),
            "items[0].content[0].image_url",
        ),
        (
            items({"type": "additional_tools", "tools": [{"type": "web_search"}]}),
            "items[0].tools[0]",
        ),
        (
            items({"type": "additional_tools", "tools": [{"type": "mcp"}]}),
            "items[0].tools[0].type",
        ),
    ],
)
def test_items_that_are_refused(document: dict[str, Any], param: str) -> None:
    """What no input may hold no conversation may hold, from which it would become input."""
    with pytest.raises(RefusedRequest) as caught:
        stored.conversation_files(document)
    assert caught.value.failure.status == 400
    assert caught.value.failure.param == param


def test_an_upload_is_no_batch() -> None:
    """What comes in parts is not read as it is stored, so it may not be a batch's file."""
    assert stored.upload_begun({"purpose": "user_data", "bytes": 5}) == []
    with pytest.raises(RefusedRequest, match="POST /v1/files") as caught:
        stored.upload_begun({"purpose": "batch", "bytes": 5})
    assert caught.value.failure.param == "purpose"


def test_parts_are_named() -> None:
    """The parts that a file is made of must be the key's."""
    names = stored.upload_parts({"part_ids": ["part_1", "part_2"]})
    assert names == [("upload_part", "part_1"), ("upload_part", "part_2")]
    assert stored.upload_parts({}) == []


@pytest.mark.parametrize(
    ("read", "document"),
    [
        (stored.upload_begun, {"purpose": 5}),
        (stored.upload_parts, {"part_ids": "part_1"}),
        (stored.upload_parts, {"part_ids": ["part_1", 5]}),
        (stored.upload_parts, {"part_ids": [""]}),
    ],
)
def test_fields_of_a_wrong_type(
    read: Callable[[dict[str, Any]], object], document: dict[str, Any]
) -> None:
    """A misread field is refused before anything is stored."""
    with pytest.raises(RefusedRequest):
        read(document)
