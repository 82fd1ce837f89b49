"""`python -m bench`: gateways against a direct call and two plain proxies, side by side.

Each round starts every contender in turn in front of the same upstream, checks that its
answers are right, loads it, lets fifty requests at once run at a cap, and stops it. Absolute
figures are this machine's. What was found is printed as multiples beside those of
docs/performance.md, which change less. `--write` puts the tables into the page.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bench import again, page, report
from bench.contenders import BY_NAME, CONTENDERS, OURS
from bench.contenders.base import Contender
from bench.machine import load_average, machine
from bench.measure import turn
from bench.plot import draw
from bench.summary import summarise
from bench.upstream import upstream, versions
from bench.workload import CASES

ROUNDS = 3
SECONDS = 5.0
PARTS = ("comparison", "comparison-slower")
"""The page has the tables of two machines; the first ones have the plot."""
PICTURE = f"![Requests a second, on a scale of tens]({page.PLOT.name})"
PEERS = ("litellm", "litellm-tuned", "portkey")
"""Whose failure leaves them out; a failure of ours ends the run."""


def main() -> int:
    """Measure or only write again; exits 1 when a request of ours failed or a cap was passed."""
    options = arguments()
    data = page.kept(options.part) if options.render else measured(options)
    if data is None:
        print("nothing was kept yet: run with --write", file=sys.stderr)
        return 1
    text = report.comparison(data)
    print(text)
    if not options.render:
        print(beside_the_page(data["figures"]))
    if options.write or options.render:
        if options.part == PARTS[0]:
            page.PLOT.write_text(draw(data["figures"]))
            text = f"{PICTURE}\n\n{text}"
        page.write(options.part, text, data)
    return int(wrong(data["figures"]))


def beside_the_page(figures: dict[str, Any]) -> str:
    """What was found as multiples of each other contender, beside those that the page has."""
    kept = [data for part in PARTS if (data := page.kept(part))]
    return "\n\n".join(
        f"\nAs multiples, on the {data['machine']['processor']} of {page.PAGE.name} and now:\n\n"
        + again.beside(figures, data["figures"])
        for data in kept
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each case; whole ones")
    parser.add_argument(
        "--contenders",
        type=lambda text: text.split(","),
        default=list(BY_NAME),
        help=f"comma-separated, of {','.join(BY_NAME)}",
    )
    parser.add_argument(
        "--part", choices=PARTS, default=PARTS[0], help="which of the page to write"
    )
    parser.add_argument("--write", action="store_true", help="into docs/performance.*")
    parser.add_argument("--render", action="store_true", help="write docs again, do not measure")
    options = parser.parse_args()
    if unknown := set(options.contenders) - set(BY_NAME):
        parser.error(f"unknown contenders: {', '.join(sorted(unknown))}")
    return options


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Run all rounds."""
    chosen = [each for each in CONTENDERS if each.name in options.contenders]
    left_out = {each.name: why for each in chosen if (why := each.missing())}
    present = [each for each in chosen if each.name not in left_out]
    busy = load_average()
    rounds: list[dict[str, Any]] = []
    with upstream() as address:
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            rounds.append(one_round(present, address, options.seconds, left_out))
    data = {
        "date": datetime.now(UTC).date().isoformat(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "load_average": round(busy, 1),
        "machine": machine(),
        "tools": versions(),
        "versions": {each.name: each.version() for each in present},
        "left_out": left_out,
        "figures": summarise(rounds),
    }
    path = page.save(f"comparison-{datetime.now(UTC):%Y%m%dT%H%M%S}", data | {"turns": rounds})
    print(f"every figure is in {path}", file=sys.stderr)
    return data


def one_round(
    contenders: Sequence[Contender], address: str, seconds: float, left_out: dict[str, str]
) -> dict[str, Any]:
    """Everybody once, one after the other."""
    found: dict[str, Any] = {}
    for contender in contenders:
        if contender.name in left_out:
            continue
        started = time.monotonic()
        try:
            found[contender.name] = turn(contender, address, CASES, seconds).as_json()
        except Exception as error:
            if contender.name not in PEERS:
                raise
            lines = str(error).strip().splitlines() or [type(error).__name__]
            left_out[contender.name] = lines[-1][:200]
            print(f"{contender.title} is left out: {error}", file=sys.stderr)
        else:
            print(f"  {contender.title}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return found


def wrong(figures: dict[str, Any]) -> bool:
    """Whether one of ours failed a request or passed a cap."""
    return any(
        each["over_nano_usd"] or any(case["failures"] for case in each["cases"].values())
        for name, each in figures.items()
        if name in OURS
    )


if __name__ == "__main__":
    sys.exit(main())
