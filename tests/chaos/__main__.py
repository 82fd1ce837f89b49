"""`python -m tests.chaos --seed N`: the long run, with its figures as JSON at the end."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from pathlib import Path

from tests.chaos.nemesis import Faults, tormenting
from tests.chaos.run import run
from tests.servers.postgres import running_postgres


def main() -> int:
    """Run once; exit 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--freezes", type=int, default=10)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--cores", type=int, default=3)
    options = parser.parse_args()
    sys.stdout.write(f"seed {options.seed}\n")
    faults = Faults(options.kills, options.freezes, options.restarts)
    with running_postgres() as server, tempfile.TemporaryDirectory() as directory:
        verdict = asyncio.run(
            run(
                Path(directory),
                server.url(server.create_database()),
                tormenting(faults, server, _say),
                seed=options.seed,
                cores=options.cores,
            )
        )
    sys.stdout.write(json.dumps(verdict.document(), indent=2) + "\n")
    clean = not verdict.wrong and not verdict.audit_findings and not verdict.holds_left
    return 0 if clean else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
