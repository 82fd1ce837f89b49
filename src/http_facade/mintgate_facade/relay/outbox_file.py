"""The file under the outbox: frames that survive a torn write and a flipped bit.

A frame is the mark `MGO1`, the payload's length and CRC-32 (both unsigned 32-bit
little-endian), and the payload. Reading skips what does not check and goes on
at the next mark, so that damage costs the damaged frames alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_MARK = b"MGO1"
_HEADER = struct.Struct("<4sII")
REFUSED_NAME = "refused.log"
PAYLOAD_BYTES_MAX = 1 << 20
"""A longer length in a frame can only be damage."""
_CLOSED = -1
"""In place of a descriptor: there is none any more."""


def frame(payload: bytes) -> bytes:
    """Wrap a payload for the file."""
    return _HEADER.pack(_MARK, len(payload), zlib.crc32(payload)) + payload


def frames(data: bytes) -> Iterator[bytes]:
    """Yield the payloads of the frames that check, in order."""
    position = data.find(_MARK)
    while position >= 0:
        payload = _payload_at(data, position)
        if payload is None:
            position = data.find(_MARK, position + 1)
        else:
            yield payload
            position = data.find(_MARK, position + _HEADER.size + len(payload))


def _payload_at(data: bytes, position: int) -> bytes | None:
    start = position + _HEADER.size
    if start > len(data):
        return None
    _, length, checksum = _HEADER.unpack_from(data, position)
    payload = data[start : start + length]
    if length > PAYLOAD_BYTES_MAX or len(payload) < length or zlib.crc32(payload) != checksum:
        return None
    return payload


class OutboxFile:
    """One append-only file, locked by the process that works on it.

    All methods block on the disk and raise `OSError`: call them in a thread.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.size_bytes = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, path: Path) -> OutboxFile:
        """Make a new file and lock it; its directory entry is durable, too."""
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sync_directory(path.parent)
        return cls(path, descriptor)

    @classmethod
    def adopt(cls, path: Path) -> OutboxFile | None:
        """Lock the file of a process that is gone; None when it is in use or was removed."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = path.stat().st_ino == os.fstat(descriptor).st_ino
        except (BlockingIOError, FileNotFoundError):
            same = False
        if not same:
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    def append(self, payloads: Iterable[bytes], *, sync: bool = True) -> None:
        """Add frames; with `sync`, wait until they are on the disk.

        What a failed write left of them is cut off again, so that a full disk
        does not fill up with halves.
        """
        data = b"".join(frame(payload) for payload in payloads)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            if sync:
                os.fdatasync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size_bytes)
            raise
        self.size_bytes += len(data)

    def payloads(self) -> list[bytes]:
        """Everything readable in the file, in order."""
        return list(frames(os.pread(self._descriptor, self.size_bytes, 0)))

    def truncate(self) -> None:
        """Forget everything: all of it was delivered."""
        os.ftruncate(self._descriptor, 0)
        self.size_bytes = 0

    def close(self) -> None:
        """Let go of the file and its lock; a second time there is nothing to let go of.

        A worker that stops may close a file whose removal is under way already. By the second
        call the number of its descriptor may be that of a file or a connection of others.
        """
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor != _CLOSED:
            os.close(descriptor)

    def remove(self) -> None:
        """Delete the file, then let go of it."""
        self.path.unlink(missing_ok=True)
        self.close()


def set_aside(directory: Path, payload: bytes) -> None:
    """Keep for a person what the ledger will never take; raises `OSError`."""
    path = directory / REFUSED_NAME
    file = OutboxFile.adopt(path) if path.exists() else OutboxFile.create(path)
    if file is None:
        raise BlockingIOError(f"{REFUSED_NAME} is in use")
    try:
        file.append([payload])
    finally:
        file.close()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
