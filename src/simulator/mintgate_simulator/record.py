"""What was received and sent: a bounded ring that tests and the demonstration read back.

``GET /_sim/requests?since=N`` lists the records with a number above N, ``GET /_sim/answers/{n}``
gives the exact body bytes sent for request n, ``DELETE /_sim/requests`` forgets them all (numbers
go on). Hashes are computed when somebody asks, so that recording costs the hot path next to
nothing.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

RECORDS_MAX = 2_000
KEPT_BYTES_PER_BODY_MAX = 1_048_576
"""A longer body is kept as its hash and length only."""
KEPT_BYTES_TOTAL_MAX = 128 * 1_048_576
"""Bytes of all kept bodies together; past it the oldest bodies shrink to their hashes."""


class Body:
    """Bytes that arrive in pieces, kept up to a bound and hashed in any case."""

    __slots__ = ("_hasher", "_pieces", "length")

    def __init__(self) -> None:
        self.length = 0
        self._pieces: list[bytes] = []
        self._hasher: Any = None

    def add(self, piece: bytes) -> None:
        """Append the next piece."""
        self.length += len(piece)
        if self._hasher is not None:
            self._hasher.update(piece)
            return
        self._pieces.append(piece)
        if self.length > KEPT_BYTES_PER_BODY_MAX:
            self.shrink()

    def shrink(self) -> None:
        """Keep the hash, let the bytes go."""
        if self._hasher is None:
            self._hasher = hashlib.sha256(b"".join(self._pieces))
            self._pieces = []

    @property
    def kept_length(self) -> int:
        """Bytes held in memory."""
        return self.length if self._hasher is None else 0

    def bytes_if_kept(self) -> bytes | None:
        """The whole body, or ``None`` when only its hash is left."""
        return b"".join(self._pieces) if self._hasher is None else None

    def sha256(self) -> str:
        """Hash of every byte added so far, in hex."""
        hasher = self._hasher or hashlib.sha256(b"".join(self._pieces))
        return str(hasher.hexdigest())


@dataclass(slots=True)
class Record:
    """One request and its answer. ``completed``: every byte of the answer, its end too, was sent.

    ``client_left``: the client closed the connection before that.
    """

    number: int
    method: str
    path: str
    query: str
    headers: list[tuple[bytes, bytes]]
    received: Body = field(default_factory=Body)
    sent: Body = field(default_factory=Body)
    status: int | None = None
    completed: bool = False
    client_left: bool = False
    leaked_minted_key: bool = False

    def as_json(self) -> dict[str, object]:
        """The record as ``/_sim/requests`` shows it."""
        body = self.received.bytes_if_kept()
        return {
            "n": self.number,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": {
                name.decode("latin-1"): value.decode("latin-1") for name, value in self.headers
            },
            "body": None if body is None else body.decode(errors="replace"),
            "body_sha256": self.received.sha256(),
            "status": self.status,
            "response_sha256": self.sent.sha256(),
            "response_bytes": self.sent.length,
            "completed": self.completed,
            "client_left": self.client_left,
            "leaked_minted_key": self.leaked_minted_key,
        }


class Recorder:
    """The ring of the newest records, and the counters that outlive it."""

    def __init__(self) -> None:
        self.requests = 0
        self.minted_key_leaks = 0
        self._records: deque[Record] = deque(maxlen=RECORDS_MAX)
        # Records in ring order whose bodies are still kept; finished ones only, because an answer
        # under way still grows.
        self._kept: deque[Record] = deque()
        self._kept_bytes = 0

    def begin(
        self, method: str, path: str, query: str, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> Record:
        """A new record, with the next number."""
        self.requests += 1
        record = Record(self.requests, method, path, query, headers)
        record.received.add(body)
        self._records.append(record)
        return record

    def finish(self, record: Record) -> None:
        """Account for the bytes of a record that will not grow any more."""
        self._kept.append(record)
        self._kept_bytes += record.received.kept_length + record.sent.kept_length
        while len(self._kept) > RECORDS_MAX or self._kept_bytes > KEPT_BYTES_TOTAL_MAX:
            oldest = self._kept.popleft()
            self._kept_bytes -= oldest.received.kept_length + oldest.sent.kept_length
            # A record that left the ring can no longer be asked for: its hash would cost time for
            # nobody.
            if self._records and oldest.number >= self._records[0].number:
                oldest.received.shrink()
                oldest.sent.shrink()

    def since(self, number: int) -> list[Record]:
        """The records with a greater number, oldest first."""
        return [record for record in self._records if record.number > number]

    def find(self, number: int) -> Record | None:
        """The record of that number, if the ring still holds it."""
        return next((record for record in self._records if record.number == number), None)

    def clear(self) -> None:
        """Forget every record; numbers and counters go on."""
        self._records.clear()
        self._kept.clear()
        self._kept_bytes = 0
