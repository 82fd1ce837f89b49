"""The load generator of the comparison: wrk, closed loop, one thread, kept connections."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("wrk.lua")
TIMEOUT_S = 60
"""Longer than a run: a slow contender's answers are late, and not lost."""
MARK = "figures "


@dataclass(frozen=True)
class Figures:
    """What one run came to."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failures: int

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def parse(output: str) -> Figures:
    """Read the line that `wrk.lua` writes. Raises `ValueError` when there is none."""
    for line in output.splitlines():
        if line.startswith(MARK):
            said = json.loads(line.removeprefix(MARK))
            return Figures(
                requests=said["requests"],
                seconds=said["duration_us"] / 1e6,
                p50_ms=said["p50_us"] / 1e3,
                p99_ms=said["p99_us"] / 1e3,
                failures=said["status"] + said["broken"],
            )
    raise ValueError(f"wrk gave no figures: {output}")


def run(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    clients: int,
    seconds: float,
    secrets: Sequence[str] = (),
) -> Figures:
    """Keep `clients` requests in flight for a while. wrk counts whole seconds.

    With secrets, each request is of the next one, round and round.
    """
    with tempfile.TemporaryDirectory(prefix="mintgate-wrk-") as name:
        directory = Path(name)
        (directory / "body").write_bytes(body)
        lines = "\n".join(f"{header}: {value}" for header, value in headers.items())
        (directory / "headers").write_text(lines)
        said = {
            "BENCH_BODY": str(directory / "body"),
            "BENCH_HEADERS": str(directory / "headers"),
        }
        if secrets:
            (directory / "secrets").write_text("\n".join(secrets))
            said["BENCH_SECRETS"] = str(directory / "secrets")
        command = [
            "wrk",
            "--threads=1",
            f"--connections={clients}",
            f"--duration={max(1, round(seconds))}s",
            f"--timeout={TIMEOUT_S}s",
            f"--script={SCRIPT}",
            url,
        ]
        done = subprocess.run(  # noqa: S603 - the command above
            command,
            env=os.environ | said,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + TIMEOUT_S,
        )
    if done.returncode:
        raise RuntimeError(f"wrk: {done.stderr or done.stdout}")
    return parse(done.stdout)
