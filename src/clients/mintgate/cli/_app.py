"""What every command shares: one clear line for an error, and never a traceback."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperGroup

from mintgate.config import ConfigError
from mintgate.errors import MintgateError

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it.


class CliError(Exception):
    """A command cannot go on; the message is the line that is printed."""


class ErrorLineGroup(TyperGroup):
    """The root of all commands: turns what they raise into a line and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for; `ctx` is the context of typer's own click."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            fail(*error.problems)
        except MintgateError as error:
            fail(str(error) or type(error).__name__)
        except CliError as error:
            fail(str(error))
        except BrokenPipeError:
            raise  # The reader has left, as `head` does; click ends quietly.
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            fail(f"{where}{error.strerror or error}")
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None


def fail(*lines: str) -> None:
    """Print lines on stderr and leave with a failure."""
    for line in lines:
        typer.echo(f"error: {' '.join(line.split())}", err=True)
    raise typer.Exit(EXIT_FAILED) from None


def group(help_text: str) -> typer.Typer:
    """Return a group of commands that shows its help when it is called without one."""
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode=None)
