"""Relays an answer that nothing is charged for: a free route's, or an error's."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import Failure, FailureKind
from mintgate_facade.relay.asgi import AnswerAborted, send_body
from mintgate_facade.relay.upstream import BROKEN

if TYPE_CHECKING:
    import aiohttp

    from mintgate_facade.relay.exchange import Exchange

_OPERATOR_STATUSES = frozenset({401, 402})
"""Statuses that concern the operator's account at the provider. A client that saw
them would throw its own good key away, or top up a wallet that is not empty."""


def is_success(status: int) -> bool:
    """Whether the provider did the work."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def is_client_matter(status: int) -> bool:
    """Whether an error of the provider's is for the client to see; redirects never are."""
    return status >= HTTPStatus.BAD_REQUEST and status not in _OPERATOR_STATUSES


def operator_failure(status: int) -> Failure:
    """The gateway's own answer to a status that is not the client's business."""
    return Failure(
        FailureKind.UPSTREAM_FAILED,
        f"The provider answered the gateway with status {status}. "
        "This is for the gateway's operator to put right; your key is not at fault.",
    )


async def pass_through(exchange: Exchange, response: aiohttp.ClientResponse) -> None:
    """Relay status, headers and body unchanged, as they arrive.

    Raises `AnswerAborted` when the provider breaks the body off.
    """
    headers = exchange.relayed(response.raw_headers)
    if response.content_length is not None:
        headers.append((b"content-length", b"%d" % response.content_length))
    await exchange.send_start(response.status, headers)
    try:
        while chunk := await response.content.readany():
            await send_body(exchange.send, chunk, more=True)
    except BROKEN as failure:
        raise AnswerAborted from failure
    exchange.upstream_ended_ns = time.monotonic_ns()
    await send_body(exchange.send, b"", more=False)
