"""Reads an answer of the provider's that describes an object: short, and one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest
from mintgate_facade.relay.upstream import BROKEN

if TYPE_CHECKING:
    import aiohttp

OBJECT_BYTES_MAX = 1 << 20
"""Of one object's description."""

UNREADABLE = Failure(FailureKind.UPSTREAM_FAILED, "The provider's answer could not be read.")


async def whole_answer(response: aiohttp.ClientResponse) -> bytes:
    """Read a short answer whole. Raises `RefusedRequest` (502)."""
    try:
        body = await response.content.read(OBJECT_BYTES_MAX)
        if not response.content.at_eof():
            raise RefusedRequest(UNREADABLE)
    except BROKEN:
        raise RefusedRequest(UNREADABLE) from None
    return body


def parsed_answer(body: bytes) -> dict[str, Any]:
    """Parse an answer that is one JSON object. Raises `RefusedRequest` (502)."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise RefusedRequest(UNREADABLE)
    return document
