"""How much of request bodies one worker has in memory, all requests together.

A request keeps its body until its answer has ended. One body is bounded, and so is the number
of connections, but all of them with the longest body would be hundreds of gigabytes: whoever
has a key could end the worker. So bodies that are longer than what is taken from anybody
share a room.
"""

from __future__ import annotations

from collections import Counter

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest

SHARE_OF_A_KEY = 4
"""One key may have this part of the room, so that it leaves some to others."""

_NO_ROOM = Failure(
    FailureKind.LEDGER_AWAY,
    "The gateway has no room for such a long request body at the moment. Try again shortly.",
    code="no_room",
)


class LongBodies:
    """The long bodies of one worker."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._of_request: dict[bytes, tuple[bytes, int]] = {}
        self._of_key: Counter[bytes] = Counter()

    @property
    def kept_bytes(self) -> int:
        """Of all requests under way."""
        return self._bytes

    def keep(self, request: bytes, key: bytes, size_bytes: int) -> None:
        """Make room for a body that has so many bytes by now. Raises `RefusedRequest` (503)."""
        more = size_bytes - self._of_request.get(request, (key, 0))[1]
        of_key = self._of_key[key] + more
        if self._bytes + more > self._bytes_max or of_key > self._bytes_max // SHARE_OF_A_KEY:
            raise RefusedRequest(_NO_ROOM)
        self._bytes += more
        self._of_key[key] = of_key
        self._of_request[request] = key, size_bytes

    def forget(self, request: bytes) -> None:
        """Give back what a request has, if it has any."""
        kept = self._of_request.pop(request, None)
        if kept is None:
            return
        key, size_bytes = kept
        self._bytes -= size_bytes
        self._of_key[key] -= size_bytes
        if not self._of_key[key]:
            del self._of_key[key]
