"""The raw ASGI app in front: provider routes are served here, all else goes to the control app."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from mintgate.logs import REQUEST, fields

from mintgate_facade.dialects.base import Failure, FailureKind, Policy, RefusedRequest
from mintgate_facade.relay.asgi import AnswerAborted
from mintgate_facade.relay.body import ClientGoneError
from mintgate_facade.relay.browsers import answering, is_preflight, requested_headers
from mintgate_facade.relay.caller import CALLER, Caller
from mintgate_facade.relay.exchange import Exchange
from mintgate_facade.relay.failures import ORIGIN_NOT_SERVED
from mintgate_facade.relay.tracing import RequestTrace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mintgate.tracing import Traces

    from mintgate_facade.relay.asgi import App, Headers, Receive, Scope, Send
    from mintgate_facade.relay.browsers import Browsers
    from mintgate_facade.relay.caller import ClientAddresses
    from mintgate_facade.relay.long_bodies import LongBodies
    from mintgate_facade.relay.metered import Metered
    from mintgate_facade.relay.metrics import Metrics
    from mintgate_facade.relay.owned import Owned
    from mintgate_facade.relay.targets import Targets
    from mintgate_facade.relay.unmetered import Unmetered

_log = logging.getLogger("mintgate.request")

_INTERNAL = Failure(FailureKind.INTERNAL, "The gateway failed. The request id names it in its log.")
_UNSERVED = {
    Policy.UNKNOWN: FailureKind.NOT_FOUND,
    Policy.WRONG_METHOD: FailureKind.METHOD_NOT_ALLOWED,
}
_CONTENT_TYPE = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Gateway:
    """Routes one request and makes sure that it ends in exactly one way."""

    targets: Targets
    metered: Metered
    unmetered: Unmetered
    owned: Owned
    control: App
    metrics: Metrics
    body_wait_s: float
    """How long a client may take to send its body."""
    bodies: LongBodies
    browsers: Browsers
    addresses: ClientAddresses
    control_methods: Callable[[str], Sequence[str]]
    """The methods of a path of `control`."""
    traces: Traces | None = None
    """None: nothing is traced."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self.control(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        query_string = scope["query_string"]
        query = dict(parse_qsl(query_string.decode("latin-1"))) if query_string else {}
        if origin := headers.get("origin", ""):
            if is_preflight(scope["method"], headers):
                await self._preflight(scope["path"], headers, query, send)
                return
            caller = self.browsers.caller(origin, headers.get("host", ""), self.addresses.of(scope))
            if caller.welcome:
                send = answering(send, origin)
        else:
            caller = Caller("", self.addresses.of(scope))
        meant = self.targets.resolve(scope["method"], scope["path"], headers, query)
        if meant is None:
            scope[CALLER] = caller
            await self.control(scope, receive, send)
            return
        exchange = Exchange(*meant, scope, receive, send, self.body_wait_s, self.bodies, caller)
        # The server runs each request in a task of its own, so nobody else sees it.
        REQUEST.set(exchange)
        if self.traces is not None:
            exchange.trace = RequestTrace(self.traces, exchange, headers.get("traceparent", ""))
        self.metrics.begun()
        try:
            await self._serve(exchange)
        finally:
            self.bodies.forget(exchange.id)
            self.metrics.ended(exchange)
            _log_request(exchange)
            if exchange.trace is not None:
                exchange.trace.end(exchange)

    async def _preflight(
        self, path: str, headers: dict[str, str], query: dict[str, str], send: Send
    ) -> None:
        """Answer a browser's question for whichever route the request will be for.

        A path that is not served is answered yes: then the page gets to see the native
        error, where a browser would only say that it was refused.
        """
        # The values are not there yet, but the names tell whose SDK will ask.
        named = dict.fromkeys(requested_headers(headers), "") | headers
        methods = self.targets.methods(path, named, query)
        served = self.control_methods(path) if methods is None else methods
        await self.browsers.preflight(send, headers, served)

    async def _serve(self, exchange: Exchange) -> None:
        """Serve one provider request; every failure becomes the provider's own shape."""
        try:
            await self._by_policy(exchange)
        except RefusedRequest as refused:
            self.metrics.refused(exchange, refused.failure.kind)
            await _refuse(exchange, refused.failure)
        except ClientGoneError:
            return
        except AnswerAborted:
            raise
        except Exception as failure:
            _log.exception("the request failed")
            if exchange.status:
                raise AnswerAborted from failure
            self.metrics.refused(exchange, FailureKind.INTERNAL)
            await _refuse(exchange, _INTERNAL)

    async def _by_policy(self, exchange: Exchange) -> None:
        if not exchange.caller.welcome:
            raise RefusedRequest(ORIGIN_NOT_SERVED)
        policy = exchange.route.policy
        if policy is Policy.METERED:
            await self.metered.serve(exchange)
        elif policy is Policy.FREE:
            await self.unmetered.serve_free(exchange)
        elif policy is Policy.OWNED:
            await self.owned.serve(exchange)
        elif policy is Policy.LOCAL:
            await self.unmetered.serve_local(exchange)
        else:
            kind = _UNSERVED.get(policy, FailureKind.FORBIDDEN)
            raise RefusedRequest(Failure(kind, exchange.route.reason))


async def _refuse(exchange: Exchange, failure: Failure) -> None:
    body, extra = exchange.dialect.error(replace(failure, request_id=exchange.request_id))
    headers: Headers = [*extra, *exchange.own_headers()]
    if not any(name == b"content-type" for name, _ in headers):
        headers = [_CONTENT_TYPE, *headers]
    await exchange.send_whole(failure.status, headers, body)


def _log_request(exchange: Exchange) -> None:
    if _log.isEnabledFor(logging.INFO):
        _log.info(
            "request",
            extra=fields(
                provider=exchange.target.slug,
                route=exchange.route_name,
                status=exchange.status,
                key_id=exchange.key_id or None,
                cost_nano_usd=exchange.cost_nano_usd,
                latency_ms=exchange.elapsed_ms(),
            ),
        )
