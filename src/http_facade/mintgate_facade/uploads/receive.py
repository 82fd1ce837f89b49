"""Receives the body of an upload, so that its bound is known before anything is forwarded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mintgate_facade.dialects.base import (
    BodyKind,
    Failure,
    FailureKind,
    FilePart,
    RefusedRequest,
    Route,
)
from mintgate_facade.relay.body import next_piece, require_identity
from mintgate_facade.uploads.durations import Durations, UnreadableAudioError
from mintgate_facade.uploads.form import FormReader
from mintgate_facade.uploads.spool import Spool

if TYPE_CHECKING:
    from mintgate_facade.relay.asgi import Receive

UPLOADS_MAX = 64
"""Uploads that one worker holds at one time, so that its disk use is bounded, too."""
UPLOAD_WAIT_S = 600.0
"""How long a client may take for a whole upload."""
PIECE_WAIT_S = 30.0
"""How long it may pause within one."""

_NO_ROOM = Failure(
    FailureKind.LEDGER_AWAY,
    "The gateway has no room for an upload at the moment. Try again shortly.",
    code="no_room",
)


@dataclass(slots=True, eq=False)
class Upload:
    """A received body."""

    body: Spool
    document: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[FilePart, ...] = ()


class Uploads:
    """The uploads of one worker."""

    def __init__(self, directory: Path, bytes_max: int, durations: Durations) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._durations = durations
        self._open = 0

    def check_size(self, size_bytes: int) -> None:
        """Raise `RefusedRequest` (413) for more bytes than a file may have."""
        if size_bytes > self._bytes_max:
            raise self._too_large()

    @contextlib.asynccontextmanager
    async def received(
        self, receive: Receive, headers: Mapping[str, str], content_length: int, route: Route
    ) -> AsyncIterator[Upload]:
        """Receive, parse and measure a body; it is forgotten at the end of the block.

        `content_length` is what the client declared, or -1. Raises `RefusedRequest`
        (400, 413, 415, 503) and `ClientGoneError`.
        """
        require_identity(headers)
        self.check_size(content_length)
        if self._open >= UPLOADS_MAX:
            raise RefusedRequest(_NO_ROOM)
        self._open += 1
        try:
            with Spool(self._directory) as body:
                yield await self._receive(receive, headers, route, body)
        finally:
            self._open -= 1

    async def _receive(
        self, receive: Receive, headers: Mapping[str, str], route: Route, body: Spool
    ) -> Upload:
        try:
            async with asyncio.timeout(UPLOAD_WAIT_S):
                if route.body is BodyKind.FORM:
                    return await self._form(receive, headers, route, body)
                return await self._file(receive, headers, route, body)
        except TimeoutError:
            raise RefusedRequest(
                Failure(FailureKind.BAD_REQUEST, "The request body did not arrive in time.")
            ) from None
        except OSError:
            raise RefusedRequest(_NO_ROOM) from None

    async def _file(
        self, receive: Receive, headers: Mapping[str, str], route: Route, body: Spool
    ) -> Upload:
        async for piece in self._pieces(receive):
            await body.write(piece)
        part = FilePart("", body.size_bytes, headers.get("content-type", ""))
        if route.measured:
            part = await self._measured(part, body)
        return Upload(body, files=(part,))

    async def _form(
        self, receive: Receive, headers: Mapping[str, str], route: Route, body: Spool
    ) -> Upload:
        reader = FormReader.of(headers.get("content-type", ""), route.repeated)
        with contextlib.ExitStack() as spools:
            # A copy of the file to measure: where it stands in the body is nothing that the
            # parser tells, and a decoder wants it alone.
            copy = spools.enter_context(Spool(self._directory)) if route.measured else None
            async for piece in self._pieces(receive):
                await body.write(piece)
                for file_index, data in reader.feed(piece):
                    if copy is not None and file_index == 0:
                        await copy.write(data)
            reader.close()
            parts = [FilePart(f.name, f.size_bytes, f.content_type) for f in reader.files]
            if copy is not None and len(parts) == 1:
                parts = [await self._measured(parts[0], copy)]
            elif copy is not None:
                # No route takes more of them, and nobody may keep the decoders busy with others.
                parts = [replace(part, unreadable="is not alone in the form") for part in parts]
        return Upload(body, reader.fields, tuple(parts))

    async def _measured(self, part: FilePart, file: Spool) -> FilePart:
        try:
            length = await self._durations.of(await file.on_disk())
        except UnreadableAudioError as unreadable:
            return FilePart(
                part.name, part.size_bytes, part.content_type, unreadable=str(unreadable)
            )
        return FilePart(
            part.name,
            part.size_bytes,
            part.content_type,
            duration_ms=length.duration_ms,
            duration_max_ms=length.duration_ms + length.unread_ms,
            channels=length.channels,
        )

    async def _pieces(self, receive: Receive) -> AsyncIterator[bytes]:
        size, more = 0, True
        while more:
            async with asyncio.timeout(PIECE_WAIT_S):
                piece, more = await next_piece(receive)
            size += len(piece)
            self.check_size(size)
            if piece:
                yield piece

    def _too_large(self) -> RefusedRequest:
        mebibytes = self._bytes_max >> 20
        return RefusedRequest(
            Failure(FailureKind.TOO_LARGE, f"The request body is larger than {mebibytes} MiB.")
        )
