"""`python -m bench.quick`: the ratios to a direct call, to nginx and to a plain proxy in Python.

Takes under two minutes. Fails when the ratio to the plain proxy is below two thirds of the
one in `bench/floor.json`, twice in a row, or when an answer is wrong. `--keep` stores what
was found.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from bench import floor, page
from bench.contenders.base import Contender, Running
from bench.contenders.mintgate import MINTGATE_POSTGRES, MINTGATE_SQLITE
from bench.contenders.plain import DIRECT, NGINX
from bench.contenders.python import PYTHON
from bench.measure import Measured, measure, probe, warm_up
from bench.upstream import upstream
from bench.workload import CASE_BY_NAME, Case

SECONDS = 1.0
TURNS = 3
"""Ours and the plain proxy are loaded in turns: what else the machine does changes from one
second to the next, and then meets both."""
ALONE = CASE_BY_NAME["json-1"]
"""Its latency is shown; its throughput is that latency again."""
CASES = (CASE_BY_NAME["json-32"], CASE_BY_NAME["stream-32"])
OURS = (MINTGATE_SQLITE, MINTGATE_POSTGRES)


@dataclass(frozen=True)
class Limits:
    """What ours is compared with, started."""

    direct: Running
    nginx: Running
    python: Running


@dataclass(frozen=True)
class Compared:
    """One case of one of ours, beside the limits and the yardstick."""

    contender: Contender
    case: Case
    direct: Measured
    nginx: Measured
    python_per_second: float
    per_second: float
    p50_ms: float

    @property
    def of_python(self) -> float:
        """Answers a second, ours to the plain proxy's."""
        return self.per_second / self.python_per_second

    def row(self, stored: floor.Ratios) -> list[str]:
        """A line of the table."""
        kept = stored.get(self.contender.name, {}).get(self.case.name)
        return [
            self.contender.title,
            self.case.name,
            page.number(self.direct.per_second),
            page.number(self.nginx.per_second),
            page.number(self.python_per_second),
            page.number(self.per_second),
            page.percent(self.per_second / self.direct.per_second),
            page.percent(self.per_second / self.nginx.per_second),
            page.percent(self.of_python),
            page.percent(kept),
            page.number(self.p50_ms - self.direct.p50_ms, 2),
        ]


HEAD = (
    "",
    "case",
    "direct/s",
    "nginx/s",
    "python/s",
    "ours/s",
    "of direct",
    "of nginx",
    "of python",
    "stored",
    "added p50, ms",
)


def main() -> int:
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(prog="python -m bench.quick", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--keep", action="store_true", help="store the ratios as the new floor")
    options = parser.parse_args()
    stored = floor.stored()
    found: list[Compared] = []
    failed: list[Compared] = []
    with upstream() as address:
        for contender in OURS:
            compared, below = side_by_side(contender, address, options.seconds, stored)
            found += compared
            failed += below
    print(page.table(HEAD, [each.row(stored) for each in found]))
    for each in failed:
        least = floor.least(stored, each.contender.name, each.case.name)
        print(
            f"{each.contender.title}, {each.case.name}: {page.percent(each.of_python)} of the plain"
            f" proxy's throughput twice in a row, less than {page.percent(least)}",
            file=sys.stderr,
        )
    if options.keep:
        floor.FLOOR.write_text(json.dumps(ratios(found), indent=1) + "\n")
    return int(bool(failed))


def side_by_side(
    contender: Contender, address: str, seconds: float, stored: floor.Ratios
) -> tuple[list[Compared], list[Compared]]:
    """All cases, with the limits beside each; a fall is measured once more."""
    with ExitStack() as stack:
        limits = Limits(
            *(stack.enter_context(each.start(address)) for each in (DIRECT, NGINX, PYTHON))
        )
        ours = stack.enter_context(contender.start(address))
        for running in (limits.python, ours):
            probe(running)
            warm_up(running, CASES)

        def once(case: Case) -> Compared:
            return compare(contender, case, limits, ours, seconds)

        found: list[Compared] = []
        failed: list[Compared] = []
        for case in (ALONE, *CASES):
            compared = once(case)
            if floor.fallen(stored, ratios([compared])):
                compared = once(case)
                if floor.fallen(stored, ratios([compared])):
                    failed.append(compared)
            found.append(compared)
    return found, failed


def compare(
    contender: Contender, case: Case, limits: Limits, ours: Running, seconds: float
) -> Compared:
    """One case on all of them. Fails when one of our requests does."""
    direct, nginx = (measure(running, case, seconds) for running in (limits.direct, limits.nginx))
    turns = [
        (measure(limits.python, case, seconds), measure(ours, case, seconds)) for _ in range(TURNS)
    ]
    failures = sum(mine.failures for _, mine in turns)
    assert not failures, f"{contender.title}, {case.name}: {failures} requests failed"
    return Compared(
        contender,
        case,
        direct,
        nginx,
        statistics.median(python.per_second for python, _ in turns),
        statistics.median(mine.per_second for _, mine in turns),
        statistics.median(mine.p50_ms for _, mine in turns),
    )


def ratios(found: list[Compared]) -> dict[str, dict[str, float]]:
    """What a floor is made of: not the single client's, which is latency and not throughput."""
    kept: dict[str, dict[str, float]] = {}
    for each in found:
        if each.case in CASES:
            kept.setdefault(each.contender.name, {})[each.case.name] = round(each.of_python, 2)
    return kept


if __name__ == "__main__":
    sys.exit(main())
