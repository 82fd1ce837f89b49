"""`make fuzz`: each property under a fuzzer that coverage guides, for so many seconds.

What it finds is a file in build/fuzz/; `python -m tests.fuzz --repeat FILE` tries it again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.fuzz.inputs import PROPERTIES

ROOT = Path(__file__).resolve().parent.parent.parent
FOUND = ROOT / "build" / "fuzz"
SECONDS = 60


def main() -> int:
    """Return 1 when there was a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each property")
    parser.add_argument("--target", choices=PROPERTIES, help="only this property")
    parser.add_argument("--repeat", type=Path, metavar="FILE", help="try a finding again")
    options = parser.parse_args()
    if options.repeat:
        # Raises as it did.
        PROPERTIES[options.repeat.resolve().parent.name].run(options.repeat.read_bytes())
        return 0
    names = [options.target] if options.target else list(PROPERTIES)
    failed = [name for name in names if not _holds(name, options.seconds)]
    for name in failed:
        sys.stderr.write(f"{name}: see {FOUND / name}, and tests/README.md\n")
    return 1 if failed else 0


def _holds(name: str, seconds: int) -> bool:
    command = [sys.executable, "-m", "tests.fuzz.guided", name, str(FOUND / name), str(seconds)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
