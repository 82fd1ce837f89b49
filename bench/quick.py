"""`python -m bench.quick`: the ratios to a direct call and to nginx, in under two minutes.

Fails when a ratio to nginx is below half of the one in `bench/floor.json`, twice in a row,
or when an answer is wrong. `--keep` stores what was found.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from bench import floor, page
from bench.contenders.base import Contender, Running
from bench.contenders.mintgate import MINTGATE_POSTGRES, MINTGATE_SQLITE
from bench.contenders.plain import DIRECT, NGINX
from bench.measure import Measured, measure, probe, warm_up
from bench.upstream import upstream
from bench.workload import CASE_BY_NAME, Case

SECONDS = 2.0
ALONE = CASE_BY_NAME["json-1"]
"""Its latency is shown; its throughput is that latency again."""
CASES = (CASE_BY_NAME["json-32"], CASE_BY_NAME["stream-32"])
OURS = (MINTGATE_SQLITE, MINTGATE_POSTGRES)


@dataclass(frozen=True)
class Compared:
    """One case of one of ours, beside the two limits."""

    contender: Contender
    case: Case
    direct: Measured
    nginx: Measured
    ours: Measured

    @property
    def of_nginx(self) -> float:
        """Answers a second, ours to nginx's."""
        return self.ours.per_second / self.nginx.per_second

    def row(self, stored: floor.Ratios) -> list[str]:
        """A line of the table."""
        kept = stored.get(self.contender.name, {}).get(self.case.name)
        return [
            self.contender.title,
            self.case.name,
            page.number(self.direct.per_second),
            page.number(self.nginx.per_second),
            page.number(self.ours.per_second),
            page.percent(self.ours.per_second / self.direct.per_second),
            page.percent(self.of_nginx),
            page.percent(kept),
            page.number(self.ours.p50_ms - self.direct.p50_ms, 2),
        ]


HEAD = (
    "",
    "case",
    "direct/s",
    "nginx/s",
    "ours/s",
    "of direct",
    "of nginx",
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
            f"{each.contender.title}, {each.case.name}: {page.percent(each.of_nginx)} of nginx's"
            f" throughput twice in a row, less than {page.percent(least)}",
            file=sys.stderr,
        )
    if options.keep:
        floor.FLOOR.write_text(json.dumps(ratios(found), indent=1) + "\n")
    return int(bool(failed))


def side_by_side(
    contender: Contender, address: str, seconds: float, stored: floor.Ratios
) -> tuple[list[Compared], list[Compared]]:
    """All cases, with the limits measured just before each; a fall is measured once more."""
    with ExitStack() as stack:
        direct, nginx, ours = (
            stack.enter_context(each.start(address)) for each in (DIRECT, NGINX, contender)
        )
        probe(ours)
        warm_up(ours, CASES)

        def once(case: Case) -> Compared:
            return compare(contender, case, (direct, nginx, ours), seconds)

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
    contender: Contender, case: Case, runs: tuple[Running, Running, Running], seconds: float
) -> Compared:
    """One case on all three. Fails when one of our requests does."""
    direct, nginx, ours = (measure(running, case, seconds) for running in runs)
    assert not ours.failures, f"{contender.title}, {case.name}: {ours.failures} requests failed"
    return Compared(contender, case, direct, nginx, ours)


def ratios(found: list[Compared]) -> dict[str, dict[str, float]]:
    """What a floor is made of: not the single client's, which is latency and not throughput."""
    kept: dict[str, dict[str, float]] = {}
    for each in found:
        if each.case in CASES:
            kept.setdefault(each.contender.name, {})[each.case.name] = round(each.of_nginx, 3)
    return kept


if __name__ == "__main__":
    sys.exit(main())
