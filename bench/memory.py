"""Resident memory of a process."""

from __future__ import annotations

from pathlib import Path


def resident_mb(pid: int) -> float:
    """Megabytes of resident memory, as Linux counts them."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1_024
    raise ProcessLookupError(pid)
