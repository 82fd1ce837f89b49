"""`mintgate wallet`: balance, grant, journal, holds."""

from typing import Annotated

import typer

from mintgate import ids, words
from mintgate.money import format_usd
from mintgate.v1.ledger_pb2 import JournalKind

from ._app import CliError, group
from ._connection import AccountOption, JsonOption, KeyOption, TargetOption, connect
from ._output import (
    message_json,
    print_fields,
    print_json,
    print_table,
    time_text,
    waiting,
)

app = group("The account's wallet: what it holds, what it paid, what is held on it.")


@app.command()
def balance(
    *,
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the wallet holds, owes and may still spend."""
    with connect(target, key) as connection:
        wallet = connection.client.ledger.balance(account_id=connection.account(account))
    if as_json:
        print_json(message_json(wallet))
        return
    if wallet.postpaid:
        money = [("wallet", "postpaid")]
    else:
        money = [
            ("available", format_usd(wallet.available_nano_usd)),
            ("balance", format_usd(wallet.balance_nano_usd)),
            ("granted", format_usd(wallet.granted_nano_usd)),
        ]
    print_fields(
        [
            ("account", wallet.account_id),
            *money,
            ("held", format_usd(wallet.held_nano_usd)),
            ("spent", format_usd(wallet.spent_nano_usd)),
        ]
    )


@app.command()
def grant(
    amount_usd: Annotated[str, typer.Argument(help='For example "25.00".')],
    *,
    note: Annotated[str, typer.Option("--note", help="Why, for the journal.")] = "",
    grant_id: Annotated[
        str | None,
        typer.Option("--grant-id", help="A UUID of yours; repeating it grants once."),
    ] = None,
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add money to a prepaid wallet. Operator only."""
    identifier = _uuid(grant_id) if grant_id else ids.new_id()
    with connect(target, key) as connection:
        granted = connection.client.ledger.grant(
            connection.account(account), amount_usd, note=note, grant_id=identifier
        )
    if as_json:
        print_json({"grant_id": ids.id_text(identifier)} | message_json(granted))
        return
    fields = (
        ("grant", ids.id_text(identifier)),
        ("balance", format_usd(granted.balance_nano_usd)),
    )
    print_fields(fields)


@app.command()
def journal(
    *,
    after: Annotated[int, typer.Option("--after", min=0, help="After this sequence.")] = 0,
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything that ever happened to the wallet, oldest first."""
    with connect(target, key) as connection, waiting("reading the journal"):
        entries = list(
            connection.client.ledger.journal(
                account_id=connection.account(account), after_sequence=after, page_size=1_000
            )
        )
    if as_json:
        print_json({"entries": [message_json(entry) for entry in entries]})
        return
    rows = [
        (
            str(entry.sequence),
            time_text(entry.at_ms),
            words.word(JournalKind, entry.kind),
            format_usd(entry.granted_nano_usd),
            format_usd(entry.held_nano_usd),
            format_usd(entry.charged_nano_usd),
            format_usd(entry.absorbed_nano_usd),
            entry.key_id,
            entry.note,
        )
        for entry in entries
    ]
    columns = (
        *(">sequence", "time", "kind", ">granted", ">held", ">charged", ">absorbed"),
        *("key", "note"),
    )
    print_table(columns, rows, empty="the journal is empty")


@app.command()
def holds(
    *,
    account: AccountOption = "",
    target: TargetOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the open holds, oldest first, at most 1,000."""
    with connect(target, key) as connection:
        found = connection.client.ledger.holds(
            account_id=connection.account(account), page_size=1_000
        )
    if as_json:
        print_json({"holds": [message_json(hold) for hold in found]})
        return
    rows = [
        (
            ids.id_text(hold.hold_id),
            hold.key_id,
            hold.provider,
            hold.model,
            format_usd(hold.amount_nano_usd),
            format_usd(hold.metered_nano_usd),
            time_text(hold.reserved_at_ms),
            time_text(hold.expires_at_ms),
        )
        for hold in found
    ]
    columns = ("hold", "key", "provider", "model", ">held", ">metered", "reserved", "expires")
    print_table(columns, rows, empty="no open holds")


def _uuid(text: str) -> bytes:
    try:
        identifier = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        identifier = b""
    if len(identifier) != ids.ID_BYTES:
        raise CliError("--grant-id: must be a UUID")
    return identifier
