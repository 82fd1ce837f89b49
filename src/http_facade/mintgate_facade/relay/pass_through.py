"""Relays an answer that nothing is charged for: a free route's, or an error's."""

from __future__ import annotations

import contextlib
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import Failure, FailureKind, RefusedRequest
from mintgate_facade.relay.asgi import AnswerAborted, send_body
from mintgate_facade.relay.client_watch import InterruptedRequestError, while_listened
from mintgate_facade.upstream import BROKEN

if TYPE_CHECKING:
    from mintgate_facade.relay.exchange import Exchange
    from mintgate_facade.upstream import Answer

_OPERATOR_STATUSES = frozenset({401, 402})
"""Statuses that concern the operator's account at the provider. A client that saw
them would throw its own good key away, or top up a wallet that is not empty."""


_NO_STATUS = 600
"""From here on there are none in HTTP, and a server cannot say them."""
_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
"""Answers that end with their head, whatever length they state."""

ERROR_BYTES_MAX = 16_384
"""Of an error's body that is read before it is passed on; real ones have a few hundred."""


def is_success(status: int) -> bool:
    """Whether the provider did the work."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def is_client_matter(status: int) -> bool:
    """Whether an error of the provider's is for the client to see; redirects never are."""
    return HTTPStatus.BAD_REQUEST <= status < _NO_STATUS and status not in _OPERATOR_STATUSES


def operator_failure(status: int) -> Failure:
    """The gateway's own answer to a status that is not the client's business."""
    return Failure(
        FailureKind.UPSTREAM_FAILED,
        f"The provider answered the gateway with status {status}. "
        "This is for the gateway's operator to put right; your key is not at fault.",
    )


async def pass_through(exchange: Exchange, response: Answer) -> None:
    """Relay status, headers and body unchanged, as they arrive; the caller closes the answer.

    Raises `AnswerAborted` when the provider breaks the body off or the client leaves, and
    `RefusedRequest` for a redirect and for an error that is about the operator's account.
    """
    if not _passes(exchange, response.status):
        raise RefusedRequest(operator_failure(response.status))
    seen = await _looked_at(exchange, response)
    headers = exchange.relayed(response.raw_headers)
    if response.content_length is not None and response.status not in _WITHOUT_BODY:
        headers.append((b"content-length", b"%d" % response.content_length))
    await exchange.send_start(response.status, headers)
    if seen:
        await send_body(exchange.send, seen, more=True)
    try:
        with while_listened(exchange.scope, exchange.receive):
            while chunk := await response.read():
                await send_body(exchange.send, chunk, more=True)
    except (InterruptedRequestError, *BROKEN) as failure:
        raise AnswerAborted from failure
    exchange.upstream_ended_ns = time.monotonic_ns()
    await send_body(exchange.send, b"", more=False)


def _passes(exchange: Exchange, status: int) -> bool:
    # Browsers ask by themselves whether what they have is still good.
    good_still = status == HTTPStatus.NOT_MODIFIED and exchange.scope["method"] == "GET"
    return good_still or is_success(status) or is_client_matter(status)


async def _looked_at(exchange: Exchange, response: Answer) -> bytes:
    """Read the beginning of an error that may be about the operator's account."""
    concerns = exchange.target.provider.operator_errors
    if concerns is None or response.status < HTTPStatus.BAD_REQUEST:
        return b""
    seen = b""
    with contextlib.suppress(*BROKEN):  # Reading on will say so again.
        while len(seen) < ERROR_BYTES_MAX and (chunk := await response.read()):
            seen += chunk
    if concerns.search(seen):
        raise RefusedRequest(operator_failure(response.status))
    return seen
