"""Reads an answer of the provider's that describes an object: short, and one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest
from mintgate_facade.upstream import BROKEN

if TYPE_CHECKING:
    from mintgate_facade.upstream import Answer

OBJECT_BYTES_MAX = 1 << 20
"""Of one object's description."""

UNREADABLE = Failure(FailureKind.UPSTREAM_FAILED, "The provider's answer could not be read.")


async def whole_answer(response: Answer, bytes_max: int = OBJECT_BYTES_MAX) -> bytes:
    """Read a short answer whole. Raises `RefusedRequest` (502)."""
    try:
        pieces, size = [], 0
        while piece := await response.read():
            size += len(piece)
            if size > bytes_max:
                raise RefusedRequest(UNREADABLE)
            pieces.append(piece)
    except BROKEN:
        raise RefusedRequest(UNREADABLE) from None
    return b"".join(pieces)


def parsed_answer(body: bytes) -> dict[str, Any]:
    """Parse an answer that is one JSON object. Raises `RefusedRequest` (502)."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise RefusedRequest(UNREADABLE)
    return document
