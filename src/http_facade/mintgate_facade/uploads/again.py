"""Reads the file of a form again, out of the body that was received."""

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


async def file_of(body: Spool, content_type: str) -> AsyncIterator[bytes]:
    """The bytes of the one file of a form. Raises `RefusedRequest` where there are more."""
    form = FormReader.of(content_type)
    source = await body.reader()
    while piece := await asyncio.to_thread(source.read, PIECE_BYTES):
        for file_index, data in form.feed(piece):
            if file_index:
                raise RefusedRequest(
                    Failure(FailureKind.BAD_REQUEST, "Send one file in a form.", param="file")
                )
            yield data
