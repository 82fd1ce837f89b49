"""`mintgate prices`: list, put, history; diff and apply are in `_price_update`."""

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from google.protobuf import json_format

from mintgate import words
from mintgate.config import Settings
from mintgate.staleness import stale_text
from mintgate.v1 import unit_pb2
from mintgate.v1.meter_pb2 import ModelPrice, RateSet
from mintgate.v1.unit_pb2 import Unit, UnitPrice

from . import _price_update
from ._app import CliError, group
from ._connection import (
    AccountOption,
    JsonOption,
    KeyOption,
    TargetOption,
    connect,
    parse_pairs,
    parse_time_ms,
)
from ._output import message_json, print_json, print_table, time_text

app = group("What models cost, from when on.")

PICO_USD_PER_USD_PER_MILLION: Final = 1_000_000
"""1 USD a million units is this many pico-USD a unit."""

MAIN_UNITS: Final = {
    unit_pb2.UNIT_INPUT_TOKENS: "input",
    unit_pb2.UNIT_CACHE_READ_TOKENS: "cache read",
    unit_pb2.UNIT_CACHE_WRITE_5M_TOKENS: "cache write",
    unit_pb2.UNIT_OUTPUT_TOKENS: "output",
}
"""Units that have a column of their own."""

_FILE_BYTES_MAX: Final = 1_000_000

ProviderArgument = Annotated[str, typer.Argument(metavar="PROVIDER")]
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL")]


@app.command("list")
def list_prices(
    *,
    provider: Annotated[str, typer.Option("--provider", help="Only this provider.")] = "",
    model: Annotated[str, typer.Option("--model", help="Only this model.")] = "",
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the prices in force, in USD for a million units."""
    with connect(target, key) as connection:
        listed = connection.client.meter.price_list(
            provider=provider, model=model, account_id=account
        )
    _print(list(listed.prices), as_json=as_json)
    days = Settings.load().prices_stale_days
    if not as_json and (
        warning := stale_text(listed.data_read_at_ms, _price_update.now_ms(), days)
    ):
        typer.echo(f"\n{warning}; see `mintgate prices diff`")


@app.command()
def put(
    provider: ProviderArgument,
    model: ModelArgument,
    *,
    per_million: Annotated[
        list[str] | None,
        typer.Option(
            "--per-million",
            metavar="UNIT=USD",
            help="USD for a million units, for example input_tokens=2.50; repeatable.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="A price as `prices list --json` shows it, instead."),
    ] = None,
    context_window: Annotated[int, typer.Option("--context-window", min=0)] = 0,
    max_output_tokens: Annotated[int, typer.Option("--max-output-tokens", min=0)] = 0,
    effective_at: Annotated[
        str | None,
        typer.Option("--effective-at", help="UTC date or milliseconds; default at once."),
    ] = None,
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set a price from a moment on, for the account; as the operator for all."""
    if (file is None) == (not per_million):
        raise CliError("give --per-million or --file, one of them")
    price = ModelPrice() if file is None else _read_price(file)
    price.provider, price.model = provider, model
    price.source = ""  # Who sets a price by hand is its source, whatever the file says.
    if per_million:
        price.rates.append(RateSet(prices=_unit_prices(per_million)))
    price.context_window = context_window or price.context_window
    price.max_output_tokens = max_output_tokens or price.max_output_tokens
    price.effective_at_ms = parse_time_ms(effective_at, "--effective-at") or price.effective_at_ms
    with connect(target, key) as connection:
        stored = connection.client.meter.put_price(price, account_id=account)
    _print([stored], as_json=as_json)


@app.command()
def history(
    provider: ProviderArgument,
    model: ModelArgument,
    *,
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every price that a model has had, newest first."""
    with connect(target, key) as connection:
        prices = connection.client.meter.price_history(
            provider=provider, model=model, account_id=account
        )
    _print(prices, as_json=as_json)


_price_update.add_to(app)


def _unit_prices(pairs: list[str]) -> list[UnitPrice]:
    """Return `input_tokens=2.50` texts, USD a million, as exact pico-USD a unit."""
    prices = []
    for unit, text in parse_pairs(pairs, "--per-million").items():
        number = words.number(Unit, unit, field="--per-million")
        try:
            pico_usd = Decimal(text) * PICO_USD_PER_USD_PER_MILLION
            whole = pico_usd.is_finite() and pico_usd == int(pico_usd)
        except (InvalidOperation, ValueError):
            whole = False
        if not whole or pico_usd < 0:
            raise CliError(
                f"--per-million: {unit}={text} is not an amount with at most six decimals"
            )
        prices.append(UnitPrice(unit=number, pico_usd=int(pico_usd)))
    return prices


def _read_price(path: Path) -> ModelPrice:
    """Read a price that was written as JSON, units by their words."""
    with path.open("rb") as file:
        text = file.read(_FILE_BYTES_MAX)
    try:
        return json_format.ParseDict(_with_unit_names(json.loads(text)), ModelPrice())
    except (ValueError, json_format.ParseError) as error:
        raise CliError(f"{path}: not a price: {error}") from None


def _with_unit_names(document: Any) -> Any:
    """Return JSON with "input_tokens" as protobuf's parser wants it, "UNIT_INPUT_TOKENS"."""
    if isinstance(document, list):
        return [_with_unit_names(item) for item in document]
    if not isinstance(document, dict):
        return document
    return {
        name: f"UNIT_{value.upper()}"
        if name == "unit" and isinstance(value, str)
        else _with_unit_names(value)
        for name, value in document.items()
    }


def _print(prices: list[ModelPrice], *, as_json: bool) -> None:
    """Print a row for each variant and tier of each model."""
    if as_json:
        print_json({"prices": [message_json(price) for price in prices]})
        return
    rows = [
        (
            *(price.provider, price.model, variant, *_cells(unit_prices)),
            *(time_text(price.effective_at_ms) or "always", price.source),
        )
        for price in prices
        for variant, unit_prices in _variants(price)
    ]
    columns = (
        *("provider", "model", "USD a million", *(f">{name}" for name in MAIN_UNITS.values())),
        *("besides", "from", "source"),
    )
    print_table(columns, rows, empty="no prices")


def _variants(price: ModelPrice) -> Iterator[tuple[str, Iterable[UnitPrice]]]:
    """Yield the name and the prices of each variant, and of each tier of it."""
    for rates in price.rates:
        variant = rates.variant or "standard"
        yield variant, rates.prices
        for tier in rates.tiers:
            yield f"{variant}, above {tier.above_input_tokens:,} input", tier.prices


def _cells(prices: Iterable[UnitPrice]) -> list[str]:
    """Return a cell for each main unit, and one for the units that cost something else."""
    pico_usd = {price.unit: price.pico_usd for price in prices}
    main = [pico_usd.get(unit) for unit in MAIN_UNITS]
    others = [
        f"{words.word(Unit, unit)} {_per_million(price)}"
        for unit, price in pico_usd.items()
        if price not in main
    ]
    return [*("" if price is None else _per_million(price) for price in main), ", ".join(others)]


def _per_million(pico_usd: int) -> str:
    """Return pico-USD a unit as USD a million, without zeros at its end."""
    whole, micro = divmod(pico_usd, PICO_USD_PER_USD_PER_MILLION)
    return f"{whole}.{micro:06d}".rstrip("0").ljust(len(f"{whole}.00"), "0")
