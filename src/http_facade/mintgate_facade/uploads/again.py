"""Reads an upload again: the body that was received, or the file of a form in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest
from mintgate_facade.uploads.form import FormReader

if TYPE_CHECKING:
    from mintgate_facade.uploads.spool import Spool

PIECE_BYTES = 64 << 10
"""Read at once; other requests of the worker run between two pieces."""


async def pieces_of(body: Spool) -> AsyncIterator[bytes]:
    """All of its bytes."""
    source = await body.reader()
    while piece := await asyncio.to_thread(source.read, PIECE_BYTES):
        yield piece


async def file_of(body: Spool, content_type: str) -> AsyncIterator[bytes]:
    """The bytes of the one file of a form. Raises `RefusedRequest` where there are more."""
    form = FormReader.of(content_type)
    async for piece in pieces_of(body):
        for file_index, data in form.feed(piece):
            if file_index:
                raise RefusedRequest(
                    Failure(FailureKind.BAD_REQUEST, "Send one file in a form.", param="file")
                )
            yield data
