"""Identifiers and randomness: the one place of the client that is not repeatable.

Every operation carries an identifier that its caller made, so that it can be
repeated until it is answered. They are UUIDv7 (RFC 9562, section 5.7): a
millisecond of wall-clock time, then randomness, so that rows written together
lie together in an index.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
import uuid
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ID_BYTES: Final = 16

_TAIL_BITS: Final = 74  # The random bits of a UUIDv7: 12 in rand_a, 62 in rand_b.
_STEP_BITS: Final = 32
_NS_PER_MS: Final = 1_000_000


class IdSource:
    """Makes UUIDv7 that strictly increase within a process, from any thread.

    Two identifiers of one millisecond differ by a random step, not by one: a
    process forked in that millisecond would otherwise count on from the same
    value. A clock that is set back is ignored until it has caught up.
    """

    def __init__(
        self,
        clock_ns: Callable[[], int] = time.time_ns,
        random_bits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        self._clock_ns = clock_ns
        self._random_bits = random_bits
        self._lock = threading.Lock()
        self._time_ms = 0
        self._tail = 0

    def new_id(self) -> bytes:
        """Return 16 bytes, greater than all that this source returned before."""
        now_ms = self._clock_ns() // _NS_PER_MS
        with self._lock:
            if now_ms > self._time_ms:
                self._time_ms = now_ms
                # The top bit stays free, so that a millisecond has room to count up.
                self._tail = self._random_bits(_TAIL_BITS - 1)
            else:
                self._tail += 1 + self._random_bits(_STEP_BITS)
            if self._tail >> _TAIL_BITS:
                self._time_ms += 1
                self._tail = self._random_bits(_TAIL_BITS - 1)
            return _assemble(self._time_ms, self._tail)


def _assemble(time_ms: int, tail: int) -> bytes:
    """Lay out 48 bits of time, version 7, 12 bits, variant 10, 62 bits."""
    rand_a = tail >> 62
    rand_b = tail & ((1 << 62) - 1)
    number = time_ms << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b
    return number.to_bytes(ID_BYTES, "big")


_SOURCE = IdSource()


def new_id() -> bytes:
    """Return a new UUIDv7 as 16 bytes, ordered by time."""
    return _SOURCE.new_id()


def id_text(identifier: bytes) -> str:
    """Return an identifier in the usual text form, for example in a log."""
    return str(uuid.UUID(bytes=identifier))


def request_name(identifier: bytes) -> str:
    """Return what a request is known by whose hold has this identifier.

    Facades name the requests that they serve so, and core knows their holds by it.
    """
    return f"req_{identifier.hex()}"


def fraction() -> float:
    """Return a random number, 0 <= x < 1, for spreading retries; not for secrets."""
    return random.random()  # noqa: S311  # Jitter has nothing to hide.
