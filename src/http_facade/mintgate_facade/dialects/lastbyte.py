"""Keeps the last byte of a body back: until the charge is durable, the answer has no end."""

from __future__ import annotations


class LastByte:
    """The byte that came last, of a body that passes."""

    def __init__(self) -> None:
        self._last = b""

    def keep(self, chunk: bytes) -> bytes:
        """Take bytes; return all but the last one so far."""
        if not chunk:
            return b""
        passed = self._last + chunk[:-1]
        self._last = chunk[-1:]
        return passed

    def release(self) -> bytes:
        """Give the last byte up."""
        last, self._last = self._last, b""
        return last
