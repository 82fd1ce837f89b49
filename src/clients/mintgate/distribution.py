"""A histogram in plain integers, for figures that are taken at every request.

Prometheus's own client locks and walks all buckets at each observation, which
costs several microseconds; this is a search and two additions. A process
observes on its one loop, so there is nothing to lock.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prometheus_client.core import HistogramMetricFamily


class Distribution:
    """Counts by bucket, and the sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(float(bound) for bound in bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Add one value; a bucket holds what is at most its bound."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def sum(self) -> float:
        """Of all values."""
        return self._sum

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bounds as text with how many values are at most that, the last one all."""
        names = [*map(str, self._bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))


def histogram(
    name: str, text: str, by_label: Mapping[str, Distribution], label: str = ""
) -> HistogramMetricFamily:
    """Return distributions as a metric, one series for each value of `label`."""
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415 - the server's

    family = HistogramMetricFamily(name, text, labels=[label] if label else [])
    for value, distribution in by_label.items():
        family.add_metric([value] if label else [], distribution.buckets(), distribution.sum)
    return family
