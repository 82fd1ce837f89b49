"""Options that reach a core, and the client that they describe."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Final

import typer

from mintgate import tokens
from mintgate._config_values import parse_targets
from mintgate.channel import mask
from mintgate.client import Client
from mintgate.config import Settings
from mintgate.errors import InvalidArgument, OutcomeUnknown
from mintgate.retry import RetryPolicy
from mintgate.tls import core_tls

from ._app import CliError

TargetOption = Annotated[
    str | None,
    typer.Option("--target", envvar="MINTGATE_TARGET", help="The core, host:port."),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="MINTGATE_KEY",
        show_envvar=True,
        help="A master key, or the operator's token. Default: the data directory's.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
AccountOption = Annotated[
    str, typer.Option("--account", help="Which account, when asking as the operator.")
]

_ATTEMPTS_MAX: Final = 3  # A person at a terminal would rather be told soon.


@dataclass(frozen=True, slots=True)
class Connection:
    """A client, and whether it speaks as the operator."""

    client: Client
    operator: bool

    def account(self, named: str) -> str:
        """Return the account that a command is about.

        A key has its account. The operator names one, or has only one.
        """
        if named or not self.operator:
            return named
        found = list(islice(self.client.accounts.list(page_size=2), 2))
        if len(found) != 1:
            some = "there are several accounts" if found else "there is no account yet"
            raise CliError(f"{some}; choose one with --account (see `mintgate accounts list`)")
        return found[0].id


@contextmanager
def connect(target: str | None, key: str | None) -> Iterator[Connection]:
    """Open a client by a command's options, the environment and the data directory."""
    settings = Settings.load()
    target = _checked(target) if target else settings.core_target
    operator_token = tokens.find_operator_token(settings)
    credential = key or operator_token
    if credential is None:
        raise CliError(
            f"no key: give --key or set MINTGATE_KEY "
            f"(there is no operator token in {settings.data_dir})"
        )
    retry = RetryPolicy(attempts_max=_ATTEMPTS_MAX)
    with Client(target, credential, tls=core_tls(settings, target), retry=retry) as client:
        try:
            yield Connection(client, operator=credential == operator_token)
        except OutcomeUnknown as error:
            raise CliError(
                f"no answer from a core at {target} ({error}); "
                f"start one with `mintgate up`, or name another with --target"
            ) from None
        except InvalidArgument as error:
            if error.field != "credential":
                raise
            raise CliError(f"the key {mask(credential)} cannot be sent: {error}") from None


def _checked(target: str) -> str:
    """Return what --target says as the setting would have it."""
    try:
        return parse_targets(target)
    except ValueError:
        raise CliError(
            f"--target: {target!r} is no core's address; write host:port, "
            "or several with commas between them"
        ) from None


def parse_time_ms(text: str | None, option: str) -> int:
    """Return a time as milliseconds since 1970; 0 for none.

    Takes milliseconds, or ISO 8601 ("2026-11-01", "2026-11-01T12:00:00+01:00");
    without an offset it is UTC.
    """
    if not text:
        return 0
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(f"{option}: {text!r} is neither a date nor milliseconds") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


def parse_pairs(pairs: list[str], option: str) -> dict[str, str]:
    """Return `name=value` texts as a mapping."""
    parsed = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CliError(f"{option}: {pair!r} is not name=value")
        parsed[name] = value
    return parsed
