"""Every metric of a core: names, units, labels, and how each comes by its value.

The hot path adds plain integers; they become samples when somebody asks. Labels
are sets that this code knows: never a key, an account, a model or a text of a
caller's. What is documented for people is in docs/operating.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence

from mintgate.distribution import Distribution, histogram
from mintgate.v1 import error_pb2, ledger_pb2
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from mintgate_core.clock import Clock
from mintgate_core.ledger.errors import LedgerError
from mintgate_core.ledger.operations import Answer, Expired, Operation, Settle, Settled
from mintgate_core.ratelimit.base import Limiter
from mintgate_core.service.errors import REASON_BY_TYPE
from mintgate_core.stores.base import Check, OpenHolds, Store

STORE_WAIT_S = 3.0
"""How long a scrape waits for the sums of the open holds."""

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
TRANSACTION_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

log = logging.getLogger(__name__)


class Metrics:
    """What one core has done since it started, and what its store holds now."""

    def __init__(self, store: Store, clock: Clock, limiter: Limiter) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the package has no type for it
        self._store = store
        self._clock = clock
        registry = self._registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=registry)
        self._operations = _Operations()
        registry.register(self._operations)
        self._absorbed = _counter(
            registry, "mintgate_absorbed_nano_usd", "Cost of requests that no line could pay."
        )
        self._overruns = _counter(
            registry, "mintgate_overruns", "Settles that cost more than was held."
        )
        self._late = _counter(
            registry, "mintgate_late_settles", "Settles that came after their hold was gone."
        )
        self._expired = _counter(
            registry, "mintgate_expired_holds", "Holds that this core resolved by expiry."
        )
        self._batch = Distribution(BATCH_BUCKETS)
        self._transaction = Distribution(TRANSACTION_BUCKETS_S)
        registry.register(_Lanes(self._batch, self._transaction))
        self._queue = _gauge(
            registry, "mintgate_lane_queue_operations", "Operations that wait for a transaction."
        )
        registry.register(_Retries(store))
        registry.register(_Limits(limiter))
        self._store_up = _gauge(
            registry, "mintgate_store_up", "1 when the store answered this scrape."
        )
        self._prices_age = _gauge(
            registry,
            "mintgate_price_data_age_seconds",
            "Time since the packaged prices were read, counted from that day.",
        )
        self._held = _Held()
        registry.register(self._held)
        self._audit = _AuditGauges(registry)

    def queue_is(self, queued: Callable[[], int]) -> None:
        """Name what tells how many operations wait."""
        self._queue.set_function(queued)

    def prices_read_at(self, read_at_ms: int) -> None:
        """Name the day from which the age of the packaged prices counts."""
        self._prices_age.set_function(lambda: (self._clock() - read_at_ms) / 1_000)

    def answered(
        self, messages: Sequence[ledger_pb2.Operation], answers: Sequence[Answer | None]
    ) -> None:
        """Count operations of the wire with what became of them."""
        counts = self._operations.counts
        for message, answer in zip(messages, answers, strict=True):
            what = (message.WhichOneof("action") or "none", type(answer))
            counts[what] = counts.get(what, 0) + 1

    def committed(self, operations: Sequence[Operation], answers: Sequence[Answer]) -> None:
        """Count what a batch of a lane did to money; an `OnCommit`."""
        for operation, answer in zip(operations, answers, strict=True):
            if isinstance(answer, Settled):
                if answer.absorbed_nano_usd:
                    self._absorbed.inc(answer.absorbed_nano_usd)
                if answer.late:
                    self._late.inc()
                if (
                    isinstance(operation, Settle)
                    and answer.actual_nano_usd > operation.token.amount_nano_usd
                ):
                    self._overruns.inc()
            elif isinstance(answer, Expired):
                self._expired.inc()

    def batch(self, operations: Sequence[Operation], seconds: float) -> None:
        """Note one transaction; an `OnBatch`."""
        self._batch.observe(len(operations))
        self._transaction.observe(seconds)

    def audited(self, checks: Sequence[Check] | None, seconds: float, *, full: bool) -> None:
        """Note an audit; None when it could not be made."""
        self._audit.note(checks, seconds, self._clock(), "full" if full else "new")

    async def render(self) -> bytes:
        """Everything in Prometheus's text format."""
        try:
            async with asyncio.timeout(STORE_WAIT_S):
                self._held.now = await self._store.open_holds()
        except (LedgerError, TimeoutError) as failure:
            log.warning("the open holds could not be summed: %r", failure)
            self._held.now = None
        self._store_up.set(self._held.now is not None)
        return generate_latest(self._registry)


class _Operations(Collector):
    """Operations by kind and outcome."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, type], int] = {}

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Sum by the words of the labels: kinds of the protocol, reasons of its errors."""
        family = CounterMetricFamily(
            "mintgate_operations",
            "Operations that were answered, by kind and outcome.",
            labels=("kind", "outcome"),
        )
        sums: dict[tuple[str, str], int] = {}
        for (kind, answer), count in self.counts.items():
            what = (kind, _outcome(answer))
            sums[what] = sums.get(what, 0) + count
        for (kind, outcome), count in sorted(sums.items()):
            family.add_metric((kind, outcome), count)
        yield family


class _Lanes(Collector):
    """The two distributions of the lanes' transactions."""

    def __init__(self, batch: Distribution, transaction: Distribution) -> None:
        self._batch = batch
        self._transaction = transaction

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield both."""
        yield histogram(
            "mintgate_lane_batch_operations", "Operations in one transaction.", {"": self._batch}
        )
        yield histogram(
            "mintgate_lane_transaction_seconds",
            "From the begin of a batch's transaction to its answer, retries included.",
            {"": self._transaction},
        )


class _Retries(Collector):
    """Counted by the store, read at each scrape."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the one counter."""
        yield CounterMetricFamily(
            "mintgate_store_retries",
            "Transactions that the store ran again.",
            self._store.retry_count,
        )


class _Limits(Collector):
    """Whether cores share their rate limits, told by the limiter at each scrape."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Yield the state, and what passed while it was bad."""
        yield GaugeMetricFamily(
            "mintgate_rate_limits_degraded",
            "1 while Redis is away and rate limits count in this core alone.",
            self._limiter.degraded,
        )
        yield CounterMetricFamily(
            "mintgate_rate_limits_unshared",
            "Requests with rate limits that this core counted alone because Redis did not answer.",
            self._limiter.unshared_count,
        )


class _Held(Collector):
    """What the store holds; no sample at all while that is not known."""

    now: OpenHolds | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the sums. All cores on one store tell the same."""
        if self.now is None:
            return
        yield GaugeMetricFamily(
            "mintgate_open_holds", "Open holds of the whole store.", self.now.count
        )
        yield GaugeMetricFamily(
            "mintgate_held_nano_usd", "Money on open holds.", self.now.amount_nano_usd
        )
        yield GaugeMetricFamily(
            "mintgate_overdue_holds",
            "Open holds whose time is over and that nobody has resolved yet.",
            self.now.overdue_count,
        )
        yield GaugeMetricFamily(
            "mintgate_open_jobs", "Open holds that a job keeps open.", self.now.job_count
        )
        yield GaugeMetricFamily(
            "mintgate_oldest_job_age_seconds",
            "Since the hold of the oldest open job was reserved; 0 when there is none.",
            self.now.oldest_job_age_ms / 1_000,
        )


class _AuditGauges:
    """What the continuous audit found, and when.

    By extent: what an audit of everything has found must not vanish with the next one
    of what is new, which may not see it.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._findings = Gauge(
            "mintgate_audit_findings",
            "Findings of the newest audit of an extent, by the number of the check.",
            ("check", "extent"),
            registry=registry,
        )
        self._runs = Counter(
            "mintgate_audits",
            "Audits of this core, by how they ended.",
            ("outcome", "extent"),
            registry=registry,
        )
        self._duration = Gauge(
            "mintgate_audit_duration_seconds",
            "How long the newest audit took.",
            ("extent",),
            registry=registry,
        )
        self._at = Gauge(
            "mintgate_audit_timestamp_seconds",
            "When the newest audit that could be made ended, seconds since 1970; 0: never.",
            ("extent",),
            registry=registry,
        )
        for extent in ("new", "full"):
            for outcome in ("clean", "findings", "failed"):
                self._runs.labels(outcome, extent)
            self._duration.labels(extent)
            self._at.labels(extent)

    def note(
        self, checks: Sequence[Check] | None, seconds: float, now_ms: int, extent: str
    ) -> None:
        if checks is None:
            self._runs.labels("failed", extent).inc()
            return
        for check in checks:
            self._findings.labels(str(check.number), extent).set(len(check.findings))
        found = any(check.findings for check in checks)
        self._runs.labels("findings" if found else "clean", extent).inc()
        self._duration.labels(extent).set(seconds)
        self._at.labels(extent).set(now_ms / 1_000)


def _outcome(answer: type) -> str:
    """Name what became of it: ok, or the reason that the protocol gives a refusal."""
    if not issubclass(answer, LedgerError):
        return "ok" if answer is not type(None) else "internal"
    known = (REASON_BY_TYPE[kind] for kind in answer.__mro__ if kind in REASON_BY_TYPE)
    reason = next(known, error_pb2.ERROR_REASON_INTERNAL)
    return error_pb2.ErrorReason.Name(reason).removeprefix("ERROR_REASON_").lower()


def _counter(registry: CollectorRegistry, name: str, text: str) -> Counter:
    return Counter(name, text, registry=registry)


def _gauge(registry: CollectorRegistry, name: str, text: str) -> Gauge:
    return Gauge(name, text, registry=registry)
