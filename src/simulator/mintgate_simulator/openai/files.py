"""How files are described in OpenAI's shape, there and at vendors that speak it."""

from __future__ import annotations

from mintgate_simulator.answer import Whole
from mintgate_simulator.stored import FileShape, openai_file

from . import wire

_BINARY = b"application/octet-stream"

OPENAI_FILES = FileShape(
    prefix="file-",
    describe=openai_file,
    deleted=lambda file_id: {"id": file_id, "object": "file", "deleted": True},
    whole=wire.whole,
    binary=lambda request, content: Whole(200, wire.headers(request, _BINARY), content),
    cursor="after",
)
