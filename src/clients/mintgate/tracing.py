"""OpenTelemetry traces across the facade and the core, where they are asked for.

A process without traces has None in their place: one check, nothing imported.
Exporter, sampling and the service's name follow OpenTelemetry's own variables
(`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`).
Spans hold ids, counts and money; never a secret, a prompt or an answer.
"""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Final

from ._config_values import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext

    from .config import Settings

ENDPOINT_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_INSTALL: Final = "pip install 'mintgate[server,tracing]'"
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_log = logging.getLogger("mintgate.tracing")


def open_traces(settings: Settings, process: str) -> Traces | None:
    """Return what makes spans of this process, or None when traces are off.

    Raises `ConfigError` when they were asked for and their packages are missing.
    """
    wanted = settings.tracing
    if wanted is None:
        wanted = any(os.environ.get(name) for name in ENDPOINT_VARIABLES)
    if not wanted:
        return None
    try:
        return Traces(_exporting(process))
    except ImportError:
        if settings.tracing:
            raise ConfigError((f"MINTGATE_TRACING: needs {_INSTALL}",)) from None
        _log.warning("there are no traces: they need %s", _INSTALL)
        return None


def _exporting(process: str) -> TracerProvider:
    """Make a provider that sends spans in batches from a thread of its own."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    name = os.environ.get("OTEL_SERVICE_NAME") or f"mintgate-{process}"
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Traces:
    """Makes spans. Parents are given, never taken from the context: tasks outlive requests."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an extra

        self._provider = provider
        self._tracer = provider.get_tracer("mintgate")
        self._api = trace

    def server(self, name: str, traceparent: str, attributes: Mapping[str, str | int]) -> Span:
        """Begin the work for a caller; a `traceparent` that is none begins a new trace."""
        return self._tracer.start_span(
            name,
            context=self._remote(traceparent),
            kind=self._api.SpanKind.SERVER,
            attributes=dict(attributes),
        )

    def client(self, name: str, parent: Span, start_ns: int | None = None) -> Span:
        """Begin a call to somebody else, for `parent`; `start_ns` since 1970, if not now."""
        return self._tracer.start_span(
            name,
            context=self._api.set_span_in_context(parent),
            kind=self._api.SpanKind.CLIENT,
            start_time=start_ns,
        )

    def batch(
        self,
        name: str,
        links: Sequence[SpanContext],
        attributes: Mapping[str, int],
        start_ns: int,
        end_ns: int,
    ) -> None:
        """Note work that was done for many callers at once; nanoseconds since 1970."""
        self._tracer.start_span(
            name,
            context=self._api.set_span_in_context(self._api.INVALID_SPAN),
            links=[self._api.Link(context) for context in links],
            attributes=dict(attributes),
            start_time=start_ns,
        ).end(end_ns)

    def failed(self, span: Span, reason: str) -> None:
        """Mark a span as failed."""
        span.set_status(self._api.Status(self._api.StatusCode.ERROR, reason))

    def close(self) -> None:
        """Send what is left; waits for the exporter, within its own bounds."""
        self._provider.shutdown()

    def _remote(self, traceparent: str) -> Context:
        api = self._api
        matched = _TRACEPARENT.fullmatch(traceparent)
        parent = api.INVALID_SPAN
        if matched is not None:
            parent = api.NonRecordingSpan(
                api.SpanContext(
                    trace_id=int(matched[1], 16),
                    span_id=int(matched[2], 16),
                    is_remote=True,
                    trace_flags=api.TraceFlags(int(matched[3], 16)),
                )
            )
        context: Context = api.set_span_in_context(parent)
        return context


def traceparent_of(span: Span) -> str:
    """Return what makes another process continue this span's trace."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def trace_id_of(span: Span) -> str:
    """Return the trace's id, 32 hex digits."""
    return f"{span.get_span_context().trace_id:032x}"
