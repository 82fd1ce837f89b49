"""Histograms in plain integers say what Prometheus's own would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mintgate.distribution import Distribution, histogram
from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

BOUNDS = (0.5, 1, 2.5)
VALUES = (0.0, 0.5, 0.50001, 1, 2.4, 2.5, 3, 1e9)


class Shown(Collector):
    def __init__(self, family: HistogramMetricFamily) -> None:
        self.family = family

    def collect(self) -> Iterator[HistogramMetricFamily]:
        yield self.family


@pytest.mark.parametrize("label", ["", "provider"])
def test_the_page_is_the_same(label: str) -> None:
    """The same values give the same text, with a label and without, values on bounds included."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the package has no type for it
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    known = Histogram(
        "x_seconds", "Text.", [label] if label else [], buckets=BOUNDS, registry=theirs
    )
    child = known.labels("openai") if label else known
    own = Distribution(BOUNDS)
    for value in VALUES:
        child.observe(value)
        own.observe(value)
    key = "openai" if label else ""
    ours.register(Shown(histogram("x_seconds", "Text.", {key: own}, label)))
    assert generate_latest(ours) == generate_latest(theirs)
