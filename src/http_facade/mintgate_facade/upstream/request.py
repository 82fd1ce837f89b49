"""A request as bytes of HTTP/1.1, and where it goes."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import IO, NamedTuple
from urllib.parse import urlsplit

WHOLE_BODY_BYTES_MAX = 256 << 10
"""A body up to this size is written together with its head; a longer one piece by piece."""

ORIGINS_MAX = 1_024
"""Providers that are remembered; an installation has about fifteen."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
"""What no target of a request holds: it would end the line, or begin another."""
_LINE_ENDS = re.compile(r"[\r\n\x00]")


class Origin(NamedTuple):
    """Where connections lead."""

    host: str
    port: int
    tls: bool
    authority: str
    """As the `Host` header has it."""


class Request(NamedTuple):
    """What is written."""

    method: str
    head: bytes
    """With the whole body behind it, where that is short."""
    body: IO[bytes] | None = None
    """What is left to write."""
    body_bytes: int = 0
    """How much that is."""


def split_url(url: str) -> tuple[Origin, str]:
    """The origin of a URL and the target below it. Raises `ValueError` for what is no URL."""
    end = url.find("/", url.find("://") + 3)
    base, target = (url, "/") if end < 0 else (url[:end], url[end:])
    return _origin(base), target


def render(
    method: str, origin: Origin, target: str, headers: Mapping[str, str], body: bytes | IO[bytes]
) -> Request:
    """Write a request down; a file is sent from where it stands to its end.

    Raises `ValueError` for a target or a header that would be read as something else.
    """
    if _UNSAFE.search(target):
        raise ValueError("the path holds a character that must be percent-encoded")
    lines = [f"{method} {target} HTTP/1.1\r\nhost: {origin.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if len(_LINE_ENDS.findall("".join(lines))) != 2:  # noqa: PLR2004 - the one of the first line
        raise ValueError("a header holds the end of a line")
    size_bytes = len(body) if isinstance(body, bytes) else _left_bytes(body)
    if size_bytes or method not in {"GET", "HEAD", "DELETE"}:
        lines.append(f"content-length: {size_bytes}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    if not isinstance(body, bytes):
        return Request(method, head, body, size_bytes)
    if size_bytes <= WHOLE_BODY_BYTES_MAX:
        return Request(method, head + body)
    return Request(method, head, io.BytesIO(body), size_bytes)


@lru_cache(ORIGINS_MAX)
def _origin(base: str) -> Origin:
    parts = urlsplit(base)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("the address of a provider must begin with http:// or https://")
    authority = parts.netloc.rpartition("@")[2]
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return Origin(parts.hostname, port, parts.scheme == "https", authority)


def _left_bytes(file: IO[bytes]) -> int:
    if isinstance(file, io.BytesIO):
        return file.getbuffer().nbytes - file.tell()
    return os.fstat(file.fileno()).st_size - file.tell()
