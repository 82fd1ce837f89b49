"""The command line, `mintgate`."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from typing import Annotated, Final

import typer

from . import accounts, holds, keys, meter, prices, server, wallet
from ._app import EXIT_FAILED, ErrorLineGroup

app: Final = typer.Typer(
    cls=ErrorLineGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Sell AI safely: mint a key per user, cap it hard, meter it exactly.",
)
server.add_to(app)
app.add_typer(keys.app, name="keys")
app.add_typer(accounts.app, name="accounts")
app.add_typer(wallet.app, name="wallet")
app.command()(holds.holds)
app.command()(meter.usage)
app.command()(meter.events)
app.add_typer(prices.app, name="prices")


def _say_version(asked: bool) -> None:  # noqa: FBT001 - called so by the library
    if asked:
        typer.echo(f"mintgate {importlib.metadata.version('mintgate')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which this is."),
    ] = False,
) -> None:
    """Take what concerns no command."""


def main() -> None:
    """Run the command line; the entry point of the `mintgate` script."""
    try:
        app()
    except Exception as error:
        # A defect of ours. A person gets a line; the log level gets the rest.
        if os.environ.get("MINTGATE_LOG_LEVEL", "").lower() == "debug":
            raise
        sys.stderr.write(
            f"error: a defect of mintgate ({type(error).__name__}: {error}); "
            f"set MINTGATE_LOG_LEVEL=debug to see where\n"
        )
        sys.exit(EXIT_FAILED)
