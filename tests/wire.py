"""HTTP at the level of bytes: what a test sends is sent, and what arrives is shown as it is."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

ANSWER_WAIT_S = 30.0
READ_BYTES = 65_536
CHUNKED_END = b"0\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """A complete answer; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body parsed."""
        return json.loads(self.body)


def send(
    url: str,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | Mapping[str, Any] | None = None,
) -> Answer:
    """Send one request. A mapping becomes JSON; text and bytes go as they are."""
    sent = dict(headers or {})
    if isinstance(body, Mapping):
        body = json.dumps(body)
        sent.setdefault("content-type", "application/json")
    if isinstance(body, str):
        body = body.encode()
    connection = http.client.HTTPConnection(_host(url), timeout=ANSWER_WAIT_S)
    try:
        connection.request(method, path, body=body, headers=sent)
        response = connection.getresponse()
        return Answer(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(),
        )
    finally:
        connection.close()


class RawConnection:
    """One TCP connection on which a test writes and reads bytes itself."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        address = (parts.hostname or "", parts.port or 80)
        self._socket = socket.create_connection(address, timeout=ANSWER_WAIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> None:
        """Send one request with its length."""
        sent = {"host": "gateway", "content-length": str(len(body)), **headers}
        lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in sent.items()), "", ""]
        self.write("\r\n".join(lines).encode("latin-1") + body)

    def stop_writing(self) -> None:
        """Tell the other side that nothing more will come, and go on reading."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def has_more(self) -> bool:
        """Whether something, or the end, can be read at once."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def read_until(self, mark: bytes) -> bytes:
        """Read up to and with the first piece that completes `mark`."""
        seen = b""
        while mark not in seen:
            piece = self._socket.recv(READ_BYTES)
            if not piece:
                raise AssertionError(f"the connection ended before {mark!r}: {seen[-500:]!r}")
            seen += piece
        return seen

    def read_to_end(self) -> bytes:
        """Everything until the other side closes, in order or by a reset."""
        seen = b""
        try:
            while piece := self._socket.recv(READ_BYTES):
                seen += piece
        except ConnectionResetError:
            pass
        return seen

    def leave(self) -> None:
        """Close at once; may be called twice."""
        self._socket.close()


def _host(url: str) -> str:
    return urlsplit(url).netloc
