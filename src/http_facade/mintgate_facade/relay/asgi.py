"""ASGI's types, and the gateway's own way to send and to break off an answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]


class AnswerAborted(Exception):
    """Raised out of the ASGI app after an answer has begun, to break it off.

    The server then closes the connection without the chunked terminator, which
    is the only way for a client to tell a cut answer from a complete one.
    """


class AbortFilter(logging.Filter):
    """Keeps the server from logging a traceback for an answer that was broken off on purpose.

    That is, by this gateway (`AnswerAborted`) or because the server itself stops.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop records about answers that were broken off."""
        failure = record.exc_info[1] if record.exc_info else None
        return not isinstance(failure, AnswerAborted | asyncio.CancelledError)


def closing(send: Send) -> Send:
    """Make answers say that their connection closes after them."""

    async def send_closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"connection", b"close")]
            message = {**message, "headers": headers}
        await send(message)

    return send_closing


async def send_start(send: Send, status: int, headers: Headers) -> None:
    """Send status and headers."""
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def send_body(send: Send, body: bytes, *, more: bool) -> None:
    """Send a piece of the body; the last one has `more` false."""
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a complete answer with its length."""
    await send_start(send, status, [*headers, (b"content-length", b"%d" % len(body))])
    await send_body(send, body, more=False)
