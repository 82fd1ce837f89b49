"""The trace of one request: what the client waited for, part by part.

    openai chat ── reserve ── (core's own)
                ├─ upstream
                └─ settle ─── (core's own)

The provider gets the client's own trace headers or none, never ours.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mintgate.tracing import trace_id_of, traceparent_of

if TYPE_CHECKING:
    from mintgate.tracing import Traces
    from opentelemetry.trace import Span

    from mintgate_facade.relay.exchange import Exchange

_FAILED_FROM = 500


class RequestTrace:
    """The spans of one request."""

    def __init__(self, traces: Traces, exchange: Exchange, traceparent: str) -> None:
        self._traces = traces
        slug, route = exchange.target.slug, exchange.route_name
        self._request = traces.server(
            f"{slug} {route}",
            traceparent,
            {
                "mintgate.request_id": exchange.request_id,
                "mintgate.provider": slug,
                "mintgate.route": route,
                "http.request.method": exchange.scope["method"],
            },
        )
        self.id = trace_id_of(self._request)

    def ledger(self, name: str) -> tuple[Span, str]:
        """Begin a call to the ledger; returns its span and what core continues it by."""
        span = self._traces.client(name, self._request)
        return span, traceparent_of(span)

    def end(self, exchange: Exchange) -> None:
        """End the request, with the call to its provider if there was one."""
        if exchange.forwarded_ns:
            self._upstream(exchange)
        span = self._request
        span.set_attribute("http.response.status_code", exchange.status)
        if exchange.key_id:
            span.set_attribute("mintgate.key_id", exchange.key_id)
        if exchange.cost_nano_usd is not None:
            span.set_attribute("mintgate.cost_nano_usd", exchange.cost_nano_usd)
        if exchange.status >= _FAILED_FROM or not exchange.status:
            self._traces.failed(span, str(exchange.status))
        span.end()

    def _upstream(self, exchange: Exchange) -> None:
        """Made afterwards from the times that the metrics need anyway."""
        since_start_ns = time.time_ns() - time.monotonic_ns()
        ended_ns = exchange.upstream_ended_ns
        span = self._traces.client(
            "upstream", self._request, exchange.forwarded_ns + since_start_ns
        )
        if exchange.answered_ns:
            span.add_event("headers", timestamp=exchange.answered_ns + since_start_ns)
        if not ended_ns:
            self._traces.failed(span, "the answer did not come to its end")
        span.end(ended_ns + since_start_ns if ended_ns else None)
