"""Portkey's open gateway, on Node."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.contenders.base import CREDENTIAL, PEERS, Contender, Running, bearer, not_installed
from bench.servers import scratch, server
from tests.ports import free_port

HOME = PEERS / "portkey"
PACKAGE = HOME / "node_modules/@portkey-ai/gateway"
PROGRAM = PACKAGE / "build/start-server.js"


@contextmanager
def start(upstream: str) -> Iterator[Running]:
    """One process; each request says in headers where it goes."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "NODE_ENV": "production",
        # It refuses upstreams in private networks unless they are named.
        "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost",
    }
    with scratch() as directory:
        # Without its console page, which keeps every request.
        command: list[str | Path] = ["node", PROGRAM, f"--port={port}", "--headless"]
        with server(command, url, directory, environment) as pid:
            headers = bearer(CREDENTIAL) | {
                "x-portkey-provider": "openai",
                "x-portkey-custom-host": f"{upstream}/v1",
            }
            yield Running(url, headers, (pid,))


def version() -> str:
    """Of the package, and of the Node that runs it."""
    package = json.loads((PACKAGE / "package.json").read_text())
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)  # noqa: S607 - on the path
    return f"{package['version']}, Node {node.stdout.strip().removeprefix('v')}"


PORTKEY = Contender(
    "portkey",
    "Portkey gateway",
    start,
    version,
    lambda: not_installed(PROGRAM),
    "its open gateway has no keys and no caps",
)
