"""Relays one metered 2xx answer. Its end reaches the client only after the charge is durable.

A short JSON answer is read whole, charged, and sent in one go with its cost in
a header. Every other answer passes as it arrives; only what the meter keeps
back (the closing event, the last byte) waits for the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import zlib
from typing import TYPE_CHECKING

from mintgate.v1 import ledger_pb2

from mintgate_facade.dialects.base import BrokenAnswer, Failure, FailureKind, RefusedRequest
from mintgate_facade.dialects.lastbyte import LastByte
from mintgate_facade.relay.asgi import AnswerAborted, send_body
from mintgate_facade.relay.charges import NotDurableError
from mintgate_facade.relay.client_watch import InterruptedRequestError
from mintgate_facade.relay.decode import Decoder, can_decode
from mintgate_facade.relay.pass_through import is_client_matter, operator_failure
from mintgate_facade.upstream import BROKEN

if TYPE_CHECKING:
    from mintgate_facade.dialects.base import Meter
    from mintgate_facade.relay.exchange import Exchange
    from mintgate_facade.relay.held import Held
    from mintgate_facade.upstream import Answer

_log = logging.getLogger("mintgate.relay")

WHOLE_ANSWER_BYTES_MAX = 1 << 20
"""A JSON answer up to this size is charged before its headers are sent."""
TELL_WAIT_S = 1.0
"""How long the last event of a broken answer may wait for a client that takes nothing."""

BROKEN_ANSWER = (*BROKEN, BrokenAnswer, zlib.error)
UPSTREAM_BROKEN = Failure(
    FailureKind.UPSTREAM_FAILED, "The provider broke its answer off. What arrived was charged."
)
_LOST_SIGHT = Failure(
    FailureKind.UPSTREAM_FAILED,
    "The provider broke the stream off, and works on. Read the answer by its id.",
)


async def relay_answer(exchange: Exchange, held: Held, response: Answer) -> None:
    """Relay, count and charge an answer.

    Raises `RefusedRequest` when it breaks before anything was sent, and
    `AnswerAborted` when it breaks after that or cannot be charged.
    """
    coding = response.headers.get("content-encoding", "identity").lower()
    content_type = response.headers.get("content-type", "")
    decoder = Decoder(coding) if can_decode(coding) else None
    meter: Meter | None = None
    held.ask = held.ask.answered(response.headers)
    if coding == "identity" or decoder is not None:
        meter = exchange.dialect.meter(exchange.route, held.ask, content_type)
    held.answer_begins(meter)
    try:
        if meter is None:
            await _Unread(exchange, held, response).relay()
        elif decoder is None and _is_short(response, content_type):
            await _relay_whole(exchange, held, response, meter)
        else:
            await _Streamed(exchange, held, response, meter, decoder).relay()
    except NotDurableError:
        _log.error("its charge is on no disk yet")
        raise AnswerAborted from None


async def relay_rest(
    exchange: Exchange,
    held: Held,
    response: Answer,
    meter: Meter,
    opening: bytes,
) -> None:
    """Relay a stream whose beginning was read already; `opening` is what of it may pass.

    Raises `AnswerAborted` when it breaks off or its end cannot be charged.
    """
    try:
        await _Streamed(exchange, held, response, meter, None, opening).relay()
    except NotDurableError:
        _log.error("its charge is on no disk yet")
        raise AnswerAborted from None


def _is_short(response: Answer, content_type: str) -> bool:
    length = response.content_length
    return (
        length is not None
        and length <= WHOLE_ANSWER_BYTES_MAX
        and content_type.startswith("application/json")
    )


async def _relay_whole(exchange: Exchange, held: Held, response: Answer, meter: Meter) -> None:
    passed = b""
    try:
        with held.watch:
            # Fed as it arrives: what came of an answer that breaks off is charged.
            while chunk := await response.read():
                passed += meter.feed(chunk)
            exchange.upstream_ended_ns = time.monotonic_ns()
        passed += meter.close()
        if not meter.complete:
            raise BrokenAnswer("the answer has no end")
    except InterruptedRequestError:
        response.close()
        await held.charged(held.cut_status())
        if held.ended_by is not None:
            raise RefusedRequest(held.ended_by) from None
        return
    except BROKEN_ANSWER:
        await held.charged(ledger_pb2.EVENT_STATUS_UPSTREAM_BROKEN)
        raise RefusedRequest(UPSTREAM_BROKEN) from None
    if meter.refused:
        await give_back(held, meter)
    else:
        await held.charged(held.end_status())
    headers = exchange.relayed(response.raw_headers)
    await exchange.send_whole(response.status, headers, passed)


async def give_back(held: Held, meter: Meter) -> None:
    """Release the hold of a 2xx answer that is a refusal.

    Raises `RefusedRequest` when what is wrong is the operator's to put right.
    """
    await held.release()
    if not is_client_matter(meter.refused):
        raise RefusedRequest(operator_failure(meter.refused))


class _Streamed:
    """An answer that passes as it arrives."""

    def __init__(
        self,
        exchange: Exchange,
        held: Held,
        response: Answer,
        meter: Meter,
        decoder: Decoder | None,
        opening: bytes = b"",
    ) -> None:
        self._exchange = exchange
        self._held = held
        self._response = response
        self._meter = meter
        self._decoder = decoder
        self._opening = opening
        self._content_type = response.headers.get("content-type", "")
        self._now_s = asyncio.get_running_loop().time

    async def relay(self) -> None:
        await self._send_start()
        try:
            with self._held.watch:
                await self._pump()
            self._exchange.upstream_ended_ns = time.monotonic_ns()
            tail = self._meter.close()
            if not self._meter.complete or (self._decoder and not self._decoder.complete):
                raise BrokenAnswer("the answer ended before its end")
        except InterruptedRequestError:
            # The provider must stop first: it bills for as long as it writes.
            self._response.close()
            if self._meter.refused:
                await self._held.release()
                raise AnswerAborted from None
            await self._held.charged(self._held.cut_status())
            if self._held.ended_by is not None:
                await self._tell(self._held.ended_by)
            raise AnswerAborted from None
        except BROKEN_ANSWER as failure:
            await self._break_off(failure)
        if self._meter.refused:
            await self._hand_on_refusal(tail)
            return
        await self._held.charged(self._held.end_status())
        await send_body(self._exchange.send, tail, more=False)

    async def _hand_on_refusal(self, tail: bytes) -> None:
        """End a stream that turned out to be a refusal; the operator's troubles are not told."""
        try:
            await give_back(self._held, self._meter)
        except RefusedRequest as refusal:
            await self._tell(refusal.failure)
            raise AnswerAborted from None
        await send_body(self._exchange.send, tail, more=False)

    async def _send_start(self) -> None:
        self._held.active.streaming = True
        exchange, response = self._exchange, self._response
        headers = exchange.relayed(response.raw_headers, decoded=self._decoder is not None)
        unaltered = self._decoder is None and not self._held.ask.hide_usage
        if response.content_length is not None and unaltered:
            headers.append((b"content-length", b"%d" % response.content_length))
        await exchange.send_start(response.status, headers)

    async def _pump(self) -> None:
        """Pass on what may pass, until the provider's body ends."""
        read = self._response.read
        decoder = self._decoder
        await self._pass_on(self._opening)
        while chunk := await read():
            for piece in (chunk,) if decoder is None else decoder.feed(chunk):
                await self._pass_on(self._meter.feed(piece))

    async def _pass_on(self, passed: bytes) -> None:
        held = self._held
        if self._meter.final and held.charge is None:
            held.begin_charge(held.end_status())
        if passed and not held.watch.gone:
            held.active.sending_since_s = self._now_s()
            await send_body(self._exchange.send, passed, more=True)
            held.active.sending_since_s = 0.0

    async def _break_off(self, failure: Exception) -> None:
        """Charge what arrived, tell the client natively where that is possible, then abort."""
        _log.info("the provider broke off: %r", failure)
        await self._held.charged(ledger_pb2.EVENT_STATUS_UPSTREAM_BROKEN)
        await self._tell(_LOST_SIGHT if self._held.deferred else UPSTREAM_BROKEN)
        raise AnswerAborted from failure

    async def _tell(self, failure: Failure) -> None:
        """Send the native error event where the dialect has one and the client still listens."""
        exchange = self._exchange
        event = exchange.dialect.stream_error(exchange.route, failure, self._content_type)
        if not event or self._held.watch.gone or self._response.content_length is not None:
            return
        # A client that takes no bytes must not hold up the end of its own request.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TELL_WAIT_S):
                await send_body(exchange.send, event, more=True)


class _Unread:
    """An answer in a content coding that nobody here reads: charged as the whole hold."""

    def __init__(self, exchange: Exchange, held: Held, response: Answer) -> None:
        self._exchange = exchange
        self._held = held
        self._response = response

    async def relay(self) -> None:
        exchange, response = self._exchange, self._response
        headers = exchange.relayed(response.raw_headers)
        if response.content_length is not None:
            headers.append((b"content-length", b"%d" % response.content_length))
        await exchange.send_start(response.status, headers)
        last = LastByte()
        try:
            with self._held.watch:
                while chunk := await response.read():
                    if passed := last.keep(chunk):
                        await send_body(exchange.send, passed, more=True)
        except InterruptedRequestError:
            response.close()
            await self._held.charged(self._held.cut_status())
            raise AnswerAborted from None
        except BROKEN as failure:
            await self._held.charged(ledger_pb2.EVENT_STATUS_UPSTREAM_BROKEN)
            raise AnswerAborted from failure
        await self._held.charged(self._held.end_status())
        await send_body(exchange.send, last.release(), more=False)
