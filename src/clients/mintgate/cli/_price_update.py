"""`mintgate prices diff` and `apply`: what a newer source would change, and making it so."""

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Annotated, Final

import typer

from mintgate.config import ConfigError
from mintgate.errors import MintgateError
from mintgate.v1.meter_pb2 import ListPricesResponse, ModelPrice

from ._app import CliError
from ._connection import (
    AccountOption,
    Connection,
    JsonOption,
    KeyOption,
    TargetOption,
    connect,
    parse_time_ms,
)
from ._output import print_json, print_table, time_text
from ._price_changes import KEPT, REMOVED, Difference, Line, differences
from .server import require_server

EXIT_DIFFERENT: Final = 1
EXIT_TROUBLE: Final = 2
NOW: Final = "now"
PROPOSE_WAIT_S: Final = 120
"""Reading a release takes a second or two."""

_NS_PER_MS: Final = 1_000_000
_PICO_USD_PER_USD_PER_MILLION: Final = 1_000_000

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A newer genai-prices (data.json, wheel, or the directory that it is in), or a "
        "TOML of prices.",
    ),
]
ProviderOption = Annotated[str, typer.Option("--provider", help="Only this provider.")]
ModelOption = Annotated[str, typer.Option("--model", help="Only this model.")]
ByHandOption = Annotated[bool, typer.Option("--by-hand", help="Prices that were set by hand too.")]


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // _NS_PER_MS


def diff(
    file: FileArgument,
    *,
    at: Annotated[str, typer.Option("--at", help="Compare as of this time. Default: now.")] = "",
    provider: ProviderOption = "",
    model: ModelOption = "",
    by_hand: ByHandOption = False,
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what FILE would change; exit 1 if anything, 2 if it cannot be told."""
    with _trouble(), connect(target, key) as connection:
        at_ms = parse_time_ms(at, "--at") or now_ms()
        found = _compare(connection, file, at_ms, provider, model, by_hand=by_hand, account=account)
        _show(found, as_json=as_json)
    if any(each.kind != KEPT for each in found):
        raise typer.Exit(EXIT_DIFFERENT)


def apply(
    file: FileArgument,
    *,
    since: Annotated[
        str,
        typer.Option("--from", metavar="TIME", help='From when on: "now", or not in the past.'),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show it.")] = False,
    provider: ProviderOption = "",
    model: ModelOption = "",
    by_hand: ByHandOption = False,
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make what FILE changes the price from a moment on.

    All of it or nothing, and once it is done, running it again changes nothing.
    """
    from_ms = now_ms() if since == NOW else parse_time_ms(since, "--from")
    if since != NOW and from_ms < now_ms():
        raise CliError(f"--from: a price cannot start in the past; {NOW} is the earliest")
    with connect(target, key) as connection:
        found = _compare(
            connection, file, from_ms, provider, model, by_hand=by_hand, account=account
        )
        chosen = [each for each in found if each.kind not in {KEPT, REMOVED}]
        if chosen and not dry_run:
            connection.client.meter.put_prices(_prices_of(chosen, from_ms), account_id=account)
    _show(found, as_json=as_json)
    if not as_json:
        one = len(chosen) == 1
        verb = "would change" if dry_run else "changes" if one else "change"
        models = "model" if one else "models"
        typer.echo(f"{len(chosen)} {models} {verb} on {time_text(from_ms)} UTC")


def _compare(
    connection: Connection,
    file: Path,
    at_ms: int,
    provider: str,
    model: str,
    *,
    by_hand: bool,
    account: str,
) -> list[Difference]:
    active = connection.client.meter.prices(account_id=account, at_ms=at_ms)
    proposed = _propose(file, active, at_ms)

    def chosen(prices: Iterable[ModelPrice]) -> list[ModelPrice]:
        return [p for p in prices if provider in {"", p.provider} and model in {"", p.model}]

    return differences(chosen(active), chosen(proposed), by_hand=by_hand)


def _propose(file: Path, active: list[ModelPrice], at_ms: int) -> list[ModelPrice]:
    """Ask a process with the server's packages what the prices would be."""
    require_server()
    ran = subprocess.run(  # noqa: S603  # Our own module; the file is its argument.
        [sys.executable, "-m", "mintgate_core.propose", str(file), "--at-ms", str(at_ms)],
        input=ListPricesResponse(prices=active).SerializeToString(),
        capture_output=True,
        check=False,
        timeout=PROPOSE_WAIT_S,
    )
    if ran.returncode:
        lines = ran.stderr.decode(errors="replace").strip().splitlines()
        raise CliError(lines[-1] if lines else f"{file}: it could not be read")
    return list(ListPricesResponse.FromString(ran.stdout).prices)


def _prices_of(chosen: list[Difference], from_ms: int) -> Iterator[ModelPrice]:
    """What is to be set: each model's price from the moment on, and its announced ones."""
    for each in chosen:
        for step in each.steps:
            price = ModelPrice()
            price.CopyFrom(step)
            price.effective_at_ms = max(from_ms, step.effective_at_ms)
            yield price


def _show(found: list[Difference], *, as_json: bool) -> None:
    if as_json:
        print_json({"differences": [each.as_json() for each in found]})
        return
    rows = [
        (each.provider, each.model, each.kind, variant, ", ".join(units), *figures)
        for each in found
        for variant, units, figures in _grouped(each.lines)
    ]
    columns = ("provider", "model", "", "variant", "unit", ">old", ">new", ">change")
    print_table(columns, rows, empty="no differences")


def _grouped(lines: Iterable[Line]) -> Iterator[tuple[str, list[str], tuple[str, str, str]]]:
    """Units of a variant that change alike, in one row."""

    def alike(line: Line) -> tuple[str, int | None, int | None]:
        return line.variant, line.old, line.new

    for (variant, _, _), group in groupby(lines, key=alike):
        same = list(group)
        first = same[0]
        figures = (_figure(first, first.old), _figure(first, first.new), _percent(first))
        yield variant, [line.unit for line in same], figures


def _figure(line: Line, value: int | None) -> str:
    """USD a million units, a factor, or a number of tokens."""
    if value is None:
        return "-"
    if line.variant == "limit":
        return f"{value:,}"
    if line.unit == "factor":
        return f"x{value // 1_000}.{value % 1_000:03d}"
    whole, micro = divmod(value, _PICO_USD_PER_USD_PER_MILLION)
    return f"{whole}.{micro:06d}".rstrip("0").ljust(len(f"{whole}.00"), "0")


def _percent(line: Line) -> str:
    change = line.per_mille
    if change is None:
        return ""
    return f"{'+' if change > 0 else '-'}{abs(change) // 10}.{abs(change) % 10} %"


@contextmanager
def _trouble() -> Iterator[None]:
    """As `diff` and `grep` have it: 1 is an answer, 2 is none."""
    try:
        yield
    except (CliError, ConfigError, MintgateError, OSError) as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(EXIT_TROUBLE) from None


def add_to(app: typer.Typer) -> None:
    """Add both to the commands about prices."""
    app.command()(diff)
    app.command()(apply)
