"""Every metric of a facade worker: names, units, labels, and how each comes by its value.

A worker has its own port for them. Sharing one between workers would need
samples in mapped files, written at every request, and would lose what can only
be asked of a running process: queues, the outbox, running streams. Prometheus
adds workers up. Labels are sets that this code knows: never a key, a model or a
text of a caller's. What is documented for people is in docs/operating.md.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mintgate.distribution import Distribution, histogram
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mintgate_facade.dialects.base import FailureKind
    from mintgate_facade.relay.exchange import Exchange
    from mintgate_facade.relay.holds import ActiveHolds
    from mintgate_facade.relay.link import LedgerLink
    from mintgate_facade.relay.outbox import Outbox

_NS_PER_S = 1_000_000_000
UPSTREAM_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
ADDED_BUCKETS_S = (0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)
LINK_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """What one worker has done since it started, and what it holds now."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the package has no type for it
        registry = self._registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "mintgate_requests",
            "Requests on provider routes by the status that the client got; 0: it left before.",
            ("provider", "route", "status"),
            registry=registry,
        )
        self._refusals = Counter(
            "mintgate_refusals",
            "Answers that the gateway made itself, by their kind.",
            ("provider", "kind"),
            registry=registry,
        )
        self._polls = Counter(
            "mintgate_job_polls",
            "Looks at jobs of providers, by what they found.",
            ("provider", "outcome"),
            registry=registry,
        )
        self._timed = _Timed()
        registry.register(self._timed)
        self._running = 0
        self._gauge("mintgate_running_requests", "Requests on provider routes.").set_function(
            lambda: self._running
        )
        # Finding a child by its labels costs more than adding to it.
        self._requests_by: dict[tuple[str, str, int], Counter] = {}

    def watch(self, link: LedgerLink, outbox: Outbox, holds: ActiveHolds) -> None:
        """Name the parts that are asked at each scrape."""
        asked: tuple[tuple[str, str, Callable[[], float]], ...] = (
            ("mintgate_running_streams", "Answers under way in pieces.", holds.streaming_count),
            (
                "mintgate_link_up",
                "1 while the stream to the ledger stands.",
                lambda: link.connected,
            ),
            (
                "mintgate_link_queue_operations",
                "Operations that wait for the next message.",
                lambda: link.queued_count,
            ),
            (
                "mintgate_outbox_charges",
                "Charges that the ledger has not acknowledged.",
                lambda: outbox.open_count,
            ),
            ("mintgate_outbox_bytes", "Their bytes.", lambda: outbox.open_bytes),
            (
                "mintgate_outbox_age_seconds",
                "How long the oldest of them has waited in this process.",
                outbox.oldest_age_s,
            ),
            (
                "mintgate_outbox_accepting",
                "1 while new requests may rely on the outbox.",
                lambda: outbox.accepting,
            ),
        )
        for name, text, read in asked:
            self._gauge(name, text).set_function(read)
        self._registry.register(_Revocations(holds))

    def begun(self) -> None:
        """Note a request on a provider route."""
        self._running += 1

    def ended(self, exchange: Exchange) -> None:
        """Note its end, however it came."""
        self._running -= 1
        slug = exchange.target.slug
        what = (slug, exchange.route_name, exchange.status)
        counter = self._requests_by.get(what)
        if counter is None:
            counter = self._requests.labels(slug, exchange.route_name, str(exchange.status))
            self._requests_by[what] = counter
        counter.inc()
        if exchange.answered_ns:
            self._observe_upstream(exchange)

    def refused(self, exchange: Exchange, kind: FailureKind) -> None:
        """Note an answer of the gateway's own."""
        self._refusals.labels(exchange.target.slug, kind.value).inc()

    def polled(self, provider: str, outcome: str) -> None:
        """Note a look at a job."""
        self._polls.labels(provider, outcome).inc()

    def link_answered(self, count: int, seconds: float) -> None:
        """Note one message of the ledger link."""
        self._timed.link_batch.observe(count)
        self._timed.link_round_trip.observe(seconds)

    async def render(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)

    def _observe_upstream(self, exchange: Exchange) -> None:
        first_byte, whole = self._timed.of_provider(exchange.target.slug)
        first_byte.observe((exchange.answered_ns - exchange.forwarded_ns) / _NS_PER_S)
        if not exchange.upstream_ended_ns:
            return
        whole.observe((exchange.upstream_ended_ns - exchange.forwarded_ns) / _NS_PER_S)
        if exchange.admitted_ns and exchange.cost_nano_usd is not None:
            after_ns = time.monotonic_ns() - exchange.upstream_ended_ns
            before_ns = exchange.forwarded_ns - exchange.admitted_ns
            self._timed.added.observe((before_ns + after_ns) / _NS_PER_S)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry)


class _Timed(Collector):
    """Everything that is measured at each request."""

    def __init__(self) -> None:
        self.added = Distribution(ADDED_BUCKETS_S)
        self.link_batch = Distribution(BATCH_BUCKETS)
        self.link_round_trip = Distribution(LINK_BUCKETS_S)
        self._first_byte: dict[str, Distribution] = {}
        self._upstream: dict[str, Distribution] = {}

    def of_provider(self, slug: str) -> tuple[Distribution, Distribution]:
        """A provider's time to its headers, and to the end of its answer."""
        if slug not in self._upstream:
            self._first_byte[slug] = Distribution(UPSTREAM_BUCKETS_S)
            self._upstream[slug] = Distribution(UPSTREAM_BUCKETS_S)
        return self._first_byte[slug], self._upstream[slug]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield them all."""
        yield histogram(
            "mintgate_upstream_seconds",
            "From sending a request to the end of the provider's answer.",
            self._upstream,
            "provider",
        )
        yield histogram(
            "mintgate_upstream_first_byte_seconds",
            "From sending a request to the headers of the provider's answer.",
            self._first_byte,
            "provider",
        )
        yield histogram(
            "mintgate_added_latency_seconds",
            "Time of a charged request in the gateway without the provider: from its last byte "
            "read to forwarding it, and from the answer's end to its charge being durable.",
            {"": self.added},
        )
        yield histogram(
            "mintgate_link_batch_operations",
            "Ledger operations in one message.",
            {"": self.link_batch},
        )
        yield histogram(
            "mintgate_link_round_trip_seconds",
            "From sending a message to the ledger to its answer.",
            {"": self.link_round_trip},
        )


class _Revocations(Collector):
    """Counted where requests are ended; read here."""

    def __init__(self, holds: ActiveHolds) -> None:
        self._holds = holds

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the one counter."""
        yield CounterMetricFamily(
            "mintgate_revocations_ended",
            "Running requests that were ended because their key was revoked.",
            self._holds.revoked_count,
        )
