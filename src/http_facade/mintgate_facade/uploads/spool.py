"""Keeps an upload while its bound is worked out: in memory at first, then in an unnamed file.

The file has no name, so that nothing is left behind whatever becomes of the
process. Bytes go to the disk in pieces of a megabyte and on another thread,
because a slow disk must not stall the other requests of the worker.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

MEMORY_BYTES_MAX = 1 << 20
"""What stays in memory of one file; also the size of a write."""


class Spool:
    """A growing body. Not thread-safe: one request owns it."""

    def __init__(self, directory: Path) -> None:
        self.size_bytes = 0
        self._directory = directory
        self._buffer = bytearray()
        self._file: IO[bytes] | None = None

    async def write(self, data: bytes) -> None:
        """Append. Raises `OSError` when the disk is full or away."""
        self._buffer += data
        self.size_bytes += len(data)
        if len(self._buffer) >= MEMORY_BYTES_MAX:
            await asyncio.to_thread(self._flush)

    async def on_disk(self) -> IO[bytes]:
        """All of it, in a file at its beginning. Raises `OSError`."""
        await asyncio.to_thread(self._flush)
        if self._file is None:
            raise LookupError("the spool was closed")
        self._file.seek(0)
        return self._file

    async def reader(self) -> IO[bytes]:
        """All of it, to be read from its beginning; in memory if it is short."""
        if self._file is None:
            return io.BytesIO(self._buffer)
        return await self.on_disk()

    def close(self) -> None:
        """Forget everything."""
        self._buffer = bytearray()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _flush(self) -> None:
        if self._file is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - `close` does
        self._file.write(self._buffer)
        self._file.flush()
        self._buffer = bytearray()
