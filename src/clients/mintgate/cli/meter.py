"""`mintgate usage` and `mintgate events`."""

from itertools import islice
from typing import Annotated

import typer

from mintgate import words
from mintgate.money import format_usd
from mintgate.v1.ledger_pb2 import EventStatus, SettledBy
from mintgate.v1.meter_pb2 import Event, GetUsageResponse, UsageTotals

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
from ._output import (
    message_json,
    print_fields,
    print_json,
    print_json_line,
    print_table,
    time_text,
    waiting,
)

FromOption = Annotated[
    str | None, typer.Option("--from", help="UTC date or milliseconds, inclusive.")
]
ToOption = Annotated[str | None, typer.Option("--to", help="The same, exclusive.")]
KeyIdOption = Annotated[str, typer.Option("--key-id", help="Only this key.")]

EVENT_COLUMNS = (
    *("time", "key", "provider", "model", ">input", ">output", ">charged", "status"),
    *("settled by", ">ms"),
)


def usage(
    *,
    start: FromOption = None,
    end: ToOption = None,
    key_id: KeyIdOption = "",
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sum up what each key used of each model; by default this month so far."""
    from_ms, to_ms = parse_time_ms(start, "--from"), parse_time_ms(end, "--to")
    with connect(target, key) as connection, waiting("summing up"):
        summed = connection.client.meter.usage(
            from_ms=from_ms,
            to_ms=to_ms,
            key_id=key_id,
            account_id=connection.account(account),
        )
    if as_json:
        print_json(message_json(summed))
    else:
        _show_usage(summed)


def events(
    *,
    tail: Annotated[bool, typer.Option("--tail", help="Follow new charges, without end.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 100,
    start: FromOption = None,
    end: ToOption = None,
    key_id: KeyIdOption = "",
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show single charges, newest first; with --tail new ones as they are made."""
    if tail and (start or end):
        raise CliError("--tail shows what is new; leave --from and --to away")
    from_ms, to_ms = parse_time_ms(start, "--from"), parse_time_ms(end, "--to")
    with connect(target, key) as connection:
        if tail:
            _tail(connection, key_id, connection.account(account), as_json=as_json)
            return
        with waiting("reading events"):
            listed = connection.client.meter.events(
                key_id=key_id,
                from_ms=from_ms,
                to_ms=to_ms,
                page_size=min(limit, 1_000),
                account_id=connection.account(account),
            )
            found = list(islice(listed, limit))
    if as_json:
        print_json({"events": [message_json(event) for event in found]})
    else:
        print_table(EVENT_COLUMNS, [_event_row(event) for event in found], empty="no events")


def _tail(connection: Connection, key_id: str, account_id: str, *, as_json: bool) -> None:
    """Print each new charge on a line of its own."""
    for event in connection.client.meter.tail(key_id=key_id, account_id=account_id):
        if as_json:
            print_json_line(message_json(event))
        else:
            typer.echo("  ".join(_event_row(event)))


def _show_usage(summed: GetUsageResponse) -> None:
    """Print a row for each key and model, and the sum."""
    print_fields((("from", time_text(summed.from_ms)), ("to", time_text(summed.to_ms))))
    typer.echo()
    rows = [
        (by_key.key_id, by_key.key_name, by_model.model, *_totals(by_model.totals))
        for by_key in summed.by_key
        for by_model in by_key.by_model
    ]
    rows.append(("total", "", "", *_totals(summed.totals)))
    columns = ("key", "name", "model", ">requests", ">input", ">output", ">cost")
    print_table(columns, rows, empty="nothing was used")
    if summed.totals.absorbed_nano_usd:
        absorbed = format_usd(summed.totals.absorbed_nano_usd)
        typer.echo(f"\nabsorbed: {absorbed} cost more than any line could pay")


def _totals(totals: UsageTotals) -> tuple[str, str, str, str]:
    return (
        f"{totals.request_count:,}",
        f"{totals.input_tokens:,}",
        f"{totals.output_tokens:,}",
        format_usd(totals.cost_nano_usd),
    )


def _event_row(event: Event) -> tuple[str, ...]:
    return (
        time_text(event.at_ms),
        event.key_id,
        event.provider,
        event.model,
        f"{event.input_tokens:,}",
        f"{event.output_tokens:,}",
        format_usd(event.charged_nano_usd),
        words.word(EventStatus, event.status),
        words.word(SettledBy, event.settled_by),
        f"{event.latency_ms:,}",
    )
