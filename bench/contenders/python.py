"""The yardstick: `bench.forwarder` on uvicorn, as that comes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from bench import forwarder
from bench.contenders.base import CREDENTIAL, Contender, Running, bearer
from bench.page import ROOT
from bench.servers import scratch, server
from tests.ports import free_port

PACKAGES = ("starlette", "aiohttp", "uvicorn")


@contextmanager
def start(upstream: str) -> Iterator[Running]:
    """One process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [
        *(sys.executable, "-m", "uvicorn", f"{forwarder.__name__}:app", "--app-dir", ROOT),
        *("--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "warning"),
    ]
    with (
        scratch() as directory,
        server(command, url, directory, {forwarder.UPSTREAM_VARIABLE: upstream}) as pid,
    ):
        yield Running(url, bearer(CREDENTIAL), (pid,))


def versions() -> str:
    """Of the parts that it is made of."""
    parts = [f"{name} {version(name)}" for name in PACKAGES]
    return f"on {', '.join(parts)}"


PYTHON = Contender(
    "python",
    "plain proxy in Python",
    start,
    versions,
    note="`bench/forwarder.py`, 60 lines: Starlette and aiohttp on uvicorn; no keys and no caps",
)
