"""Spans of a core: one an operation that its caller traces, one a transaction.

A transaction serves many callers, so it belongs to no trace of theirs; it links
to the operations that were in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mintgate.v1 import ledger_pb2

from mintgate_core.clock import Clock
from mintgate_core.ledger.errors import LedgerError
from mintgate_core.ledger.operations import Answer, Grant, Operation

if TYPE_CHECKING:
    from mintgate.tracing import Traces
    from opentelemetry.trace import Span

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


class OperationTraces:
    """Traces operations of the wire and the transactions that they were in."""

    def __init__(self, traces: Traces, clock: Clock) -> None:
        self._traces = traces
        self._clock = clock
        self._open: dict[bytes, Span] = {}
        """By the operation's id; bounded by what the lanes may queue."""

    def begin(self, messages: Sequence[ledger_pb2.Operation]) -> list[Span | None]:
        """Begin a span for each operation whose caller traces it."""
        return [self._begin(message) if message.traceparent else None for message in messages]

    def end(
        self,
        messages: Sequence[ledger_pb2.Operation],
        spans: Sequence[Span | None],
        answers: Sequence[Answer | None],
    ) -> None:
        """End them with what became of them."""
        for message, span, answer in zip(messages, spans, answers, strict=True):
            if span is None:
                continue
            self._open.pop(_id_of(message), None)
            if isinstance(answer, LedgerError):
                span.set_attribute("mintgate.refused", type(answer).__name__)
            span.end()

    def batch(self, operations: Sequence[Operation], seconds: float) -> None:
        """Note a transaction, if anybody traces one of its operations; an `OnBatch`."""
        found = [
            self._open.get(op.grant_id if isinstance(op, Grant) else op.hold_id)
            for op in operations
        ]
        links = [span.get_span_context() for span in found if span is not None]
        if links:
            end_ns = self._clock() * _NS_PER_MS
            attributes = {"mintgate.operations": len(operations)}
            start_ns = end_ns - int(seconds * _NS_PER_S)
            self._traces.batch("ledger transaction", links, attributes, start_ns, end_ns)

    def _begin(self, message: ledger_pb2.Operation) -> Span:
        kind = message.WhichOneof("action") or "none"
        span = self._traces.server(
            f"ledger {kind}", message.traceparent, {"mintgate.operation": kind}
        )
        self._open[_id_of(message)] = span
        return span


def _id_of(message: ledger_pb2.Operation) -> bytes:
    kind = message.WhichOneof("action")
    if kind is None:
        return b""
    action = getattr(message, kind)
    identifier: bytes = action.grant_id if kind == "grant" else action.hold_id
    return identifier
