"""Commands that run the gateway's own processes, and that look at its settings.

Nothing here imports a server package: each process is its own interpreter, and
an install without the server extra is told what to do.
"""

import importlib.util
import os
import sys
from typing import Annotated, Final

import typer

from mintgate.config import Settings

from ._app import CliError
from ._connection import JsonOption
from ._grpc import with_grpc
from ._output import print_json, print_table

SERVER_PACKAGES: Final = (
    "aiohappyeyeballs",
    "alembic",
    "fastapi",
    "genai_prices",
    "grpc_health",
    "grpc_reflection",
    "orjson",
    "psycopg",
    "uvicorn",
)
"""What the processes import that the base install does not bring."""

PASS_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Arguments that a command does not know are the process's own."""


def core(context: typer.Context) -> None:
    """Run the core: keys, ledger and meter over gRPC."""
    become("mintgate_core", "serve", *context.args)


def http(context: typer.Context) -> None:
    """Run one facade: the HTTP side, against a core that runs."""
    become("mintgate_facade", *context.args)


def simulate(context: typer.Context) -> None:
    """Run the simulator of providers."""
    become("mintgate_simulator", *context.args)


def migrate(context: typer.Context) -> None:
    """Bring the store's tables up to date."""
    become("mintgate_core", "migrate", *context.args)


def audit(context: typer.Context) -> None:
    """Check the ledger's invariants over what is new, with --full over all; exit 1 on findings."""
    become("mintgate_core", "audit", *context.args)


def up() -> None:
    """Run everything: simulator if needed, core, facades. Ctrl-C stops it."""
    require_server()
    # Imported here, so that the other commands start without asyncio.
    from .up import run_up  # noqa: PLC0415

    settings = Settings.load()
    raise typer.Exit(run_up(settings))


def check_config(*, as_json: JsonOption = False) -> None:
    """Show every effective setting and its source; fail on nonsense."""
    settings = Settings.load()
    described = settings.describe()
    if as_json:
        values = [
            {"name": entry.name, "value": entry.value, "source": entry.source}
            for entry in described
        ]
        print_json({"simulated": settings.simulated, "settings": values})
        return
    rows = [(entry.name, entry.value or "(unset)", entry.source) for entry in described]
    print_table(("setting", "value", "source"), rows, empty="")
    typer.echo(f"\nproviders are {'simulated' if settings.simulated else 'real'}")


def providers(
    *,
    configured: Annotated[
        bool, typer.Option("--configured", help="Only those with a key.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the providers, and which of them have a key here."""
    settings = Settings.load()
    shown = [
        provider
        for provider in settings.providers.values()
        if provider.configured or not configured
    ]
    if as_json:
        values = [
            {"name": each.name, "configured": each.configured, "base_url": each.base_url}
            for each in shown
        ]
        print_json({"simulated": settings.simulated, "providers": values})
        return
    rows = [(each.name, "yes" if each.configured else "no", each.base_url) for each in shown]
    print_table(("provider", "key", "base URL"), rows, empty="no provider has a key")


def become(module: str, *arguments: str) -> None:
    """Replace this process by `python -m module`; signals and status are then its own."""
    require_server()
    Settings.load()  # A misspelt setting is told here, in one line.
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-m", module, *arguments]
    os.execve(sys.executable, command, with_grpc(os.environ))  # noqa: S606  # No shell.


def require_server() -> None:
    """Raise `CliError` when the server extra is not installed; imports nothing."""
    missing = [name for name in SERVER_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise CliError(
            f"this needs the server (missing: {', '.join(missing)}): pip install 'mintgate[server]'"
        )


def add_to(app: typer.Typer) -> None:
    """Add these commands to the root, in the order in which help shows them."""
    app.command()(up)
    for process in (core, http, simulate, migrate, audit):
        app.command(context_settings=PASS_ON, add_help_option=False)(process)
    app.command("check-config")(check_config)
    app.command()(providers)
