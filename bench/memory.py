"""What processes take: memory and processor time, as Linux counts them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Megabytes of resident memory, as Linux counts them."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1_024
    raise ProcessLookupError(pid)


def processor_ns(pid: int) -> int:
    """Nanoseconds that its threads, those which still run, have been on a processor."""
    return sum(
        int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
    )


def tree(roots: Iterable[int]) -> list[int]:
    """These processes and all that they started, down to the last."""
    children: dict[int, list[int]] = {}
    for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        if fields := _stat(pid):
            children.setdefault(int(fields[1]), []).append(pid)
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children.get(pid, []))
    return found


def processor_s(roots: Iterable[int]) -> float:
    """Seconds on a processor of these trees, with what has ended in them already."""
    return sum(
        sum(int(value) for value in fields[11:15]) / TICKS_PER_S
        for fields in map(_stat, tree(roots))
        if fields
    )


def proportional_mb(roots: Iterable[int]) -> float:
    """Megabytes that these trees take, where pages that several share count once."""
    total_kb = 0
    for pid in tree(roots):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (ProcessLookupError, FileNotFoundError):
            continue
        total_kb += sum(
            int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")
        )
    return total_kb / 1_024


def _stat(pid: int) -> list[str]:
    """Fields of /proc/pid/stat from the state on, after a name that may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (ProcessLookupError, FileNotFoundError):
        return []
