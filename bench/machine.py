"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine() -> dict[str, str]:
    """Processor, kernel, memory and Python, as a reader of figures wants to know them."""
    return {
        "processor": f"{os.cpu_count()} x {processor()}",
        "memory": f"{memory_gb():.0f} GB",
        "kernel": f"Linux {platform.release()}",
        "system": system(),
        "python": f"Python {platform.python_version()}",
    }


def processor() -> str:
    """The processor's name, with family and model where the name says little."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    first: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        first.setdefault(name.strip(), value.strip())
    model = first.get("model name", platform.machine())
    return f"{model} (family {first.get('cpu family', '?')}, model {first.get('model', '?')})"


def memory_gb() -> float:
    """All memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def system() -> str:
    """The distribution."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def load_average() -> float:
    """How many others want to run: figures of a busy machine are worth little."""
    return os.getloadavg()[0]
