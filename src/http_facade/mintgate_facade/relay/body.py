"""Reads a request's body, within bounds of size and time."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mintgate_facade.relay.asgi import Receive

REQUEST_BODY_BYTES_MAX = 32 << 20
ANYBODYS_BYTES_MAX = 64 << 10
"""Of a body that is taken from whoever shows something that looks like a key."""

_UTF_8 = re.compile(r'charset[ \t]*=[ \t]*(utf-?8|"utf-?8"|us-ascii)[ \t]*(?=;|$)')


class ClientGoneError(Exception):
    """The client left before its request was complete; nobody waits for an answer."""


async def read_body(
    receive: Receive,
    headers: Mapping[str, str],
    content_length: int,
    wait_s: float,
    known: Callable[[], Awaitable[object]],
    keep: Callable[[int], None],
) -> bytes:
    """Read the whole body, in `wait_s` at most, however it trickles.

    `content_length` is what the client declared, or -1. `known` raises `RefusedRequest`
    where the client is nobody's; a long body is not taken before, and `keep` is told of
    each of its sizes, which it may refuse. Raises `RefusedRequest` (413, 415, 400, 503) and
    `ClientGoneError`.
    """
    require_identity(headers)
    if content_length > REQUEST_BODY_BYTES_MAX:
        raise _too_large()
    try:
        async with asyncio.timeout(wait_s):
            return await _read(receive, known, keep)
    except TimeoutError:
        raise RefusedRequest(
            Failure(FailureKind.BAD_REQUEST, "The request body did not arrive in time.")
        ) from None


def require_identity(headers: Mapping[str, str]) -> None:
    """Refuse a body in a content coding (415): its length would say nothing."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusedRequest(
            Failure(
                FailureKind.UNSUPPORTED_MEDIA,
                "The request body has a content-encoding. Send it without one.",
            )
        )


def is_json(headers: Mapping[str, str]) -> bool:
    """Whether a body says that it is JSON, or says nothing."""
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def require_json(headers: Mapping[str, str]) -> None:
    """Refuse a body that says it is something else than JSON in UTF-8 (415)."""
    if not is_json(headers):
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        raise RefusedRequest(
            Failure(
                FailureKind.UNSUPPORTED_MEDIA,
                f"This route takes application/json, not {kind[:100]}.",
            )
        )
    _, _, parameters = headers.get("content-type", "").lower().partition(";")
    # In UTF-7 or HZ the same bytes are another document, which some servers would read.
    if "charset" in _UTF_8.sub("", parameters):
        raise RefusedRequest(
            Failure(
                FailureKind.UNSUPPORTED_MEDIA,
                "This route takes JSON in UTF-8. Leave the charset out of the content type.",
            )
        )


async def _read(
    receive: Receive, known: Callable[[], Awaitable[object]], keep: Callable[[int], None]
) -> bytes:
    body, more = await next_piece(receive)
    if not more and len(body) <= ANYBODYS_BYTES_MAX:
        return body
    parts = bytearray(body)
    asked = False
    while True:
        if len(parts) > REQUEST_BODY_BYTES_MAX:
            raise _too_large()
        if len(parts) > ANYBODYS_BYTES_MAX:
            if not asked:
                await known()
                asked = True
            keep(len(parts))
        if not more:
            return bytes(parts)
        part, more = await next_piece(receive)
        parts += part


async def next_piece(receive: Receive) -> tuple[bytes, bool]:
    """The next bytes of the body, and whether there may be more. Raises `ClientGoneError`."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message.get("body", b""), message.get("more_body", False)


def _too_large() -> RefusedRequest:
    mebibytes = REQUEST_BODY_BYTES_MAX >> 20
    return RefusedRequest(
        Failure(FailureKind.TOO_LARGE, f"The request body is larger than {mebibytes} MiB.")
    )
