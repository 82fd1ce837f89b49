"""LiteLLM's proxy: as it comes, and as its documentation says to run it in production."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.contenders.base import CREDENTIAL, PEERS, Contender, Running, bearer, not_installed
from bench.servers import scratch, server
from bench.workload import MODEL
from tests.ports import free_port

HOME = PEERS / "litellm"

OFFLINE = {
    # Else it asks GitHub for prices and waits for that at its start.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}
TUNED = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"}
TUNED_OPTIONS = ("--run_granian", "--num_workers", str(os.cpu_count() or 1))
"""A worker a processor, and the server in Rust that it offers in place of uvicorn."""


def configuration(upstream: str) -> str:
    """Its configuration; JSON is YAML."""
    parameters = {
        "model": f"openai/{MODEL}",
        "api_base": f"{upstream}/v1",
        "api_key": CREDENTIAL,
    }
    return json.dumps(
        {
            "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
            "general_settings": {"master_key": CREDENTIAL},
            "litellm_settings": {"telemetry": False},
        }
    )


@contextmanager
def start(
    upstream: str, options: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """One proxy with one model; its master key is the only key it can know here."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with scratch() as directory:
        file = directory / "config.yaml"
        file.write_text(configuration(upstream))
        command: list[str | Path] = [
            HOME / "bin/litellm",
            *("--config", file, "--host", "127.0.0.1", "--port", str(port)),
            *options,
        ]
        with server(
            command, f"{url}/health/liveliness", directory, OFFLINE | dict(environment or {})
        ) as pid:
            yield Running(url, bearer(CREDENTIAL), (pid,))


def version() -> str:
    """Of the installed package."""
    asked = "import importlib.metadata as m; print(m.version('litellm'))"
    done = subprocess.run(  # noqa: S603 - the peer's own Python
        [HOME / "bin/python", "-c", asked], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


NO_CAP = "no keys and no caps: its budgets need a database client that cannot be had offline"

LITELLM = Contender(
    "litellm",
    "LiteLLM, default",
    start,
    version,
    lambda: not_installed(HOME / "bin/litellm"),
    NO_CAP,
)
LITELLM_TUNED = Contender(
    "litellm-tuned",
    "LiteLLM, tuned",
    partial(start, options=TUNED_OPTIONS, environment=TUNED),
    version,
    lambda: not_installed(HOME / "bin/litellm"),
    f"`{' '.join(TUNED_OPTIONS)}`, {', '.join(f'`{k}={v}`' for k, v in TUNED.items())},"
    f" no callbacks; {NO_CAP}",
)
