"""The life of a metered request, top to bottom: read, reserve, forward, relay, settle."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mintgate.v1.ledger_pb2 import Operation, Reserve, Reserved

from mintgate_facade.dialects.base import RefusedRequest
from mintgate_facade.relay.answer import relay_answer
from mintgate_facade.relay.client_watch import InterruptedRequestError
from mintgate_facade.relay.exchange import Admitted, Exchange, admit, admit_upload, is_upload
from mintgate_facade.relay.failures import LEDGER_AWAY, failure_of
from mintgate_facade.relay.held import Held
from mintgate_facade.relay.link import LinkAwayError, Submitter
from mintgate_facade.relay.pass_through import is_success, pass_through
from mintgate_facade.upstream import LostAnswerError

if TYPE_CHECKING:
    from mintgate_facade.dialects.base import Ask
    from mintgate_facade.relay.charges import Charges
    from mintgate_facade.relay.common import CommonObjects
    from mintgate_facade.relay.core_calls import CoreCalls
    from mintgate_facade.relay.deferred import Deferrals
    from mintgate_facade.relay.holds import ActiveHolds
    from mintgate_facade.relay.objects import Objects
    from mintgate_facade.relay.targets import Targets
    from mintgate_facade.uploads.receive import Uploads
    from mintgate_facade.upstream import Answer

RESERVE_WAIT_S = 3.0
"""How long a request waits for its hold; a hold granted later is released again."""
_GAVE_UP_WAITING = frozenset({504, 524})
"""What a provider's own proxies say (524: Cloudflare) of a request that they have passed on."""
_PROVIDER_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "dg-request-id")


@dataclass(frozen=True, slots=True)
class Metered:
    """What metered requests share."""

    link: Submitter
    charges: Charges
    holds: ActiveHolds
    targets: Targets
    core: CoreCalls
    uploads: Uploads
    objects: Objects
    deferrals: Deferrals
    common: CommonObjects
    hold_ttl_ms: int = 0
    """Time to live of a hold without progress; 0 leaves it to the ledger."""

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request.

        Raises `RefusedRequest` for everything the gateway answers itself, and
        `AnswerAborted` when an answer had to be broken off.
        """
        if is_upload(exchange):
            async with admit_upload(exchange, self.uploads, self.core) as admitted:
                await self._serve(exchange, admitted)
        else:
            await self._serve(exchange, await admit(exchange, self.core, json_only=True))

    async def _serve(self, exchange: Exchange, admitted: Admitted) -> None:
        exchange.admitted_ns = time.monotonic_ns()
        if not exchange.found.explicit:
            admitted = self._at_home(exchange, admitted)
        ask = exchange.dialect.read(exchange.route, admitted.view)
        if uses := self.common.unknown(exchange.target.slug, ask.uses):
            found = await self.common.require(exchange, admitted, uses)
            if ask.noted is not None:
                ask = ask.noted([each.note for each in found.objects])
        reserved = await self._reserve(exchange, admitted, ask)
        exchange.key_id = reserved.key_id
        held = Held(exchange, ask, reserved, self.charges, self.holds)
        try:
            await self._forward(exchange, admitted, held)
        except BaseException:
            # Whatever happened, a defect or a stop of the worker: no hold is left open.
            held.stop()
            raise
        finally:
            held.close()

    def _at_home(self, exchange: Exchange, admitted: Admitted) -> Admitted:
        """Send a request without a prefix to the provider whose model it names."""
        model = admitted.view.document.get("model")
        if not isinstance(model, str) or not self.targets.by_model(exchange, model):
            return admitted
        exchange.target.provider.check_headers(admitted.view.headers, exchange.route)
        dropped = {name.decode() for name in exchange.target.provider.strip_request_headers}
        kept = {n: v for n, v in admitted.view.headers.items() if n not in dropped}
        return replace(admitted, view=replace(admitted.view, headers=kept))

    async def _reserve(self, exchange: Exchange, admitted: Admitted, ask: Ask) -> Reserved:
        """Hold the worst case, or raise `RefusedRequest` (401, 402, 403, 404, 503)."""
        exchange.target.require_account()
        if not self.charges.accepting:
            raise RefusedRequest(LEDGER_AWAY)
        operation = Operation(
            reserve=Reserve(
                hold_id=exchange.id,
                secret_sha256=admitted.secret_sha256,
                provider=exchange.target.slug,
                model=ask.model,
                route=exchange.route.operation,
                bound=ask.bound,
                ttl_ms=self.hold_ttl_ms,
                request_id=exchange.request_id,
                first_attempt=True,
                origin=exchange.caller.origin,
                client_address=exchange.caller.client_address,
            )
        )
        span = None
        if exchange.trace is not None:
            span, operation.traceparent = exchange.trace.ledger("reserve")
        try:
            result = await self.link.submit(operation, RESERVE_WAIT_S)
        except LinkAwayError:
            raise RefusedRequest(LEDGER_AWAY) from None
        finally:
            if span is not None:
                span.end()
        if result.HasField("reserved"):
            return result.reserved
        raise RefusedRequest(failure_of(result.error, self.targets.hint(exchange, ask.model)))

    async def _forward(self, exchange: Exchange, admitted: Admitted, held: Held) -> None:
        """Send the request on and deal with every way in which it can be answered."""
        body = held.ask.body
        if held.reserved.output_fitted:
            limit = exchange.output_bound_tokens = held.reserved.output_tokens
            body = exchange.dialect.with_output_limit(exchange.route, held.ask, limit)
        try:
            if held.ask.later is not None:
                await self.deferrals.announce(exchange, held, self.hold_ttl_ms)
            # Work that goes on begins with the request: who leaves now has begun it all the same.
            with held.watch if held.ask.later is None else contextlib.nullcontext():
                response = await self.targets.open(exchange, admitted, body)
        except LostAnswerError:
            await self._unanswered(held)
            raise
        except RefusedRequest:
            await held.release()
            raise
        except InterruptedRequestError:
            await held.charged(held.cut_status())
            if held.ended_by is not None:
                raise RefusedRequest(held.ended_by) from None
            return
        try:
            await self._relay(exchange, admitted, held, response)
        finally:
            # Closes the connection of an answer that was not read to its end, and is
            # nothing to one that was.
            response.close()

    async def _relay(
        self,
        exchange: Exchange,
        admitted: Admitted,
        held: Held,
        response: Answer,
    ) -> None:
        if not is_success(response.status):
            if response.status in _GAVE_UP_WAITING:
                await self._unanswered(held)
            else:
                await held.release()
            await pass_through(exchange, response)
            return
        held.http_status = response.status
        for name in _PROVIDER_REQUEST_ID_HEADERS:
            held.provider_request_id = held.provider_request_id or response.headers.get(name, "")
        if held.ask.later is None:
            await relay_answer(exchange, held, response)
        else:
            await self.deferrals.relay(exchange, admitted, held, response)

    async def _unanswered(self, held: Held) -> None:
        """End a request that was sent and that nobody answers.

        What it asked for is released, unless it may go on by itself: nobody will ever know.
        """
        if held.ask.later is None:
            await held.release()
        else:
            await self.deferrals.charge_unseen(held)
