"""`python -m bench.scale`: how throughput, latency, memory and the database's work grow.

Every part can be run alone and with other sizes, so that a short run is possible:
`python -m bench.scale --parts keys --keys 10,1000 --seconds 1`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bench import page, stores
from bench.machine import load_average, machine
from bench.scale import events, keys, streams, wallets

SECONDS = 5.0
LEDGER_ROUNDS = 3
PARTS = {
    "keys": keys.text,
    "streams": streams.text,
    "events": events.text,
    "wallets": wallets.text,
    "ledger": stores.text,
}


def main() -> int:
    """Measure what was asked for, print it, and keep it."""
    options = arguments()
    for part in options.parts:
        if options.render:
            data = page.kept(f"scale-{part}")
        else:
            busy = load_average()
            data = {
                "date": datetime.now(UTC).date().isoformat(),
                "machine": machine(),
                "load_average": round(busy, 1),
                "rows": measure(part, options),
            }
            page.save(f"scale-{part}-{datetime.now(UTC):%Y%m%dT%H%M%S}", data)
        if data is None:
            continue
        text = f"{provenance(data)}\n\n{PARTS[part](data['rows'])}"
        print(text, end="\n\n")
        if options.write or options.render:
            page.write(f"scale-{part}", text, data)
    return 0


def measure(part: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One part, with the sizes of the command line."""
    if part == "ledger":
        rows = stores.rows(LEDGER_ROUNDS, options.seconds)
        assert not any(row["audit_findings"] for row in rows), rows
        return rows
    return [asdict(row) for row in figures(part, options)]


def figures(part: str, options: argparse.Namespace) -> Sequence[Any]:
    """A part of this package."""
    if part == "keys":
        return keys.measure(options.keys, options.seconds, options.stores)
    if part == "streams":
        return streams.measure(options.streams)
    if part == "events":
        counts = {"sqlite": options.sqlite_events, "postgresql": options.events}
        return events.measure({name: counts[name] for name in options.stores})
    return wallets.measure(options.wallets, options.workers, options.seconds)


def provenance(data: dict[str, Any]) -> str:
    """On what and when."""
    return (
        f"{data['date']}. {'; '.join(data['machine'].values())}."
        f" Load average before: {data['load_average']:.1f}."
    )


def arguments() -> argparse.Namespace:
    """The command line."""

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    def names(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--parts", type=names, default=list(PARTS))
    parser.add_argument("--stores", type=names, default=["sqlite", "postgresql"])
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--keys", type=numbers, default=list(keys.STEPS))
    parser.add_argument("--streams", type=numbers, default=list(streams.STEPS))
    parser.add_argument("--events", type=int, default=events.EVENTS["postgresql"])
    parser.add_argument("--sqlite-events", type=int, default=events.EVENTS["sqlite"])
    parser.add_argument("--wallets", type=int, default=wallets.COLD, help="cold ones")
    parser.add_argument("--workers", type=numbers, default=list(wallets.WORKERS))
    parser.add_argument("--write", action="store_true", help="into docs/performance.*")
    parser.add_argument("--render", action="store_true", help="write docs again, do not measure")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
