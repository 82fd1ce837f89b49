"""Bodies of requests that store something at OpenAI: what they name, and what may not be stored.

Conversations: openai/types/conversations. Uploads in parts: openai/types/upload_create_params.py.
"""

from __future__ import annotations

from mintgate_facade.dialects.base import ObjectName
from mintgate_facade.dialects.checks import Fields, array, refused, text
from mintgate_facade.dialects.openai import batch
from mintgate_facade.dialects.openai.content import Content
from mintgate_facade.dialects.openai.items import read_items
from mintgate_facade.dialects.openai.tools import HostedTools

CONVERSATION = "conversation"
UPLOAD = "upload"
UPLOAD_PART = "upload_part"
UPLOAD_KEPT_MS = 2 * 3_600_000
"""An upload ends an hour after it was begun; the other one is for clocks that differ."""

_NO_BATCHES = (
    "The file of a batch is read as it is stored, so that the batch can be held for, and one that "
    "comes in parts is not. Send it whole, by POST /v1/files."
)


def conversation_files(document: Fields) -> list[ObjectName]:
    """The stored files in a conversation's items, which are read as those of an input are.

    Of which model they will be is not known, nor needed: whoever reads a conversation holds
    the whole context window.
    """
    content = Content("")
    read_items(document, "items", content, HostedTools())
    return content.files


def upload_begun(document: Fields) -> list[ObjectName]:
    """Refuse an upload that would become the file of a batch; it names nothing else."""
    if text(document, "purpose") == batch.PURPOSE:
        raise refused(_NO_BATCHES, "purpose", "unsupported_value")
    return []


def upload_parts(document: Fields) -> list[ObjectName]:
    """The parts that a file is put together from."""
    parts = array(document, "part_ids") or ()
    for index, part in enumerate(parts):
        if not isinstance(part, str) or not part:
            raise refused("'part_ids' must hold ids of parts.", f"part_ids[{index}]")
    return [ObjectName(UPLOAD_PART, part) for part in parts]
