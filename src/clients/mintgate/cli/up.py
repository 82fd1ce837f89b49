"""`mintgate up`: the whole gateway under one supervisor.

    simulator (when providers are simulated) → core → N facades on one port

Children get their settings by environment. The core's first master key comes
through a pipe and is shown once; it is written nowhere.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console

from mintgate import logs, tokens
from mintgate._config_values import reachable
from mintgate.config import DEFAULT
from mintgate.providers import SIMULATED_PATHS

from ._app import EXIT_FAILED, CliError
from ._banner import banner
from ._child import Bounds, ChildSpec
from ._grpc import with_grpc
from ._ports import claim
from ._supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mintgate.config import Settings

_log = logging.getLogger("mintgate.supervisor")

READY_MARK: Final = "MINTGATE_READY "
MASTER_KEY_MARK: Final = "MINTGATE_MASTER_KEY "
SIMULATOR_READY_MARK: Final = "listening on "
STOP_MARGIN_S: Final = 15.0
"""What a facade may take beyond its drain time: to end requests, and to empty its outbox."""
SIMULATOR_HOST: Final = "127.0.0.1"


def run_up(settings: Settings) -> int:
    """Run until SIGTERM, SIGINT or a hopeless child; return the exit status.

    Raises `CliError` when it cannot start: no provider at all, a port in use,
    another `mintgate up` on the same data directory.
    """
    if not settings.simulated and not any(p.configured for p in settings.providers.values()):
        raise CliError(
            "MINTGATE_SIMULATE is 0 and no provider key is set; "
            "set one, for example OPENAI_API_KEY, or MINTGATE_SIMULATE=1"
        )
    tokens.load_or_create(settings)
    run_dir = settings.data_dir / "run"
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _only_one(run_dir):
        settings, simulator_port = _with_ports(settings)
        _migrate(settings)
        return asyncio.run(_supervise(settings, plan(settings, simulator_port), run_dir))


def _migrate(settings: Settings) -> None:
    """Bring a database to this release's schema; a file is brought there by its core.

    One command is a whole installation. Where cores run by themselves, during a rolling
    upgrade above all, the operator says when.
    """
    if not settings.store_is_postgres:
        return
    environment = _without_settings(settings) | settings.environment(provider_keys=False)
    done = subprocess.run(
        [sys.executable, "-m", "mintgate_core", "migrate"], env=environment, check=False
    )
    if done.returncode:
        raise CliError("the database is not at the schema of this release")


def plan(settings: Settings, simulator_port: int) -> list[list[ChildSpec]]:
    """Return the stages: what runs, in which order, with which environment."""
    settings = _pointed_at_simulator(settings, simulator_port)
    inherited = _without_settings(settings)
    stages = []
    if settings.simulated:
        log_format = settings.log_format
        # It answers for providers and needs to know nothing of ours.
        simulator = _spec(
            "simulator",
            (
                "mintgate_simulator",
                "--host",
                SIMULATOR_HOST,
                "--port",
                str(simulator_port),
                "--log-format",
                log_format,
            ),
            inherited,
            SIMULATOR_READY_MARK,
        )
        stages.append([simulator])
    core = inherited | settings.environment(provider_keys=False)
    stages.append([_spec("core", ("mintgate_core", "serve"), core, READY_MARK)])
    facade = inherited | settings.environment(provider_keys=True)
    stages.append(
        [
            _spec(
                f"facade-{worker}",
                ("mintgate_facade", "--worker", str(worker)),
                facade,
                READY_MARK,
            )
            for worker in range(settings.workers)
        ]
    )
    return stages


def _spec(
    name: str, module: tuple[str, ...], environment: dict[str, str], ready_mark: str
) -> ChildSpec:
    return ChildSpec(
        name=name,
        argv=(sys.executable, "-m", *module),
        environment=environment,
        ready_mark=ready_mark,
    )


def _pointed_at_simulator(settings: Settings, port: int) -> Settings:
    """Return settings whose providers are the simulator's twins.

    A base URL that the operator set stays, with its key. No other provider key
    is handed out: a simulated gateway must not be able to spend money.
    """
    if not settings.simulated:
        return settings
    providers = dict(settings.providers)
    for name, provider in settings.providers.items():
        if settings.sources[f"{name}.base_url"] != DEFAULT:
            continue
        path = SIMULATED_PATHS.get(name)
        base_url = f"http://{SIMULATOR_HOST}:{port}{path}" if path else provider.base_url
        providers[name] = replace(provider, base_url=base_url, api_key=None)
    return replace(settings, simulate=True, simulator_port=port, providers=providers)


def _without_settings(settings: Settings) -> dict[str, str]:
    """Return this process's environment without any setting or provider key of ours."""
    keys = {f"{name.upper()}_API_KEY" for name in settings.providers}
    passed_on = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MINTGATE_") and name not in keys
    }
    # Ready lines are read from a pipe, where Python would otherwise keep them back.
    return with_grpc(passed_on) | {"PYTHONUNBUFFERED": "1"}


def _with_ports(settings: Settings) -> tuple[Settings, int]:
    """Return settings with every port picked and free, and the simulator's port."""
    http_port = claim(settings.host, settings.http_port, "MINTGATE_HTTP_PORT")
    grpc_port = claim(settings.host, settings.grpc_port, "MINTGATE_GRPC_PORT")
    simulator_port = 0
    if settings.simulated:
        simulator_port = claim(SIMULATOR_HOST, settings.simulator_port, "MINTGATE_SIMULATOR_PORT")
    return settings.with_ports(http_port=http_port, grpc_port=grpc_port), simulator_port


@contextmanager
def _only_one(run_dir: Path) -> Iterator[None]:
    """Hold the data directory's lock, and this process's pid in a file beside it."""
    with (run_dir / "up.lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CliError(f"another `mintgate up` runs on {run_dir.parent}") from None
        pid_file = run_dir / "up.pid"
        pid_file.write_text(f"{os.getpid()}\n", encoding="ascii")
        try:
            yield
        finally:
            pid_file.unlink(missing_ok=True)


def _echo(line: str) -> None:
    typer.echo(line, err=True)


@dataclass(slots=True)
class _Lines:
    """Sorts the children's lines: the master key is kept, the rest goes to stderr."""

    master_key: str | None = None

    def take(self, child: str, line: str) -> None:
        if line.startswith(MASTER_KEY_MARK):
            self.master_key = line.removeprefix(MASTER_KEY_MARK).strip()
        else:
            typer.echo(f"[{child}] {line}", err=True)


async def _supervise(
    settings: Settings, stages: Sequence[Sequence[ChildSpec]], run_dir: Path
) -> int:
    """Run the stages with signals wired up; say how it went."""
    logs.configure(settings.log_level, settings.log_format, process="supervisor")
    lines = _Lines()
    status = Console(stderr=True).status("starting")
    supervisor = Supervisor(
        stages,
        run_dir=run_dir,
        on_line=lines.take,
        log=_log.warning if logs.is_json(settings.log_format) else _echo,
        on_stage=lambda names: status.update(f"waiting for {names}"),
        bounds=Bounds(
            restarts_max=settings.restarts_per_minute,
            stop_s=settings.drain_seconds + STOP_MARGIN_S,
        ),
    )

    def on_ready() -> None:
        status.stop()
        typer.echo(banner(settings, lines.master_key))
        if not sys.stdout.isatty():
            # For scripts, which may have let us pick the ports.
            http = reachable(settings.host, settings.http_port)
            grpc = reachable(settings.host, settings.grpc_port)
            typer.echo(f"{READY_MARK}http={http} grpc={grpc}")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.request_stop)
    with status:
        failure = await supervisor.run(on_ready)
    if failure is not None:
        typer.echo(f"error: {failure}", err=True)
        return EXIT_FAILED
    return 0
